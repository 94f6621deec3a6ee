"""The data of a search in one file that every process maps: no copies, no scatter.

The file is named by its content, so a node writes it once, every process of the node reads
the same pages, and another machine's file of the same name holds the same bytes.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workloads.forest.exact.codes import CodedColumn, CodedMatrix, encode

_MAGIC = b"tandem-exact-1\n\0"
_ALIGN = 64
Fold = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class ForestData:
    """What units and scores are computed from.

    Parameters
    ----------
    matrix : CodedMatrix or ndarray of shape (n_rows, n_features), float32
        Codes, or the values where a column has too many to code.
    classes : ndarray of shape (n_rows,)
        Class numbers: uint8 up to 256 classes, else int32.
    n_classes : int
    folds : tuple of (train, test)
        Row numbers, uint32.
    """

    matrix: CodedMatrix | np.ndarray
    classes: np.ndarray
    n_classes: int
    folds: tuple[Fold, ...]

    def values(self) -> np.ndarray:
        """Return the matrix as float32, decoded if need be."""
        if isinstance(self.matrix, CodedMatrix):
            return self.matrix.decode()
        return self.matrix


def forest_data(
    matrix: np.ndarray, classes: np.ndarray, folds: Sequence[Fold], *, coded: bool = True
) -> ForestData:
    """Code a matrix, where it can be and is to be, and number rows.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_features)
        Finite real values.
    classes : ndarray of shape (n_rows,)
        Class numbers from 0.
    folds : sequence of (train, test)
        Row numbers.
    coded : bool
        False leaves the values as they are: scikit-learn's builder needs no codes.
    """
    n_classes = int(classes.max()) + 1
    codes = encode(matrix) if coded else None
    return ForestData(
        matrix=np.asarray(matrix, dtype=np.float32) if codes is None else codes,
        classes=classes.astype(np.uint8 if n_classes <= 256 else np.int32),
        n_classes=n_classes,
        folds=tuple((_numbers(train), _numbers(test)) for train, test in folds),
    )


def write_data(folder: Path, data: ForestData) -> str:
    """Write the data into `folder` under the name of its content; return the name.

    A file that is there already is left alone.
    """
    arrays = _arrays(data)
    table: dict[str, tuple[str, tuple[int, ...], str, int]] = {}
    at = 0
    for name, array in arrays.items():
        at = -(-at // _ALIGN) * _ALIGN
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        table[name] = (array.dtype.str, array.shape, order, at)
        at += array.nbytes
    outline = {"arrays": table, "classes": data.n_classes, "folds": len(data.folds)}
    head = json.dumps(outline, sort_keys=True).encode()
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=folder, prefix=".forest-")
    try:
        digest = hashlib.sha256()
        with os.fdopen(descriptor, "wb") as stream:
            begin = _begin(head)

            def put(content: Any) -> None:
                digest.update(content)
                stream.write(content)

            put(_MAGIC + len(head).to_bytes(8, "little") + head)
            for name, array in arrays.items():
                put(b"\0" * (begin + table[name][3] - stream.tell()))
                put(array.ravel(order="K").view(np.uint8).data)
            stream.flush()
            os.fsync(stream.fileno())
        name = _name(digest.hexdigest())
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, folder / name)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    return name


def content_name(path: Path) -> str:
    """Return the name that a file of this content has; raises OSError if it cannot be read."""
    with path.open("rb") as stream:
        return _name(hashlib.file_digest(stream, "sha256").hexdigest())


def open_data(path: Path) -> ForestData:
    """Map a file that `write_data` made; only what is used is read.

    Raises
    ------
    ValueError
        If it is another kind of file, or not whole.
    """
    with path.open("rb") as stream:
        start = stream.read(len(_MAGIC) + 8)
        if not start.startswith(_MAGIC):
            raise ValueError(f"{path.name} does not hold the data of a search")
        head = stream.read(int.from_bytes(start[len(_MAGIC) :], "little"))
    outline = json.loads(head)
    content = np.memmap(path, dtype=np.uint8, mode="r")
    arrays = {}
    for name, (dtype, shape, order, at) in outline["arrays"].items():
        first = _begin(head) + at
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if first + size > len(content):
            raise ValueError(f"{path.name} is cut short")
        flat = np.asarray(content[first : first + size]).view(dtype)
        arrays[name] = flat.reshape(shape, order=order)
    return _from_arrays(arrays, outline["classes"], outline["folds"])


def _name(digest: str) -> str:
    return f"forest-{digest[:20]}.data"


def _begin(head: bytes) -> int:
    return -(-(len(_MAGIC) + 8 + len(head)) // _ALIGN) * _ALIGN


def _numbers(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows, dtype=np.uint32)


def _arrays(data: ForestData) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {"y": np.ascontiguousarray(data.classes)}
    for number, (train, test) in enumerate(data.folds):
        arrays[f"train{number}"], arrays[f"test{number}"] = train, test
    if isinstance(data.matrix, CodedMatrix):
        arrays["rows"] = data.matrix.rows
        for number, column in enumerate(data.matrix.columns):
            arrays[f"codes{number}"], arrays[f"values{number}"] = column.codes, column.values
    else:
        arrays["x"] = np.asfortranarray(data.matrix)
    return arrays


def _from_arrays(arrays: dict[str, np.ndarray], n_classes: int, n_folds: int) -> ForestData:
    if "rows" in arrays:
        columns = tuple(
            CodedColumn(arrays[f"values{number}"], arrays[f"codes{number}"])
            for number in range(sum(name.startswith("codes") for name in arrays))
        )
        matrix: CodedMatrix | np.ndarray = CodedMatrix(columns, arrays["rows"])
    else:
        matrix = arrays["x"]
    folds = tuple((arrays[f"train{i}"], arrays[f"test{i}"]) for i in range(n_folds))
    return ForestData(matrix, arrays["y"], n_classes, folds)
