"""The reference: the same grid by scikit-learn's own GridSearchCV, on one core."""

import warnings
from collections.abc import Mapping
from typing import Any

from contracts.trial import TrialResult
from workloads.data import datasets
from workloads.forest.fits import make_forest, make_splitter
from workloads.forest.parameters import combinations


def grid_search(parameters: Mapping[str, Any], seed: int) -> list[TrialResult]:
    """Return a result for each combination, in order; their `trial_id` is empty.

    A combination that cannot be fitted has the status `failed`, as it has on an engine.
    """
    import numpy as np
    from sklearn.model_selection import GridSearchCV

    folds = parameters["folds"]
    x, y = datasets.raw(parameters["dataset"], parameters["rows"])
    search = GridSearchCV(
        make_forest({}, seed),
        parameters["grid"],
        cv=make_splitter(folds, seed),
        refit=False,
        n_jobs=1,
        error_score=np.nan,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a failed fit is told as a result
        search.fit(x, y)
    found = search.cv_results_
    results = []
    for index, combination in enumerate(combinations(parameters)):
        scores = tuple(float(found[f"split{fold}_test_score"][index]) for fold in range(folds))
        seconds = float(found["mean_fit_time"][index] + found["mean_score_time"][index]) * folds
        results.append(_result(combination, scores, seconds))
    return results


def _result(
    combination: Mapping[str, Any], scores: tuple[float, ...], seconds: float
) -> TrialResult:
    if any(score != score for score in scores):
        words = "scikit-learn could not fit it"
        return TrialResult("", "failed", combination, seconds=seconds, reason=words)
    return TrialResult("", "ok", combination, scores=scores, seconds=seconds)
