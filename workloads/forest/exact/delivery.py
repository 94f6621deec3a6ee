"""The data file on a machine that shares no folder with the search: brought once, by its name.

The name is the hash of the content, so a file that is there is the right one, whoever brought
it, and every process of the machine maps the same pages.
"""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workloads.forest.exact.sharing import content_name

KEPT = 4
IN_USE_SECONDS = 12 * 3600.0  # a file used since then stays, however many there are


def local_folder() -> Path:
    """Return this user's folder for data files on this machine; made if it is not there.

    Raises
    ------
    PermissionError
        If somebody else made it.
    """
    folder = Path(tempfile.gettempdir()) / f"tandem-forest-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.is_symlink():
        raise PermissionError(f"{folder} belongs to another user")
    return folder


def is_here(name: str) -> bool:
    """Return whether the file is on this machine, whole."""
    try:
        os.utime(local_folder() / name)
        return content_name(local_folder() / name) == name
    except OSError:
        return False


def bring(name: str, parts: Iterable[Any]) -> None:
    """Write the file from its parts unless another process has; files long unused go.

    Processes that still map a file that goes keep its pages.

    Raises
    ------
    ValueError
        If the parts are not the content that the name says.
    """
    folder = local_folder()
    with _alone(folder):
        if is_here(name):
            return
        descriptor, unfinished = tempfile.mkstemp(dir=folder, prefix=".bringing-")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                for part in parts:
                    stream.write(part)
            if content_name(Path(unfinished)) != name:
                raise ValueError(f"what came is not {name}")
            os.replace(unfinished, folder / name)
        finally:
            Path(unfinished).unlink(missing_ok=True)
        files = sorted(folder.glob("forest-*.data"), key=lambda path: path.stat().st_mtime)
        unused = time.time() - IN_USE_SECONDS
        for old in files[:-KEPT]:
            if old.stat().st_mtime < unused:
                old.unlink(missing_ok=True)


def at_home(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a unit's arguments with the folder in which this machine has the data file.

    Raises
    ------
    FileNotFoundError
        If it has none any more: the slot is lost then, and is brought the file anew.
    """
    there = Path(arguments["folder"]) / arguments["data"]
    if there.exists():
        return dict(arguments)
    here = local_folder() / arguments["data"]
    if not here.exists():
        raise FileNotFoundError(f"{here} is there no more")
    os.utime(here)
    return {**arguments, "folder": str(local_folder())}


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
