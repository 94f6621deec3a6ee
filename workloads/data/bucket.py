"""Data of the cluster's bucket: `bucket:NAME` is `data/NAME/X.npy` and `data/NAME/y.npy` there.

They are NumPy's own files, put there once by any means, such as
`aws s3 cp X.npy s3://BUCKET/data/NAME/X.npy`: X holds numbers (rows x columns), y whole
numbers (rows). The operator reads their first bytes, to know their shape; each node reads all
of them, once, with its machine's role.
"""

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TandemError, UsageError
from contracts.trial import canonical
from workloads.store import Store

PREFIX = "bucket:"
FILES = ("X.npy", "y.npy")
# A header of NumPy's is a multiple of 64 bytes, and those of plain arrays are 128.
HEADER_BYTES = 4096

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}\Z")


@dataclass(frozen=True)
class Outline:
    """What the first bytes of an array's file say of it; `start` is where its numbers begin."""

    shape: tuple[int, ...]
    kind: np.dtype[Any]
    start: int
    by_columns: bool


@dataclass(frozen=True)
class Stored:
    """Data as they lie in a bucket; `mark` is another when the content of either file is."""

    rows: int
    mark: str

    def version(self, dataset: str, rows: int) -> str:
        """Return the name of so many rows of them, which ends in a hash of what they are."""
        text = canonical({"content": self.mark, "rows": rows})
        slug = re.sub(r"[^A-Za-z0-9]+", "-", dataset)
        size = "" if rows == self.rows else f"-n{rows}"
        return f"{slug}{size}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def is_name(dataset: str) -> bool:
    """Say whether a name of data means data of the bucket."""
    return dataset.startswith(PREFIX) and bool(_NAME.match(dataset.removeprefix(PREFIX)))


def look(dataset: str, store: Store) -> Stored:
    """Return what there is of data without reading them.

    Raises
    ------
    TandemError
        If they cannot be had.
    UsageError
        If they are no data of this kind.
    """
    keys = [f"{dataset.removeprefix(PREFIX)}/{name}" for name in FILES]
    marks = [store.facts(key).mark for key in keys]
    x, y = (outline(key, store) for key in keys)
    x_shape, x_kind, y_shape, y_kind = x.shape, x.kind.kind, y.shape, y.kind.kind
    if len(x_shape) != 2 or x_kind not in "biuf" or y_kind not in "biu" or not x_shape[1]:
        found = f"X is {x_shape} of kind {x_kind!r} and y is {y_shape} of kind {y_kind!r}"
    elif y_shape != (x_shape[0],):
        found = f"X has {x_shape[0]} rows and y is {y_shape}"
    else:
        return Stored(x_shape[0], " ".join(marks))
    raise UsageError(
        f"{dataset} is no data to learn from: {found}.",
        next_step="put X of numbers (rows x columns) and y of whole numbers (rows) there, "
        "as numpy.save writes them",
    )


def fetch(dataset: str, folder: Path, store: Store) -> tuple[NDArray[Any], NDArray[Any]]:
    """Copy data into a folder; return X and y, mapped and not read."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        store.fetch(f"{dataset.removeprefix(PREFIX)}/{name}", folder / name)
    x, y = (np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in FILES)
    return x, y


def check(dataset: str, rows: int, version: str, store: Store) -> None:
    """See that what lies in the bucket is still the version that a run was planned with.

    Raises
    ------
    TandemError
        If it is not.
    """
    found = look(dataset, store).version(dataset, rows)
    if found != version:
        raise TandemError(
            f"{dataset} is {found} now and was {version} when the run was planned.",
            cause="Somebody wrote other data in its place.",
            next_step="the same sweep under another --name, with the data that are there now",
        )


def outline(key: str, store: Store) -> Outline:
    """Return what the first bytes of an array in the bucket say of it.

    Raises
    ------
    UsageError
        If they are not those of an array.
    """
    stream = io.BytesIO(store.read(key, HEADER_BYTES))
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        shape, by_columns, kind = readers[np.lib.format.read_magic(stream)](stream)
    except (ValueError, KeyError) as error:
        raise UsageError(
            f"s3://{store.bucket}/data/{key} is no array as numpy.save writes it.",
            cause=str(error),
        ) from error
    return Outline(shape, kind, stream.tell(), by_columns)
