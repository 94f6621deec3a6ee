"""Rank codes of a matrix: each value replaced by its place among the column's values.

Trees ask only how values compare, so codes serve as well as the values, in a quarter to an
eighth of the space.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from workloads.forest.exact import native

MOST_VALUES = 65_535
BLOCK = 8  # columns read together: one pass over the rows of a C-ordered matrix


@dataclass(frozen=True)
class CodedColumn:
    """The sorted distinct values (float32) of a column and each row's place among them.

    Parameters
    ----------
    values : ndarray of shape (n_values,), float32
    codes : ndarray, uint8 or uint16
        One per row; one or two values take a bit each, the lowest bit first.
    """

    values: np.ndarray
    codes: np.ndarray

    @property
    def is_bits(self) -> bool:
        """Whether `codes` holds eight rows in a byte."""
        return len(self.values) <= 2

    def unpacked(self, n_rows: int) -> np.ndarray:
        """Return a code per row."""
        if not self.is_bits:
            return self.codes
        return np.unpackbits(self.codes, count=n_rows, bitorder="little")

    @property
    def ties(self) -> bool:
        """Whether some neighbouring values are too close for scikit-learn to part."""
        # same float32 sum as FEATURE_THRESHOLD in sklearn/tree/_splitter.pyx
        return bool(np.any(self.values[1:] <= self.values[:-1] + np.float32(1e-7)))


@dataclass(frozen=True)
class RowLayout:
    """Where each column's code lies in a packed row: byte offset, and bit or -1."""

    row_bytes: int
    places: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class CodedMatrix:
    """A matrix as codes, once by column and once by row.

    `rows` has shape (n_rows, row_bytes), uint8: two-valued columns take a bit each.
    """

    columns: tuple[CodedColumn, ...]
    rows: np.ndarray

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.rows.shape[0])

    @property
    def layout(self) -> RowLayout:
        """Where the codes lie in `rows`."""
        return row_layout([len(column.values) for column in self.columns])

    def decode(self) -> np.ndarray:
        """Return the matrix again: float32, shape (n_rows, n_columns), in Fortran order."""
        matrix = np.empty((self.n_rows, len(self.columns)), dtype=np.float32, order="F")
        for place, column in enumerate(self.columns):
            np.take(column.values, column.unpacked(self.n_rows), out=matrix[:, place])
        return matrix


def row_layout(n_values: list[int]) -> RowLayout:
    """Place wide codes first, then bytes, then bits, in rows of a power of two or 64 bytes."""
    places: list[tuple[int, int]] = [(0, -1)] * len(n_values)
    offset = 0
    for width, least, most in ((2, 257, MOST_VALUES + 1), (1, 3, 256)):
        for column, count in enumerate(n_values):
            if least <= count <= most:
                places[column] = (offset, -1)
                offset += width
    bits = [column for column, count in enumerate(n_values) if count <= 2]
    for number, column in enumerate(bits):
        places[column] = (offset + number // 8, number % 8)
    used = offset + math.ceil(len(bits) / 8) + 1  # the walk reads two bytes at any code
    size = 1 << (used - 1).bit_length() if used <= 64 else -(-used // 64) * 64
    return RowLayout(size, tuple(places))


def encode(matrix: np.ndarray) -> CodedMatrix | None:
    """Return the codes of a dense matrix without NaN; None if a column has too many values.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_columns)
        Any real dtype; values are compared as float32, as scikit-learn's trees do.
    """
    columns = []
    for values in _columns(matrix):
        column = _code(values)
        if column is None:
            return None
        columns.append(column)
    return CodedMatrix(tuple(columns), pack(columns, len(matrix)))


def pack(columns: list[CodedColumn], n_rows: int) -> np.ndarray:
    """Return the packed rows of coded columns: uint8, shape (n_rows, row_bytes)."""
    layout = row_layout([len(column.values) for column in columns])
    rows = np.zeros((n_rows, layout.row_bytes), dtype=np.uint8)
    for column, (offset, bit) in zip(columns, layout.places, strict=True):
        if bit >= 0:
            rows[:, offset] |= column.unpacked(n_rows) << np.uint8(bit)
        elif column.codes.dtype == np.uint8:
            rows[:, offset] = column.codes
        else:
            rows[:, offset] = column.codes & 255
            rows[:, offset + 1] = column.codes >> 8
    return rows


def _columns(matrix: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, matrix.shape[1], BLOCK):
        block = np.asarray(matrix[:, first : first + BLOCK].T, dtype=np.float32, order="C")
        yield from block


def _code(values: np.ndarray) -> CodedColumn | None:
    distinct = _distinct(values)
    if len(distinct) > MOST_VALUES:
        return None
    dtype = np.uint8 if len(distinct) <= 256 else np.uint16
    if len(distinct) <= 2:
        ones = (values == distinct[-1]) & (len(distinct) == 2)
        return CodedColumn(distinct, np.packbits(ones, bitorder="little"))
    codes = np.empty(len(values), dtype=dtype)
    rank = _kernel("tandem_rank_u8" if dtype is np.uint8 else "tandem_rank_u16")
    if rank is None:
        codes[:] = np.searchsorted(distinct, values)
    else:
        values = np.ascontiguousarray(values)
        rank(
            values.ctypes.data,
            len(values),
            distinct.ctypes.data,
            len(distinct),
            codes.ctypes.data,
        )
    return CodedColumn(distinct, codes)


def _distinct(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    if np.all((values == low) | (values == high)):
        return np.unique(np.array([low, high], dtype=np.float32))
    return np.unique(values)


def _kernel(name: str) -> Callable[..., None] | None:
    library = native.library_or_none()
    return None if library is None else getattr(library, name)
