"""Combinations that cannot share trees, fitted one by one as GridSearchCV fits them."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection._validation import _fit_and_score

from workloads.forest.exact.sharing import Fold


def fit_plainly(
    estimator: Any,
    x: Any,
    y: Any,
    candidates: Mapping[int, Mapping[str, Any]],
    folds: Sequence[Fold],
    scorer: Any,
    *,
    parallel: Mapping[str, Any],
    **options: Any,
) -> dict[tuple[int, int], Any]:
    """Fit and score each candidate on each fold.

    Parameters
    ----------
    estimator, x, y, scorer
        As GridSearchCV has them.
    candidates : mapping of int to mapping
        Parameters by the number of the combination in the grid.
    folds : sequence of (train, test)
    parallel : mapping
        What joblib.Parallel is given.
    **options
        What scikit-learn's `_fit_and_score` is given besides.

    Returns
    -------
    dict
        What `_fit_and_score` says, by combination and fold.
    """
    places = list(product(sorted(candidates), range(len(folds))))
    found = Parallel(**parallel)(
        delayed(_fit_and_score)(
            clone(estimator),
            x,
            y,
            scorer=scorer,
            train=folds[fold][0],
            test=folds[fold][1],
            parameters=candidates[number],
            fit_params={},
            score_params={},
            return_n_test_samples=True,
            return_times=True,
            **options,
        )
        for number, fold in places
    )
    return dict(zip(places, found, strict=True))
