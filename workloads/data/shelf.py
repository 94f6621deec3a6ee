"""Data that the operator keeps in the state folder, whole and checked: `data/<name>/` there.

Each is a folder with a manifest of its files' checksums, written under another name and
renamed. From there it goes into the cluster's bucket, where workloads read it as
`bucket:<name>`.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contracts.errors import UsageError
from contracts.files import write_json
from contracts.progress import Event, Tell, step, tell_nobody
from workloads.data import bucket
from workloads.data.hashes import checksums
from workloads.store import Store
from workloads.store_errors import ObjectMissing

MANIFEST = "manifest.json"


def folder(state: Path, name: str) -> Path:
    """Return where data of some name lie.

    Raises
    ------
    UsageError
        If it is no name that a bucket could have, too.
    """
    if not bucket.is_name(bucket.PREFIX + name) or ".." in name or "/" in name:
        raise UsageError(
            f"{name!r:.80} is no name for data.",
            next_step="letters, digits, '.', '-' and '_', such as mine-2",
        )
    return state / "data" / name


def look(place: Path) -> dict[str, Any] | None:
    """Return the manifest of kept data; None if they are not there whole."""
    try:
        found: dict[str, Any] = json.loads((place / MANIFEST).read_text())
        wanted = dict(found["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if checksums(place, sorted(wanted)) == wanted else None


def keep(
    place: Path, make: Callable[[Path], Mapping[str, Any]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Let data be made into an empty folder and put it in its place; return its manifest.

    What was there before is replaced, and only by something whole.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".making-") as name:
        made = Path(name) / "made"
        made.mkdir()
        found = make(made)
        names = sorted(one.name for one in made.iterdir())
        document = {**facts, **found, "sha256": checksums(made, names)}
        write_json(made / MANIFEST, document)
        if place.exists():
            shutil.move(place, Path(name) / "before")
        os.replace(made, place)
    return document


def send(
    place: Path, name: str, store: Store, tell: Tell = tell_nobody, *, again: bool = False
) -> dict[str, Any]:
    """Put every file of kept data into the bucket; return where, and how many bytes.

    The manifest comes last: where it is, all else is, and nothing is sent but `again`.
    """
    names = sorted(one.name for one in place.iterdir() if one.name != MANIFEST)
    size, where = 0, f"s3://{store.bucket}/data/{name}/"
    if not again and _is_there(place, name, store):
        return {"place": where, "bytes": 0, "changes": False}
    with step(tell, "bucket", f"put {name}"):
        for number, one in enumerate([*names, MANIFEST]):
            share = number / (len(names) + 1)
            tell(Event("bucket", f"put {name}", "running", detail=one, fraction=share))
            store.send(f"{name}/{one}", place / one)
            size += (place / one).stat().st_size
    return {"place": where, "bytes": size, "changes": True}


def _is_there(place: Path, name: str, store: Store) -> bool:
    try:
        return store.read(f"{name}/{MANIFEST}") == (place / MANIFEST).read_bytes()
    except ObjectMissing:
        return False
