"""What `xgboost` computes on: rows of a known function with noise, the same everywhere.

Columns are uniform in 0..1, made as the synthetic cover type is; the target is Friedman's
first function (Multivariate adaptive regression splines, 1991) of five of them, and bell-shaped
noise. Fewer rows are a prefix of more.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.data.synthetic_covtype import mix

MOST_ROWS = 50_000_000
LEAST_FEATURES = 5
BLOCK_ROWS = 1 << 14
HELD_OUT = 5  # the last fifth of the rows is what fits are judged by

_BELL_SPREAD = 37_837.0  # standard deviation of a sum of four uniform whole numbers of 16 bits
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Samples:
    """How many rows, of how many columns; `noise` is its standard deviation."""

    rows: int
    features: int
    noise: float
    seed: int


def version(samples: Samples) -> str:
    """Return the name of the data: what it is, and a hash of its first rows."""
    first = next(blocks(samples))
    mark = hashlib.sha256(first.tobytes()).hexdigest()[:12]
    return f"friedman-n{samples.rows}x{samples.features}-{mark}"


def of(data: Mapping[str, Any]) -> Samples:
    """Return what the rows of the data are made from."""
    return Samples(**{key: value for key, value in data.items() if key != "version"})


def training_rows(rows: int) -> int:
    """Return how many of the first rows are fitted to; the others are held out."""
    return rows - rows // HELD_OUT


def made(samples: Samples) -> Rows:
    """Return all rows in memory: the columns, then the target."""
    return np.concatenate(list(blocks(samples)))


def blocks(samples: Samples) -> Iterator[Rows]:
    """Yield the rows in order, as blocks: the columns, then the target as the last column."""
    for first in range(0, samples.rows, BLOCK_ROWS):
        yield _block(samples, first, min(samples.rows, first + BLOCK_ROWS))


def _block(samples: Samples, first: int, last: int) -> Rows:
    words = samples.features + 1
    row = np.arange(first, last, dtype=np.uint64)
    start = np.uint64(samples.seed) << np.uint64(34)
    word = np.arange(1, words + 1, dtype=np.uint64)
    bits = mix(start + row[:, None] * np.uint64(words) + word[None, :])
    x = (bits[:, :-1] >> np.uint64(40)).astype(np.float64) / (1 << 24)
    found = np.empty((last - first, words), dtype=np.float32)
    found[:, :-1] = x
    found[:, -1] = _target(x) + samples.noise * _bells(bits[:, -1])
    return found


def _target(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return (
        10 * np.sin(np.pi * x[:, 0] * x[:, 1])
        + 20 * (x[:, 2] - 0.5) ** 2
        + 10 * x[:, 3]
        + 5 * x[:, 4]
    )


def _bells(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return bell-shaped numbers with mean 0 and a standard deviation of 1."""
    total = np.full(len(bits), -2.0 * 0xFFFF)
    for part in range(4):
        total += (bits >> np.uint64(16 * part)) & np.uint64(0xFFFF)
    return total / _BELL_SPREAD
