"""Generated clusters with noise between them: `blobs:COLUMNSxCENTRES,noise=SHARE,seed=N`.

Made as the synthetic cover type is, from SplitMix64 and whole numbers, so that the same rows
come out everywhere and fewer rows are a prefix of more. Each row is bell-shaped around one of
the centres, which lie in a cube of side 2, with a standard deviation of 0.58; a row of noise
is anywhere in a cube of side 8, and its label is -1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.data.synthetic_covtype import Bits, Integers, mix

PREFIX = "blobs:"
MOST_COLUMNS = 1000
MOST_CENTRES = 1000
BLOCK_ROWS = 1 << 13

_BELL_MEAN = 2 * 0xFFFF
_UNIT = 1 << 16
_NAME = re.compile(
    r"blobs:(\d{1,4})x(\d{1,4})(?:,noise=(0(?:\.\d{1,6})?))?(?:,seed=(\d{1,9}))?\Z"
)


@dataclass(frozen=True)
class Blobs:
    """What the rows are made from; `noise` is the share of rows that belong to no centre."""

    columns: int
    centres: int
    noise: float = 0.0
    seed: int = 0

    @property
    def name(self) -> str:
        """The name of the data set.

        >>> Blobs(54, 10, 0.05).name
        'blobs:54x10,noise=0.05,seed=0'
        """
        share = f"{self.noise:.6f}".rstrip("0").rstrip(".")
        return f"{PREFIX}{self.columns}x{self.centres},noise={share},seed={self.seed}"


def parse(dataset: str) -> Blobs | None:
    """Return what a name of data says; None if it is no name of blobs."""
    found = _NAME.match(dataset)
    if found is None:
        return None
    columns, centres = int(found[1]), int(found[2])
    if not (1 <= columns <= MOST_COLUMNS and 1 <= centres <= MOST_CENTRES):
        return None
    return Blobs(columns, centres, float(found[3] or 0), int(found[4] or 0))


def blocks(recipe: Blobs, rows: int) -> Iterator[tuple[NDArray[np.float32], Integers]]:
    """Yield the first `rows` rows in order, as blocks of X (n x columns) and y."""
    for first in range(0, rows, BLOCK_ROWS):
        yield _block(recipe, first, min(rows, first + BLOCK_ROWS))


def _block(recipe: Blobs, first: int, last: int) -> tuple[NDArray[np.float32], Integers]:
    words = recipe.columns + 2
    row = np.arange(first, last, dtype=np.uint64)
    word = np.arange(1, words + 1, dtype=np.uint64)
    start = np.uint64(recipe.seed) << np.uint64(34)
    bits = mix(start + row[:, None] * np.uint64(words) + word[None, :])
    labels: Integers = (bits[:, 0] % np.uint64(recipe.centres)).astype(np.int64)
    stray = bits[:, 1] % np.uint64(1_000_000) < np.uint64(round(recipe.noise * 1_000_000))
    values = _centres(recipe)[labels] + _bells(bits[:, 2:])
    values[stray] = (bits[stray, 2:] % np.uint64(8 * _UNIT)).astype(np.int64) - 4 * _UNIT
    labels[stray] = -1
    return (values / _UNIT).astype(np.float32), labels


def _bells(bits: Bits) -> Integers:
    """Return bell-shaped whole numbers with mean 0 and a standard deviation of 37,837."""
    parts = (((bits >> np.uint64(16 * part)) & np.uint64(0xFFFF)) for part in range(4))
    total = next(parts).astype(np.int64)
    for part in parts:
        total += part.astype(np.int64)
    return total - _BELL_MEAN


def _centres(recipe: Blobs) -> Integers:
    """Return the centres in units of 1 / 65,536: centres x columns."""
    count = recipe.centres * recipe.columns
    number = np.arange(count, dtype=np.uint64) + np.uint64(1 << 62)
    bits = mix(number + (np.uint64(recipe.seed) << np.uint64(34)))
    shifted: Integers = (bits % np.uint64(2 * _UNIT)).astype(np.int64) - _UNIT
    return shifted.reshape(recipe.centres, recipe.columns)
