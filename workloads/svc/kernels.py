"""One kernel matrix for every C: what SVC would compute again for each fit is computed once.

libsvm evaluates a kernel pair by pair, row by row as its solver asks for them, and forgets them
after the fit. All pairs at once are one product of matrices, and serve every C with the same
gamma; SVC(kernel="precomputed") then does the same steps on the same numbers, apart from their
last bits, because a product of matrices adds up in another order than libsvm's.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from workloads.svc.samples import Array, rows_of

DEGREE = 3  # of poly, scikit-learn's default, as coef0 = 0 is

Split = tuple[Array, Array]


def splitter(folds: int, seed: int) -> StratifiedKFold:
    """Return the cross-validation's split, the same in every form."""
    return StratifiedKFold(folds, shuffle=True, random_state=seed)


def score_unit(
    *,
    data: Mapping[str, Any],
    folds: int,
    seed: int,
    fold: int,
    kernel: str,
    gamma: float | str | None,
    values: Sequence[float],
) -> list[list[list[int]]]:
    """Return what each C of `values` predicts on one fold, as a confusion matrix.

    Rows are true classes and columns predicted ones.
    """
    train, test = _splits(tuple(data.items()), folds, seed)[fold]
    x, y = rows_of(data)
    known, asked = x[train], x[test]
    scale = gamma_of(gamma, known)
    inner, outer = pairs(kernel, scale, known, known), pairs(kernel, scale, asked, known)
    labels = list(range(data["classes"]))
    found = []
    for c in values:
        model = SVC(C=c, kernel="precomputed").fit(inner, y[train])
        predicted = model.predict(outer)
        found.append(confusion_matrix(y[test], predicted, labels=labels).tolist())
    return found


def pairs(kernel: str, gamma: float, left: Array, right: Array) -> Array:
    """Return the kernel of each row of `left` with each of `right`, in one matrix.

    Definitions are libsvm's (Chang and Lin, 2011, section 2), with coef0 = 0.
    """
    found: Array = left @ right.T
    if kernel == "rbf":
        found *= -2.0
        found += np.einsum("ij,ij->i", left, left)[:, None]
        found += np.einsum("ij,ij->i", right, right)[None, :]
        found *= -gamma
        np.exp(found, out=found)
    elif kernel == "poly":
        found *= gamma
        found **= DEGREE
    elif kernel == "sigmoid":
        found *= gamma
        np.tanh(found, out=found)
    return found


def gamma_of(gamma: float | str | None, x: Array) -> float:
    """Return the number that SVC takes for gamma when it is fitted to these rows."""
    if gamma == "scale":
        return float(1.0 / (x.shape[1] * x.var()))
    if gamma == "auto":
        return float(1.0 / x.shape[1])
    return 0.0 if gamma is None else float(gamma)


def warm_up(*, data: Mapping[str, Any], folds: int, seed: int) -> bool:
    """Load what a first unit would have to load: libraries, data, and its split."""
    _splits(tuple(data.items()), folds, seed)
    x, y = rows_of(data)
    SVC(kernel="precomputed").fit(pairs("rbf", 0.1, x[:50], x[:50]), np.arange(50) % 2)
    return len(x) == len(y)


@functools.lru_cache(maxsize=2)
def _splits(data: tuple[tuple[str, Any], ...], folds: int, seed: int) -> list[Split]:
    x, y = rows_of(dict(data))
    return list(splitter(folds, seed).split(x, y))
