"""Precision, recall and F1 from confusion matrices of folds that cover every row once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def accuracies(folds: Sequence[ArrayLike]) -> list[float]:
    """Return the share of rows in each fold that were predicted rightly."""
    return [float(np.trace(np.asarray(one)) / np.sum(one)) for one in folds]


def report(folds: Sequence[ArrayLike]) -> dict[str, float]:
    """Return precision, recall and F1 of all folds together, macro averages first.

    Each row was predicted by a model that had not seen it. A share of nothing is 0, as it is
    in scikit-learn's classification_report.
    """
    matrix = np.sum([np.asarray(one, dtype=np.float64) for one in folds], axis=0)
    right = np.diag(matrix)
    precision = _shares(right, matrix.sum(axis=0))
    recall = _shares(right, matrix.sum(axis=1))
    f1 = _shares(2 * right, matrix.sum(axis=0) + matrix.sum(axis=1))
    columns = {"precision": precision, "recall": recall, "f1": f1}
    found = {f"{name} macro": float(np.mean(values)) for name, values in columns.items()}
    for label in range(len(matrix)):
        for name, values in columns.items():
            found[f"{name} of class {label}"] = float(values[label])
    return found


def _shares(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return found
