"""Cross-validation of many k from one search: the k nearest are the first of the K nearest.

A search at the largest k finds the neighbours for every smaller one, so each row is looked up
once and not once for each k. Where the k-th and the next neighbour are equally far, which of
the two counts is the library's choice and no rule; those rows are predicted again by the
library itself with that k, so that every score is its own to the last bit.
"""

import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier

from workloads.data import datasets
from workloads.data.datasets import Data
from workloads.programs import Connected, Spread

Array = NDArray[Any]
Part = tuple[int, int, int]
Split = tuple[Array, Array]


@functools.lru_cache(maxsize=2)
def rows_of(home: str, data: Data) -> tuple[Array, Array]:
    """Return X and y of a node's own copy, mapped, and kept mapped between calls."""
    return datasets.load(home, data)


def splitter(folds: int, seed: int) -> StratifiedKFold:
    """Return the cross-validation's split, the same in every form."""
    return StratifiedKFold(folds, shuffle=True, random_state=seed)


@functools.lru_cache(maxsize=2)
def _splits(home: str, data: Data, folds: int, seed: int) -> list[Split]:
    x, y = rows_of(home, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class may have fewer rows than there are folds
        return list(splitter(folds, seed).split(x, y))


def parts(rows: int, folds: int, tasks: int) -> list[Part]:
    """Return what to look up, in about as many parts as there are tasks.

    Each is a fold, which of its pieces it is, and into how many pieces the fold is cut.
    """
    pieces = max(1, min(-(-tasks // folds), rows // folds))
    return [(fold, piece, pieces) for fold in range(folds) for piece in range(pieces)]


def right(
    part: Part,
    *,
    home: str,
    data: Mapping[str, Any],
    folds: int,
    seed: int,
    neighbours: Sequence[int],
) -> tuple[list[int], int]:
    """Return how many rows of a part each k predicts rightly, and how many rows these are."""
    fold, piece, pieces = part
    x, y = rows_of(home, Data(**data))
    train, test = _splits(home, Data(**data), folds, seed)[fold]
    own = test[len(test) * piece // pieces : len(test) * (piece + 1) // pieces]
    return right_rows(x[train], y[train], x[own], y[own], neighbours), len(own)


def right_rows(
    x: Array, y: Array, asked: Array, truth: Array, neighbours: Sequence[int]
) -> list[int]:
    """Return how many of the rows asked for each k predicts rightly from x and y."""
    classes, codes = np.unique(y, return_inverse=True)
    most = min(max(neighbours) + 1, len(x))  # one more, to see ties with it
    model = KNeighborsClassifier(most).fit(x, y)
    distances, places = model.kneighbors(asked)
    votes = np.zeros((len(asked), len(classes)), dtype=np.int64)
    everyone = np.arange(len(asked))
    predicted: dict[int, Array] = {}
    for rank in range(max(neighbours)):
        votes[everyone, codes[places[:, rank]]] += 1
        if rank + 1 in neighbours:
            predicted[rank + 1] = votes.argmax(axis=1)
    counts = []
    for k in neighbours:
        found = classes[predicted[k]]
        tied = distances[:, k - 1] == distances[:, k] if k < most else np.zeros(0, dtype=bool)
        if tied.any():
            found[tied] = KNeighborsClassifier(k).fit(x, y).predict(asked[tied])
        counts.append(int((found == truth).sum()))
    return counts


def searched(
    spread: Spread,
    connected: Connected,
    *,
    tasks: int,
    data: Mapping[str, Any],
    folds: int,
    seed: int,
    neighbours: Sequence[int],
) -> list[dict[str, Any]]:
    """Return the result of each k, from parts that `spread` has computed anywhere."""
    cut = parts(data["rows"], folds, tasks)
    options = {"home": connected.home, "data": data, "folds": folds, "seed": seed}
    found = spread(right, cut, **options, neighbours=list(neighbours))
    hits = np.zeros((len(neighbours), folds))
    sizes = np.zeros(folds)
    for (fold, _, _), (counts, size) in zip(cut, found, strict=True):
        hits[:, fold] += counts
        sizes[fold] += size
    return [{"scores": [float(one) for one in row]} for row in hits / sizes]


def grid_search(
    x: Array, y: Array, *, folds: int, seed: int, neighbours: Sequence[int], jobs: int | None
) -> list[dict[str, Any]]:
    """Return the result of each k by scikit-learn's GridSearchCV, on joblib's own backend."""
    search = GridSearchCV(
        KNeighborsClassifier(),
        {"n_neighbors": list(neighbours)},
        cv=splitter(folds, seed),
        refit=False,
        n_jobs=jobs,
        error_score="raise",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class may have fewer rows than there are folds
        search.fit(x, y)
    columns = [search.cv_results_[f"split{fold}_test_score"] for fold in range(folds)]
    return [{"scores": [float(one) for one in row]} for row in zip(*columns, strict=True)]


def warm_up(home: str, data: Mapping[str, Any]) -> bool:
    """Load what a first task would have to load: libraries, and the data."""
    x, y = rows_of(home, Data(**data))
    right_rows(x[:50], y[:50], x[:5], y[:5], [1])
    return True
