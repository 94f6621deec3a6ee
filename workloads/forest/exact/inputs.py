"""What a search is given, checked against the rules of sharing before anything runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from sklearn import get_config
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics._scorer import _BaseScorer, _MultimetricScorer, _PassthroughScorer
from sklearn.model_selection import ParameterGrid
from sklearn.utils._param_validation import (
    InvalidParameterError,
    validate_parameter_constraints,
)
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples

from workloads.forest.exact.parameters import OutsideTheRules
from workloads.forest.exact.plan import Plan, plan_search

SCIKIT_LEARN = "1.9."
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Inputs:
    """A matrix of finite numbers, class numbers, and the labels that these stand for."""

    matrix: np.ndarray
    classes: np.ndarray
    labels: np.ndarray


def check_inputs(
    estimator: Any, x: Any, y: Any, fit_parameters: Mapping[str, Any], scorer: Any
) -> Inputs:
    """Return what the shared part works on.

    Raises
    ------
    OutsideTheRules
        If the whole search must be done plainly, with the reason.
    """
    if not sklearn.__version__.startswith(SCIKIT_LEARN):
        raise OutsideTheRules(f"the rules are proved for scikit-learn {SCIKIT_LEARN}x alone")
    if type(estimator) is not RandomForestClassifier:
        raise OutsideTheRules(f"the estimator is {type(estimator).__name__}")
    extra = sorted(set(fit_parameters) - {"groups"})
    if extra:
        raise OutsideTheRules(f"fit was given {extra[0]}")
    if get_config()["enable_metadata_routing"]:
        raise OutsideTheRules("metadata routing is on")
    if getattr(estimator, "_skl_callbacks", None):
        raise OutsideTheRules("the estimator has callbacks")
    _check_scorer(scorer)
    matrix = _matrix(x)
    return Inputs(matrix, *_classes(y, len(matrix)))


class DrawnFolds:
    """The folds that a splitter drew: one with a generator would draw others a second time.

    Parameters
    ----------
    splitter : object
        What `check_cv` returns.
    x, y, parameters
        What it is given.
    """

    def __init__(self, splitter: Any, x: Any, y: Any, parameters: Mapping[str, Any]) -> None:
        self._n_splits = splitter.get_n_splits(x, y, **parameters)
        self._folds = list(splitter.split(x, y, **parameters))
        self._n_rows = _num_samples(x)

    def get_n_splits(self, *_: Any, **__: Any) -> int:
        """Return what the splitter said."""
        n_splits: int = self._n_splits
        return n_splits

    def split(self, *_: Any, **__: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the folds as the splitter did."""
        yield from self._folds

    def as_rows(self) -> list[tuple[Any, Any]]:
        """Return the folds as row numbers.

        Raises
        ------
        OutsideTheRules
            If there are none, or as `check_folds`.
        """
        if not self._folds or len(self._folds) != self._n_splits:
            raise OutsideTheRules("there is no fold, or not as many as the splitter says")
        return check_folds(self._folds, self._n_rows)


def check_folds(folds: Sequence[tuple[Any, Any]], n_rows: int) -> list[tuple[Any, Any]]:
    """Return the folds as row numbers.

    Raises
    ------
    OutsideTheRules
        If a training part is empty or has a row twice, or a number is out of range.
    """
    found = []
    for parts in folds:
        train, test = (_row_numbers(part, n_rows) for part in parts)
        if len(np.unique(train)) != len(train):
            raise OutsideTheRules("a training part has a row twice")
        if not len(train) or not len(test):
            raise OutsideTheRules("a fold is empty")
        found.append((train, test))
    return found


def plan_candidates(
    estimator: Any, grid: Any, inputs: Inputs, folds: Sequence[tuple[Any, Any]]
) -> Plan:
    """Return the plan of a grid on these folds.

    Raises
    ------
    OutsideTheRules
        If nothing of it can be shared.
    """
    base = clone(estimator).get_params()
    candidates = list(ParameterGrid(grid))
    if any(set(candidate) - set(base) for candidate in candidates):
        raise OutsideTheRules("the grid names a parameter that a forest does not have")
    trials = [{**base, **candidate} for candidate in candidates]
    sizes = [len(train) for train, _ in folds]
    plan = plan_search(trials, sizes, inputs.matrix.shape[1], refused_parameters(trials))
    if len(plan.plain) == len(trials):
        raise OutsideTheRules("; ".join(sorted(set(plan.plain.values()))))
    return plan


def refused_parameters(trials: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Return the trials that scikit-learn refuses to fit, by number, with a reason."""
    constraints = RandomForestClassifier._parameter_constraints
    refused = {}
    for number, parameters in enumerate(trials):
        try:
            validate_parameter_constraints(constraints, dict(parameters), "forest")
        except InvalidParameterError as error:
            refused[number] = f"scikit-learn refuses it ({error})".replace("\n", " ")
    return refused


def _row_numbers(part: Any, n_rows: int) -> np.ndarray:
    rows = np.asarray(part)
    if rows.dtype == bool and len(rows) == n_rows:
        rows = np.flatnonzero(rows)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise OutsideTheRules("a fold is not a list of row numbers")
    if len(rows) and (rows.min() < 0 or rows.max() >= n_rows):
        raise OutsideTheRules("a fold has numbers that are no rows")
    return rows


def _check_scorer(scorer: Any) -> None:
    inner = scorer._scorers.values() if isinstance(scorer, _MultimetricScorer) else [scorer]
    if not all(isinstance(one, _BaseScorer | _PassthroughScorer) for one in inner):
        raise OutsideTheRules("a scoring function of one's own may look into the forest")


def _matrix(x: Any) -> np.ndarray:
    if hasattr(x, "sparse") or hasattr(x, "tocsr"):
        raise OutsideTheRules("the data is sparse")
    kinds = getattr(x, "dtypes", None)
    if kinds is not None and not isinstance(x, np.ndarray):
        if not all(getattr(kind, "kind", "O") in "biuf" for kind in np.atleast_1d(kinds)):
            raise OutsideTheRules("a column is not numeric")
    elif not isinstance(x, np.ndarray | list | tuple):
        raise OutsideTheRules(f"the data is a {type(x).__name__}")
    matrix = np.asarray(x)
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf" or 0 in matrix.shape:
        raise OutsideTheRules("the data is not a table of numbers")
    # comparisons with NaN are false; numbers beyond float32 become infinite in a tree; and
    # the largest float32 is infinite itself as the float16 that NumPy would compare with
    if not (float(matrix.min()) >= -_LARGEST and float(matrix.max()) <= _LARGEST):
        raise OutsideTheRules("the data has NaN, or numbers beyond float32")
    return matrix


def _classes(y: Any, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        target = np.asarray(y)
        kind = type_of_target(y)
        if target.ndim != 1 or len(target) != n_rows or kind not in ("binary", "multiclass"):
            raise OutsideTheRules(f"the target is {kind}, shape {target.shape}")
        labels, classes = np.unique(target, return_inverse=True)
    except (TypeError, ValueError) as error:
        raise OutsideTheRules(f"the target cannot be read: {error}") from error
    return classes, labels
