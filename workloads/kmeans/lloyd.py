"""Lloyd's algorithm over chunks of rows that may lie on any node.

What a chunk contributes to the next centres is a sum and a count for each cluster: kilobytes,
whatever the number of rows. Chunks are cut in one way, whoever computes them, and added up in
their order, so every engine on every number of nodes finds the same centres to the last bit.

The rules are scikit-learn's: a row goes to its nearest centre, the first of equals; a cluster
without rows takes the row that is farthest from its centre; the search ends when no centre
moves, or after so many iterations.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.data import reading
from workloads.data.chunks import Rows, chunks, groups
from workloads.data.reading import Readers
from workloads.programs import Connected, Spread

START_ROWS = 4096
BLOCK_ROWS = 4096
# The products of an iteration that keep a processor busy for seconds. A slot with fewer has one
# task in it: each costs the head about 10 ms, and the head has its own share of the work, too.
# With more, three tasks let quick nodes take from slow ones.
LONG_PRODUCTS = 5e9
TASKS_OF_LONG = 3

Array = NDArray[Any]
Far = tuple[float, int, int]


@dataclass(frozen=True)
class Part:
    """What one chunk says of the centres that it was shown.

    `sums` (clusters x columns) and `counts` (clusters) are those of the rows nearest to each
    centre, `squares` is the sum of the squares of all values.
    """

    sums: Array
    counts: Array
    squares: float


@dataclass(frozen=True)
class Fit:
    """Centres (clusters x columns), the sum of squared distances to them, the iterations."""

    centres: Array
    inertia: float
    iterations: int


def warm_up(home: str, data: Mapping[str, Any]) -> bool:
    """Load what a first task would have to load: libraries, and the outline of the data."""
    x = reading.few(home, data)
    assess_rows(x, np.array(x[:2], dtype=np.float64))
    start(x[:64], 2, 0)
    return True


def assess(x: Array, part: Sequence[Rows], *, centres: Array) -> list[Part]:
    """Return what each chunk of the rows says of the centres."""
    return [assess_rows(x[first:last], centres) for first, last in part]


def assess_rows(x: Array, centres: Array) -> Part:
    """Return what rows (rows x columns) say of the centres (clusters x columns).

    Distances are found block by block from a product of matrices, in the type of the rows, and
    sums from another with ones where a row belongs; both stay in a processor's cache. Centres
    are the rows of both: NumPy finds minima down columns several times as fast as along them.
    """
    near = centres.astype(x.dtype)
    shift = 0.5 * np.einsum("ij,ij->i", near, near)[:, None]
    sums, counts = np.zeros(centres.shape), np.zeros(len(centres), dtype=np.int64)
    squares = 0.0
    places = np.arange(len(centres))[:, None]
    for first in range(0, len(x), BLOCK_ROWS):
        block = np.ascontiguousarray(x[first : first + BLOCK_ROWS])
        away = shift - near @ block.T
        belongs = away == away.min(axis=0)
        own = belongs.sum(axis=1)
        if own.sum() != len(block):  # two centres equally near, or a value that is no number
            belongs = np.argmin(away, axis=0) == places
            own = belongs.sum(axis=1)
        sums += belongs.astype(x.dtype) @ block
        counts += own
        squares += float(np.vdot(block, block))
    return Part(sums, counts, squares)


def farthest(x: Array, part: Sequence[Rows], *, centres: Array, count: int) -> list[Far]:
    """Return the `count` rows farthest from their centres: squared distance, row, centre."""
    found: list[Far] = []
    for first, last in part:
        block = np.asarray(x[first:last], dtype=np.float64)
        labels = np.argmin(
            0.5 * np.einsum("ij,ij->i", centres, centres) - block @ centres.T, axis=1
        )
        away = ((block - centres[labels]) ** 2).sum(axis=1)
        for place in np.argsort(-away, kind="stable")[:count]:
            found.append((float(away[place]), first + int(place), int(labels[place])))
    return _first(found, count)


def start(x: Array, clusters: int, seed: int) -> Array:
    """Return the centres to begin with: k-means++ on rows spread over the data evenly."""
    return start_from(x[:: start_step(len(x), clusters)], clusters, seed)


def start_step(rows: int, clusters: int) -> int:
    """Return how far apart the rows lie that the first centres are chosen from."""
    return max(1, rows // max(START_ROWS, 4 * clusters))


def start_from(spread_out: Array, clusters: int, seed: int) -> Array:
    """Return the centres to begin with, from rows that lie `start_step` apart."""
    from sklearn.cluster import kmeans_plusplus

    sample = np.asarray(spread_out[: max(START_ROWS, 4 * clusters)], dtype=np.float64)
    centres, _ = kmeans_plusplus(sample, clusters, random_state=seed)
    return np.asarray(centres)


def fit(
    spread: Spread,
    connected: Connected,
    *,
    data: Mapping[str, Any],
    clusters: int,
    iterations: int,
    seed: int,
    chunk_rows: int,
) -> tuple[Fit, int, dict[str, float]]:
    """Return the fit of an engine, of how many rows, and what reading them took.

    Parameters
    ----------
    spread : Spread
        How tasks are given to the engine.
    """
    readers = Readers(spread, connected, data, keep=True)
    x = readers.rows
    parts = groups(chunks(len(x), chunk_rows), tasks_for(x.shape, clusters, connected.slots))

    looks = itertools.count()

    def assessed(centres: Array) -> list[Part]:
        connected.tell(next(looks), iterations, "iterations")
        found = readers(assess, parts, centres=centres)
        return list(itertools.chain.from_iterable(found))

    def farthest_rows(centres: Array, count: int) -> list[Far]:
        found = readers(farthest, parts, centres=centres, count=count)
        return _first(itertools.chain.from_iterable(found), count)

    begin = start_from(readers.every(start_step(len(x), clusters), parts), clusters, seed)
    found = search(x, begin, iterations, assessed, farthest_rows)
    return found, len(x), readers.extra()


def tasks_for(shape: tuple[int, ...], clusters: int, slots: int) -> int:
    """Return how many tasks an iteration over so many rows and columns has at most."""
    products = shape[0] * shape[1] * clusters / slots
    return slots * (TASKS_OF_LONG if products > LONG_PRODUCTS else 1)


def search(
    x: Array,
    begin: Array,
    iterations: int,
    assessed: Callable[[Array], Sequence[Part]],
    farthest_rows: Callable[[Array, int], Sequence[Far]],
) -> Fit:
    """Return what Lloyd's algorithm finds from the centres `begin` on.

    Parameters
    ----------
    x : array
        The rows, of which only those that an empty cluster takes are read here.
    begin : array
        Centres, clusters x columns.
    iterations : int
        The most that are done.
    assessed : callable
        Returns the part of every chunk, in order, for given centres.
    farthest_rows : callable
        Returns as many rows as asked for, as `farthest` does.
    """
    centres, done = begin, 0
    while done < iterations:
        sums, counts, squares = _added(assessed(centres))
        done += 1
        inertia = _inertia(sums, counts, squares, centres)
        empty = np.flatnonzero(counts == 0)
        if len(empty):
            found = farthest_rows(centres, len(empty))
            for cluster, (_, row, owner) in zip(empty, found, strict=True):
                sums[owner] -= x[row]
                counts[owner] -= 1
                sums[cluster], counts[cluster] = x[row], 1
        moved = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
        if np.array_equal(moved, centres):
            return Fit(centres, inertia, done)
        centres = moved
    sums, counts, squares = _added(assessed(centres))
    return Fit(centres, _inertia(sums, counts, squares, centres), done)


def _first(found: Iterable[Far], count: int) -> list[Far]:
    return sorted(found, key=lambda one: (-one[0], one[1]))[:count]


def _added(parts: Sequence[Part]) -> tuple[Array, Array, float]:
    sums, counts, squares = parts[0].sums.copy(), parts[0].counts.copy(), parts[0].squares
    for part in parts[1:]:
        sums += part.sums
        counts += part.counts
        squares += part.squares
    return sums, counts, squares


def _inertia(sums: Array, counts: Array, squares: float, centres: Array) -> float:
    """Return the sum of squared distances of all rows to the centres that they belong to."""
    own = np.einsum("ij,ij->i", centres, centres)
    return float(squares - 2 * np.vdot(centres, sums) + np.vdot(counts, own))
