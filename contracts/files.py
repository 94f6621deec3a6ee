"""Files that survive a crash: atomic replacement, synced appends, one writer at a time."""

import contextlib
import fcntl
import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.errors import RefusedError


def state_folder() -> Path:
    """Return the folder that holds keys, inventory, endpoint and logs of this project.

    It is `.tandem` in the working folder, or what the variable TANDEM_STATE names.
    """
    return Path(os.environ.get("TANDEM_STATE") or ".tandem").absolute()


def write_atomically(path: Path, data: bytes | str, *, mode: int = 0o644) -> None:
    """Replace `path` so that a reader sees the old content or the new, never a part.

    The file is written beside its target, synced, renamed, and the folder synced.
    """
    content = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, document: Any, *, mode: int = 0o644) -> None:
    """Write a JSON document atomically, with sorted keys and a final newline."""
    text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False)
    write_atomically(path, text + "\n", mode=mode)


def append_line(path: Path, line: str) -> None:
    """Append one line with a single write and sync it to the disk.

    Raises
    ------
    ValueError
        If the text is more than one line.
    OSError
        If the line could not be written whole; what was there before is intact and a
        part of the line, if any, is cut off again.
    """
    if "\n" in line:
        raise ValueError("a journal record must be one line")
    path.parent.mkdir(parents=True, exist_ok=True)
    created = not path.exists()
    content = line.encode() + b"\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        before = os.fstat(descriptor).st_size
        try:
            written = os.write(descriptor, content)
            if written != len(content):
                raise OSError(f"only {written} of {len(content)} bytes fitted into {path}")
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)
    if created:
        _sync_folder(path.parent)


@contextlib.contextmanager
def single_writer(path: Path, *, purpose: str) -> Iterator[None]:
    """Hold an exclusive lock on `path` for the length of the block.

    The kernel drops the lock with the process, so a killed holder leaves nothing to clean.

    Raises
    ------
    RefusedError
        If another process holds it; the error names that process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 4096, 0).decode(errors="replace").strip()
            raise RefusedError(
                f"{purpose} is already under way: {holder or 'holder unknown'}.",
                next_step="wait for it to end, or stop that process, then try again",
            ) from error
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        note = f"pid {os.getpid()} on {socket.gethostname()} since {since}"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
