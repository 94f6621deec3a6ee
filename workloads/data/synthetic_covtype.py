"""Data of forest cover type's shape, made from whole numbers alone: `synthetic-covtype-v1`.

The same rows come out on every machine and with every version of NumPy: the random numbers
are SplitMix64, a function of the row's number, and everything after them is integer
arithmetic. Fewer rows are a prefix of more rows. The set has 10 whole-number and 44 one-hot
columns and 7 classes as unequal as the real ones; each class is a blend of a few clusters,
and one row in sixteen looks like another class, so that deep trees have something to learn
and something to overfit.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint64]
Integers = NDArray[np.int64]

COLUMNS = 54
CLASS_COUNTS = (211840, 283301, 35754, 2747, 9493, 17367, 20510)
BLOCK_ROWS = 1 << 16

_WORDS = 16
_CLUSTERS = 4
_AREAS = 4
_SOILS = 40
_LOW = np.array([1859, 0, 0, 0, -173, 0, 0, 0, 0, 0])
_HIGH = np.array([3858, 360, 66, 1397, 601, 7117, 254, 254, 254, 7173])
_ELEVATION = np.array([2900, 2800, 2400, 2200, 2750, 2420, 3360])
_BELL_MEAN = 2 * 0xFFFF
_BELL_SPREAD = 37837


def mix(numbers: Bits) -> Bits:
    """Return the SplitMix64 output of each number: 64 well-mixed bits."""
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def blocks(rows: int) -> Iterator[tuple[NDArray[np.float32], Integers]]:
    """Yield the first `rows` rows in order, as blocks of X (n x 54) and y (classes 1 to 7)."""
    for first in range(0, rows, BLOCK_ROWS):
        yield _block(first, min(rows, first + BLOCK_ROWS))


def _block(first: int, last: int) -> tuple[NDArray[np.float32], Integers]:
    row = np.arange(first + 1, last + 1, dtype=np.uint64)
    word = np.arange(_WORDS, dtype=np.uint64)
    bits = mix(row[:, None] * np.uint64(_WORDS) + word[None, :])
    labels = _classes(bits[:, 0])
    strays = bits[:, 1] % np.uint64(16) == 0
    looks = np.where(strays, _classes(bits[:, 2]), labels)
    cluster = (bits[:, 3] % np.uint64(_CLUSTERS)).astype(np.int64)
    numbers = _numbers(bits[:, 4:14], looks, cluster)
    data = np.zeros((last - first, COLUMNS), dtype=np.float32)
    data[:, :10] = numbers
    index = np.arange(last - first)
    area = (looks + cluster + _unevenly(bits[:, 14], 3)) % _AREAS
    data[index, 10 + area] = 1
    soil = (numbers[:, 0] - _LOW[0]) // 64 + 3 * area + _unevenly(bits[:, 15], 9)
    data[index, 10 + _AREAS + soil % _SOILS] = 1
    return data, labels + 1


def _classes(bits: Bits) -> Integers:
    total = np.cumsum(np.array(CLASS_COUNTS, dtype=np.uint64))
    found: Integers = np.searchsorted(total, bits % total[-1], side="right").astype(np.int64)
    return found


def _unevenly(bits: Bits, most: int) -> Integers:
    """Return whole numbers from 0 to `most - 1`, small ones far more often than large."""
    one = (bits & np.uint64(0xFFFF)) % np.uint64(most)
    other = (bits >> np.uint64(16)) % np.uint64(most)
    smaller: Integers = np.minimum(one, other).astype(np.int64)
    return smaller


def _numbers(bits: Bits, looks: Integers, cluster: Integers) -> Integers:
    """Return the ten whole-number columns, each bell-shaped around its cluster's centre."""
    bell = sum((bits >> np.uint64(16 * part)) & np.uint64(0xFFFF) for part in range(4))
    deviation = np.asarray(bell).astype(np.int64) - _BELL_MEAN
    spread = (_HIGH - _LOW) // 9
    values = _centres()[looks, cluster] + deviation * spread // _BELL_SPREAD
    clipped: Integers = np.clip(values, _LOW, _HIGH)
    return clipped


def _centres() -> Integers:
    """Return the centre of each cluster: classes x clusters x 10 columns."""
    shape = (len(CLASS_COUNTS), _CLUSTERS, 10)
    bits = mix(np.arange(1 << 40, (1 << 40) + int(np.prod(shape)), dtype=np.uint64))
    width = ((_HIGH - _LOW) // 2).astype(np.uint64)
    centres: Integers = (
        (bits.reshape(shape) % width).astype(np.int64) + _LOW + (_HIGH - _LOW) // 4
    )
    centres[:, :, 0] = _ELEVATION[:, None] + (centres[:, :, 0] - _LOW[0]) // 5 - 200
    return centres
