"""Rows of a node's own copy, cut into chunks: what tasks on any node can agree on."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from workloads.data import datasets
from workloads.data.datasets import Data

Rows = tuple[int, int]


@functools.lru_cache(maxsize=2)
def rows_of(home: str, data: Data) -> NDArray[Any]:
    """Return X of a node's own copy, mapped, and kept mapped between calls."""
    return datasets.load(home, data)[0]


def chunks(rows: int, size: int) -> list[Rows]:
    """Return the first row of each chunk and that after its last."""
    return [(first, min(first + size, rows)) for first in range(0, rows, size)]


def groups(parts: Sequence[Rows], count: int) -> list[list[Rows]]:
    """Return the chunks in order as at most `count` groups of nearly equal size.

    >>> groups([(0, 2), (2, 4), (4, 5)], 2)
    [[(0, 2)], [(2, 4), (4, 5)]]
    """
    count = min(count, len(parts))
    bounds = [len(parts) * place // count for place in range(count + 1)]
    return [list(parts[first:last]) for first, last in itertools.pairwise(bounds)]
