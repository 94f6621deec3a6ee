"""What tells one copy of data from another: hashes of arrays and of the files they lie in."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

Block = tuple[NDArray[Any], NDArray[Any]]


def content(blocks: Iterator[Block]) -> str:
    """Return a hash of the data that does not depend on how it was cut into blocks."""
    hashes = hashlib.sha256(), hashlib.sha256()
    kinds = ""
    for block in blocks:
        kinds = " ".join(f"{part.dtype.str}{part.shape[1:]}" for part in block)
        for digest, part in zip(hashes, block, strict=True):
            digest.update(part.tobytes())
    whole = kinds + "".join(digest.hexdigest() for digest in hashes)
    return hashlib.sha256(whole.encode()).hexdigest()


def checksums(folder: Path, names: Iterable[str]) -> dict[str, str] | None:
    """Return the hash of each file of a folder; None if one cannot be read."""
    found = {}
    for name in names:
        try:
            with open(folder / name, "rb") as stream:
                found[name] = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return None
    return found
