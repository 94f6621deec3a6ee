"""What decides a score of the workload `forest`: the fits themselves, run on the nodes."""

import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold

from workloads.data import datasets
from workloads.data.datasets import Data

Split = tuple[NDArray[np.intp], NDArray[np.intp]]


def prepare_data(home: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Put the data into a node's cache, once; return facts that all nodes must share."""
    return datasets.prepare(home, Data(**data))


def fit_folds(
    home: str,
    data: Mapping[str, Any],
    folds: int,
    wanted: Sequence[int],
    parameters: Mapping[str, Any],
    seed: int,
) -> list[float]:
    """Fit one combination on the wanted folds and return the accuracy of each.

    Parameters
    ----------
    home : str
        The node's home, whose cache holds the data.
    data : mapping
        The fields of Data.
    folds : int
        How many folds the data is split into.
    wanted : sequence of int
        The folds to hold out, one fit each.
    parameters : mapping
        What RandomForestClassifier is given.
    seed : int
        Of the split and of each forest.
    """
    x, y = _data(home, Data(**data))
    splits = _splits(home, Data(**data), folds, seed)
    scores = []
    for fold in wanted:
        train, test = splits[fold]
        forest = make_forest(parameters, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nobody reads a node's warnings; scores stand
            forest.fit(x[train], y[train])
            scores.append(float(forest.score(x[test], y[test])))
    return scores


def warm_up(home: str, data: Mapping[str, Any], folds: int, seed: int) -> list[float]:
    """Load all that a first fit would have to load: libraries, the data, its split."""
    return fit_folds(home, data, folds, [0], {"n_estimators": 1, "max_depth": 2}, seed)


def make_forest(parameters: Mapping[str, Any], seed: int) -> RandomForestClassifier:
    """Return the forest to fit, on one core even where joblib's context offers more."""
    return RandomForestClassifier(**parameters, random_state=seed, n_jobs=1)


def make_splitter(folds: int, seed: int) -> StratifiedKFold:
    """Return the cross-validation's split, the same for every combination."""
    return StratifiedKFold(folds, shuffle=True, random_state=seed)


@functools.lru_cache(maxsize=2)
def _data(home: str, data: Data) -> tuple[NDArray[Any], NDArray[Any]]:
    return datasets.load(home, data)


@functools.lru_cache(maxsize=2)
def _splits(home: str, data: Data, folds: int, seed: int) -> list[Split]:
    x, y = _data(home, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class may have fewer rows than there are folds
        return list(make_splitter(folds, seed).split(x, y))
