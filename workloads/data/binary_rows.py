"""Rows in the binary format of PostgreSQL's COPY, as arrays of NumPy's.

A row is its number of fields and then each value after its size, all big-endian; where every
value has a fixed width and none is NULL, that is an array of NumPy's as it stands.
https://www.postgresql.org/docs/15/sql-copy.html describes it under "Binary Format".
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TandemError
from workloads import database

Array = NDArray[Any]
# Signature, flags, and the length of an extension of the header.
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"


def record(columns: int, kind: str) -> np.dtype[Any]:
    """Return the type of a row in the binary format: each value after its size in bytes."""
    value = [("size", ">i4"), ("value", f">{kind}")]
    return np.dtype(
        [
            ("fields", ">i2"),
            ("id_size", ">i4"),
            ("id", ">i8"),
            ("x", value, (columns,)),
            ("y_size", ">i4"),
            ("y", ">i8"),
        ]
    )


def encode(x: Array, y: Array, first: int) -> bytes:
    """Return rows in the binary format, without its header; `first` is the key of the first."""
    made = np.empty(len(x), dtype=record(x.shape[1], x.dtype.str[1:]))
    made["fields"] = x.shape[1] + 2
    made["id_size"] = made["y_size"] = 8
    made["id"] = np.arange(first, first + len(x))
    made["x"]["size"] = x.dtype.itemsize
    made["x"]["value"] = x
    made["y"] = y
    return made.tobytes()


def decode(data: bytes | bytearray, columns: int, kind: str) -> tuple[Array, Array, Array]:
    """Return the keys, the values (rows x columns) and the labels of a whole binary COPY.

    Raises
    ------
    TandemError
        If it is something else, or has empty values.
    """
    row = record(columns, kind)
    body = len(data) - len(HEADER) - len(TRAILER)
    whole = data[:11] == HEADER[:11] and body >= 0 and body % row.itemsize == 0
    found = np.frombuffer(data, row, body // row.itemsize, len(HEADER)) if whole else None
    if found is None or not (
        (found["x"]["size"] == int(kind[1])).all()
        and (found["id_size"] == 8).all()
        and (found["y_size"] == 8).all()
    ):
        raise TandemError(
            f"{len(data)} bytes of the database are no rows of {columns} values.",
            cause="Some values are empty, or the table has changed.",
            next_step=f"{database.LOAD} --fresh",
        )
    own = np.dtype(kind)
    return (
        found["id"].astype(np.int64),
        np.ascontiguousarray(found["x"]["value"], dtype=own),
        found["y"].astype(np.int64),
    )


def blocks(x: Array, y: Array, rows: int) -> Iterator[tuple[int, Array, Array]]:
    """Yield the data in blocks of so many rows, each after the key of its first."""
    for first in range(0, len(x), rows):
        yield first, x[first : first + rows], y[first : first + rows]
