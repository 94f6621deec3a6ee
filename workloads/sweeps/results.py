"""The results folder: one folder for each sweep, by its name."""

import datetime
import os
import re
from pathlib import Path

from contracts.errors import UsageError

JOURNAL = "journal.jsonl"
LOCK = ".lock"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}\Z")
_SET_ASIDE = re.compile(r"-until-\d{8}-\d{6}(-\d+)?\Z")


def sweep_folder(results: Path, name: str) -> Path:
    """Return the folder of a sweep, whether it exists or not.

    Raises
    ------
    UsageError
        If the name could lead out of the results folder or be taken for an option.
    """
    if not _NAME.match(name):
        raise UsageError(
            f"--name {name!r:.80} is no name of a sweep: it must be 1 to 61 letters, digits or "
            ". _ -, a letter or digit first.",
            next_step="--name forest",
        )
    return results / name


def sweep_names(results: Path) -> list[str]:
    """Return the names of the sweeps that have a journal, the latest written last."""
    found = [path for path in results.glob(f"*/{JOURNAL}") if path.is_file()]
    return [path.parent.name for path in sorted(found, key=lambda one: one.stat().st_mtime_ns)]


def is_set_aside(name: str) -> bool:
    """Return whether a folder holds earlier results whose sweep was started anew.

    >>> is_set_aside("knn-until-20261122-005128-2"), is_set_aside("knn-until-now")
    (True, False)
    """
    return _SET_ASIDE.search(name) is not None


def set_aside(folder: Path, moment: datetime.datetime) -> Path:
    """Rename a sweep's folder so that its name is free; nothing is deleted."""
    base = folder.with_name(f"{folder.name}-until-{moment:%Y%m%d-%H%M%S}")
    kept, count = base, 1
    while kept.exists():
        count += 1
        kept = base.with_name(f"{base.name}-{count}")
    os.rename(folder, kept)
    return kept
