"""Data sets and the comparison that every test of exactness makes."""

import functools
import warnings
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV

from workloads.data import synthetic_covtype
from workloads.forest.exact.search import ExactForestSearchCV

NAMES = ("iris", "wine", "breast_cancer", "digits", "covtype")


@functools.cache
def data_set(name: str, rows: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Return X and y, at most `rows` of them."""
    if name == "covtype":
        parts = list(synthetic_covtype.blocks(rows))
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    chosen = np.random.RandomState(0).permutation(len(y))[:rows]
    return x[chosen], y[chosen]


def forest(**parameters: Any) -> RandomForestClassifier:
    """Return the estimator that the searches clone."""
    return RandomForestClassifier(**{"random_state": 3, **parameters})


def both(
    x: Any, y: Any, grid: Any, *, estimator: Any = None, builder: str = "auto", **options: Any
) -> tuple[GridSearchCV, ExactForestSearchCV]:
    """Run GridSearchCV(n_jobs=1) and the exact search on the same input; return both."""
    estimator = forest() if estimator is None else estimator
    options = {"cv": 3, "refit": False, **options}
    ours = {key: options.pop(key) for key in ("n_jobs", "engine") if key in options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the same ones come from both
        plain = GridSearchCV(estimator, grid, n_jobs=1, **options).fit(x, y)
        exact = ExactForestSearchCV(estimator, grid, builder=builder, **options, **ours)
        exact.fit(x, y)
    return plain, exact


def differences(plain: GridSearchCV, exact: ExactForestSearchCV) -> list[str]:
    """Return the columns of cv_results_ that differ in any bit, times apart."""
    found = []
    if list(plain.cv_results_) != list(exact.cv_results_):
        found.append("the columns themselves")
    for key, column in plain.cv_results_.items():
        if key.endswith("_time"):
            continue
        other = exact.cv_results_[key]
        if key == "params":
            same = column == other
        elif np.ma.isMaskedArray(column):
            same = column.tolist() == other.tolist()
        else:
            same = column.tobytes() == other.tobytes()
        if not same:
            found.append(key)
    return found
