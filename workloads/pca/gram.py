"""Principal components from the Gram matrix of chunks of rows that may lie on any node.

What a chunk contributes is one matrix, columns by columns: tens of kilobytes, whatever the
number of rows. The sum is solved in one place, as scikit-learn's solver `covariance_eigh` does
in memory. Squaring the data squares its condition number, so rows are moved near to 0 before,
and components whose variance is below some 1e-6 of the greatest are noise in single precision.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.data import reading
from workloads.data.chunks import Rows, chunks, groups
from workloads.data.reading import Readers
from workloads.programs import Connected, Spread

BLOCK_ROWS = 2048
SHIFT_ROWS = 4096

Array = NDArray[Any]


@dataclass(frozen=True)
class Part:
    """Of one chunk, moved by the shift: the Gram matrix (columns x columns), sums, rows."""

    gram: Array
    sums: Array
    rows: int


@dataclass(frozen=True)
class Solved:
    """The greatest variances, each as a part of the whole, and their axes, one a row."""

    ratios: Array
    axes: Array
    variance: float


def gathered(x: Array, part: Sequence[Rows], *, shift: Array) -> list[Part]:
    """Return what each chunk of the rows contributes."""
    return [gathered_rows(x[first:last], shift) for first, last in part]


def gathered_rows(x: Array, shift: Array) -> Part:
    """Return what rows (rows x columns) contribute; blocks stay in a processor's cache."""
    columns = x.shape[1]
    gram, sums = np.zeros((columns, columns)), np.zeros(columns)
    near = shift.astype(x.dtype)
    for first in range(0, len(x), BLOCK_ROWS):
        block = x[first : first + BLOCK_ROWS] - near
        gram += block.T @ block
        sums += block.sum(axis=0, dtype=np.float64)
    return Part(gram, sums, len(x))


def solve(parts: Sequence[Part], components: int) -> Solved:
    """Return the principal components of all rows, from the parts of their chunks in order."""
    gram = np.sum([part.gram for part in parts], axis=0)
    sums = np.sum([part.sums for part in parts], axis=0)
    rows = sum(part.rows for part in parts)
    covariance = (gram - np.outer(sums, sums) / rows) / (rows - 1)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    whole = float(values.sum())
    return Solved(values[:components] / whole, vectors[:, :components].T, whole)


def fit(
    spread: Spread,
    connected: Connected,
    *,
    tasks: int,
    data: Mapping[str, Any],
    components: int,
    chunk_rows: int,
) -> list[dict[str, Any]]:
    """Return the result of the trial, from at most `tasks` tasks anywhere."""
    readers = Readers(spread, connected, data, keep=False)
    x = readers.rows
    if components > x.shape[1]:
        raise ValueError(f"{components} components were asked for of {x.shape[1]} columns")
    shift = x[:SHIFT_ROWS].mean(axis=0, dtype=np.float64)
    parts = groups(chunks(len(x), chunk_rows), tasks)
    found = readers(gathered, parts, shift=shift)
    one = trial(solve([one for some in found for one in some], components))
    return [{**one, "extra": {**one["extra"], **readers.extra()}}]


def trial(found: Solved) -> dict[str, Any]:
    """Return a result of a trial; a score is the variance along an axis, of the whole."""
    explained = float(found.ratios.sum())
    extra = {"explained": explained, "total_variance": found.variance}
    return {"scores": [float(one) for one in found.ratios], "extra": extra}


def warm_up(home: str, data: Mapping[str, Any]) -> bool:
    """Load what a first task would have to load: libraries, and the outline of the data."""
    x = reading.few(home, data)
    part = gathered_rows(np.asarray(x), np.zeros(x.shape[1]))
    solve([part], 1)
    return True
