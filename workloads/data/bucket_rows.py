"""Rows of the bucket that nobody copied before: each task reads those it computes on.

A chunk of rows is one request for a range of bytes, which names the mark of the object, so
that rows of two versions never come together. Who asks gets the rows, and what it took to
read them. Where rows are needed more than once, a reader keeps them in a file of its node.
"""

import functools
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import UsageError
from workloads import store
from workloads.data import bucket, origins
from workloads.data.datasets import Data
from workloads.store import Store


@dataclass
class Reading:
    """What was read from the bucket: seconds and bytes."""

    seconds: float = 0.0
    size: int = 0


@dataclass(frozen=True)
class Source:
    """X of some data of the bucket, and which of its rows are meant (None: all)."""

    store: Store
    key: str
    mark: str
    outline: bucket.Outline
    chosen: NDArray[np.int64] | None


class BucketRows:
    """Rows (rows x columns) that are read when they are asked for, as `x[first:last]`.

    `reading` is what they took so far. With a folder `keep`, a chunk is read once by whoever
    needs it first on a node, and mapped from then on.
    """

    def __init__(self, source: Source, rows: int, keep: Path | None = None) -> None:
        self.shape = (rows, source.outline.shape[1])
        self.reading = Reading()
        self._source = source
        self._keep = keep

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | int | np.integer[Any]) -> NDArray[Any]:
        if not isinstance(rows, slice):
            row = range(len(self))[int(rows)]
            one: NDArray[Any] = self._read(row, row + 1)[0]
            return one
        first, last, step = rows.indices(len(self))
        if step != 1:
            raise ValueError("rows of the bucket are read in one piece")
        if self._keep is None:
            return self._read(first, last)
        path = self._keep / f"{first}-{last}.npy"
        if not path.exists():
            self._keep.mkdir(parents=True, exist_ok=True)
            part = self._keep / f"{path.name}.{os.getpid()}.part"
            with open(part, "wb") as stream:
                np.save(stream, self._read(first, last))
            os.replace(part, path)
        kept: NDArray[Any] = np.load(path, mmap_mode="r")
        return kept

    def _read(self, first: int, last: int) -> NDArray[Any]:
        source, chosen = self._source, self._source.chosen
        if last <= first:
            return np.empty((0, self.shape[1]), dtype=np.float64)
        wanted = np.arange(first, last) if chosen is None else chosen[first:last]
        begin, end = int(wanted[0]), int(wanted[-1]) + 1
        width = source.outline.kind.itemsize * self.shape[1]
        before = time.monotonic()
        data = source.store.read_part(
            source.key,
            source.outline.start + begin * width,
            (end - begin) * width,
            source.mark,
        )
        self.reading.seconds += time.monotonic() - before
        self.reading.size += len(data)
        block = np.frombuffer(data, dtype=source.outline.kind).reshape(-1, self.shape[1])
        picked = block if len(wanted) == len(block) else block[wanted - begin]
        return picked.astype(_real(source.outline.kind), copy=False)


def open_rows(data: Data, keep: Path | None = None) -> BucketRows:
    """Return the rows of data of the bucket; only what the bucket says of them is read.

    Raises
    ------
    TandemError
        If they cannot be had, or are not those that the version means.
    """
    return BucketRows(source_of(data), data.rows, keep)


def keeping(home: str, version: str, token: str) -> Path:
    """Return a node's folder for rows of one reading, in which those of others are removed.

    Parameters
    ----------
    token : str
        Names the reading; another reading of the same data reads anew.
    """
    place = Path(home).expanduser() / "data" / ".reading"
    own = place / f"{version}-{token}"
    if not own.exists():
        for other in place.glob("*"):
            if other != own:
                shutil.rmtree(other, ignore_errors=True)
        own.mkdir(parents=True, exist_ok=True)
    return own


@functools.lru_cache(maxsize=2)
def source_of(data: Data) -> Source:
    """Return what is known of some data of the bucket, looked up once by a process."""
    asked = store.open_store()
    bucket.check(data.dataset, data.rows, data.version, asked)
    key = f"{data.dataset.removeprefix(bucket.PREFIX)}/{bucket.FILES[0]}"
    mark, outline = asked.facts(key).mark, bucket.outline(key, asked)
    if outline.by_columns:
        raise UsageError(
            f"{data.dataset} lies column by column, and rows of it cannot be read alone.",
            next_step="numpy.save('X.npy', numpy.ascontiguousarray(X)), and put that there",
        )
    total = outline.shape[0]
    chosen = None if data.rows == total else origins.choice(total, data.rows)
    return Source(asked, key, mark, outline, chosen)


def _real(kind: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which rows of some type are computed on, without loss."""
    most = 4 if kind.kind == "f" else 2
    return np.dtype(np.float32 if kind.itemsize <= most else np.float64)
