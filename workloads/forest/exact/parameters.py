"""Parameters of a random forest in one canonical form: equal forests get equal parameters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from workloads.forest.exact.growth import NO_LIMIT, GrowthRule

CRITERIA = {"gini": "gini", "entropy": "entropy", "log_loss": "entropy"}
# What a forest must have for its trees to be shared; anything else is fitted plainly.
_FIXED: Mapping[str, tuple[Any, str]] = {
    "bootstrap": (True, "without a bootstrap"),
    "oob_score": (False, "out-of-bag scores belong to one forest"),
    "warm_start": (False, "warm_start carries trees between fits"),
    "class_weight": (None, "class weights change the bootstrap draw"),
    "monotonic_cst": (None, "monotonic constraints change the search"),
    "verbose": (0, "verbose fits print as they go"),
}
_KNOWN = {
    *_FIXED,
    "n_estimators",
    "criterion",
    "max_depth",
    "min_samples_split",
    "min_samples_leaf",
    "min_weight_fraction_leaf",
    "max_features",
    "max_leaf_nodes",
    "min_impurity_decrease",
    "n_jobs",
    "random_state",
    "ccp_alpha",
    "max_samples",
}


class OutsideTheRules(ValueError):
    """This forest cannot share trees exactly; the message says why."""


@dataclass(frozen=True, order=True)
class Variant:
    """What is decided after a tree was grown, or proved to make no difference.

    `max_depth` is NO_LIMIT for None, `max_leaf_nodes` 0 for None.
    """

    max_depth: int
    ccp_alpha: float
    max_leaf_nodes: int


@dataclass(frozen=True)
class CanonicalForest:
    """One forest: how its trees grow, from which seeds, what is made of them, how many."""

    rule: GrowthRule
    random_state: int
    variant: Variant
    n_estimators: int


def canonical_forest(
    parameters: Mapping[str, Any], n_train: int, n_features: int
) -> CanonicalForest:
    """Return the canonical form of a forest's parameters for a training part.

    Parameters
    ----------
    parameters : mapping
        All parameters, as `RandomForestClassifier(...).get_params()` gives them.
    n_train : int
        Rows of the training part: fractions are resolved against it.
    n_features : int

    Raises
    ------
    OutsideTheRules
        If the forest must be fitted plainly, with the reason.
    """
    _check_fixed(parameters)
    if parameters["min_samples_leaf"] == 1.0 and _fraction(parameters["min_samples_leaf"]):
        raise OutsideTheRules("min_samples_leaf=1.0")  # scikit-learn refuses it
    leaf = _samples(parameters, "min_samples_leaf", n_train, 1, least=1)
    split = _samples(parameters, "min_samples_split", n_train, 2, least=2)
    leaf_nodes = parameters["max_leaf_nodes"]
    rule = GrowthRule(
        criterion=_criterion(parameters["criterion"]),
        max_features=_max_features(parameters["max_features"], n_features),
        min_samples_split=max(split, 2 * leaf),
        min_samples_leaf=leaf,
        min_weight_fraction_leaf=_real(parameters, "min_weight_fraction_leaf", 0.0, 0.5),
        min_impurity_decrease=_real(parameters, "min_impurity_decrease", 0.0, math.inf),
        n_bootstrap=_n_bootstrap(parameters["max_samples"], n_train),
        best_first=leaf_nodes is not None,
    )
    variant = Variant(
        max_depth=_limit(parameters, "max_depth", least=1) or NO_LIMIT,
        ccp_alpha=_real(parameters, "ccp_alpha", 0.0, math.inf),
        max_leaf_nodes=_limit(parameters, "max_leaf_nodes", least=2),
    )
    seed = _integer(parameters, "random_state", least=0)
    if seed > 2**32 - 1:
        raise OutsideTheRules("random_state is out of range")
    return CanonicalForest(rule, seed, variant, _integer(parameters, "n_estimators", least=1))


def _check_fixed(parameters: Mapping[str, Any]) -> None:
    unknown = sorted(set(parameters) - _KNOWN)
    if unknown:
        raise OutsideTheRules(f"unknown parameter {unknown[0]}")
    for name, (value, why) in _FIXED.items():
        given = parameters[name]
        same = given is value or (
            value is not None and isinstance(given, bool | int | np.bool_) and given == value
        )
        if not same:
            raise OutsideTheRules(why)
    if parameters["random_state"] is None:
        raise OutsideTheRules("random_state=None gives other trees each time")
    if not isinstance(parameters["random_state"], Integral):
        raise OutsideTheRules("random_state is a generator, which fits advance")


def _criterion(value: Any) -> str:
    if not isinstance(value, str) or value not in CRITERIA:
        raise OutsideTheRules(f"criterion={value!r}")
    return CRITERIA[value]


def _whole(value: Any) -> int | None:
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    return None


def _fraction(value: Any) -> float | None:
    if isinstance(value, Real) and not isinstance(value, Integral):
        return float(value)
    return None


def _max_features(value: Any, n_features: int) -> int:
    if value is None:
        return n_features
    if isinstance(value, str) and value == "sqrt":
        return max(1, int(np.sqrt(n_features)))
    if isinstance(value, str) and value == "log2":
        return max(1, int(np.log2(n_features)))
    whole, fraction = _whole(value), _fraction(value)
    if whole is not None and 1 <= whole <= n_features:
        return whole
    if fraction is not None and 0.0 < fraction <= 1.0:
        return max(1, int(value * n_features))
    raise OutsideTheRules(f"max_features={value!r}")


def _samples(
    parameters: Mapping[str, Any], name: str, n_train: int, lowest: int, least: int
) -> int:
    value = parameters[name]
    whole, fraction = _whole(value), _fraction(value)
    if whole is not None and whole >= lowest:
        return whole
    if fraction is not None and 0.0 < fraction <= 1.0:
        rows: int = math.ceil(value * n_train)
        return max(least, rows)
    raise OutsideTheRules(f"{name}={value!r}")


def _n_bootstrap(value: Any, n_train: int) -> int:
    if value is None:
        return n_train
    whole, fraction = _whole(value), _fraction(value)
    if whole is not None and whole >= 1:
        return whole
    if fraction is not None and 0.0 < fraction < math.inf:
        drawn = max(int(value * n_train), 1)
        if drawn >= max(10, n_train ** (1 / 3)):
            return drawn
        raise OutsideTheRules("max_samples is so small that every fit warns of it")
    raise OutsideTheRules(f"max_samples={value!r}")


def _real(parameters: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value = parameters[name]
    if isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
        if low <= number <= high and math.isfinite(number):
            return number + 0.0  # -0.0 and 0.0 are one value
    raise OutsideTheRules(f"{name}={value!r}")


def _integer(parameters: Mapping[str, Any], name: str, least: int) -> int:
    whole = _whole(parameters[name])
    if whole is not None and whole >= least:
        return whole
    raise OutsideTheRules(f"{name}={parameters[name]!r}")


def _limit(parameters: Mapping[str, Any], name: str, least: int) -> int:
    if parameters[name] is None:
        return 0
    value = _integer(parameters, name, least)
    if value >= NO_LIMIT:
        raise OutsideTheRules(f"{name}={value!r}")
    return value
