"""GridSearchCV over SVC, in this process or on any backend for joblib."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from workloads.svc.classification_report import accuracies, report
from workloads.svc.kernels import splitter, warm_up
from workloads.svc.samples import Array, rows_of


def grid_search(
    *,
    data: Mapping[str, Any],
    folds: int,
    seed: int,
    combinations: Sequence[Mapping[str, Any]],
    jobs: int,
) -> list[dict[str, Any]]:
    """Return the result of each combination: accuracies of the folds, and the report."""
    x, y = rows_of(data)
    search = GridSearchCV(
        SVC(),
        [{name: [value] for name, value in one.items()} for one in combinations],
        cv=splitter(folds, seed),
        scoring=functools.partial(confusion, classes=data["classes"]),
        refit=False,
        n_jobs=jobs,
        error_score="raise",
    )
    search.fit(x, y)
    labels = range(data["classes"])
    found = []
    for place in range(len(combinations)):
        matrices = [
            [[_cell(search, true, guess, fold, place) for guess in labels] for true in labels]
            for fold in range(folds)
        ]
        found.append({"scores": accuracies(matrices), "extra": report(matrices)})
    return found


def confusion(model: Any, x: Array, y: Array, *, classes: int) -> dict[str, int]:
    """Return the confusion matrix of a fold, as the several scores of GridSearchCV."""
    matrix = confusion_matrix(y, model.predict(x), labels=list(range(classes)))
    return {f"{true} {guess}": int(count) for (true, guess), count in np.ndenumerate(matrix)}


def ready(data: Mapping[str, Any], folds: int, seed: int) -> bool:
    """Load what a first fit would have to load."""
    return warm_up(data=data, folds=folds, seed=seed)


def _cell(search: GridSearchCV, true: int, guess: int, fold: int, place: int) -> int:
    return int(search.cv_results_[f"split{fold}_test_{true} {guess}"][place])
