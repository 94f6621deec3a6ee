"""What a user may ask of the workload `svc`, and every way in which it can be wrong."""

import math
from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from workloads import checks
from workloads.svc import samples
from workloads.svc.samples import Samples

NAME = "svc"
MOST_FOLDS = 20
KERNELS = ("linear", "poly", "rbf", "sigmoid")
RULES = ("scale", "auto")  # scikit-learn's own ways to choose gamma from the data

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "scaling": {"rows": 3000, "features": 40, "gamma": [0.005, 0.01, 0.02, 0.05, 0.1, 0.2]},
    "tiny": {
        "rows": 300, "features": 8, "informative": 4, "folds": 3,
        "kernels": ["rbf", "linear"], "C": [0.5, 5], "gamma": ["scale", 0.2],
    },
}  # fmt: skip
_DEFAULTS: Mapping[str, Any] = {
    "rows": 2000,
    "features": 20,
    "informative": 10,
    "classes": 3,
    "noise": 0.05,
    "separation": 1.0,
    "kernels": ["rbf"],
    "C": [0.1, 1, 10, 100],
    "gamma": [0.01, 0.03, 0.1, "scale"],
    "folds": 5,
    "reuse": True,
    "jobs": 1,
    "seed": 0,
}
_SOURCE = "the configuration of svc"
_EXAMPLES = {
    "preset": "--preset default",
    "rows": "--set rows=2000",
    "features": "--set features=20",
    "informative": "--set informative=10",
    "classes": "--set classes=3",
    "noise": "--set noise=0.05",
    "separation": "--set separation=1.0",
    "kernels": '--set \'kernels=["rbf","linear"]\'',
    "C": "--set C=[0.1,1,10]",
    "gamma": "--set 'gamma=[0.01,0.1,\"scale\"]'",
    "folds": "--set folds=5",
    "reuse": "--set reuse=true",
    "jobs": "--set jobs=-1, all cores of the baseline, or jobs=1",
    "seed": "--set seed=0",
}


def defaults() -> dict[str, Any]:
    """Return the parameters of a run for which the user typed none."""
    return dict(_DEFAULTS)


def validate(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return complete parameters: what was given, over a preset if one is named.

    `rows`, `features`, `informative`, `classes`, `noise` (the share of labels drawn anew),
    `separation` and `seed` are what make_classification is asked for. `reuse` says how the
    scores are computed, and `jobs` on how many cores the baseline does that. Complete
    parameters are returned as they are.

    Raises
    ------
    InvalidDocument
        With every problem at once.
    """
    problems = Problems()
    given, merged = checks.over_preset(problems, parameters, defaults(), PRESETS)
    rows = problems.value(merged, "rows", int, rule=checks.between(20, samples.MOST_ROWS))
    features = problems.value(merged, "features", int, rule=checks.between(2, 1000))
    informative = problems.value(merged, "informative", int, rule=checks.between(2, 1000))
    classes = problems.value(merged, "classes", int, rule=checks.between(2, 50))
    folds = problems.value(merged, "folds", int, rule=checks.between(2, MOST_FOLDS))
    problems.value(merged, "noise", (int, float), rule=checks.below_one)
    problems.value(merged, "separation", (int, float), rule=checks.above_zero)
    problems.value(merged, "reuse", bool)
    problems.value(merged, "jobs", int, rule=_jobs_rule)
    problems.value(merged, "seed", int, rule=checks.between(0, (1 << 32) - 1))
    _check_grid(problems, merged)
    if informative is not None and features is not None and informative > features:
        words = f"must be at most the {features} features, is {informative}"
        problems.add("informative", words)
    if informative is not None and classes is not None and classes > 1 << min(informative, 20):
        words = f"must be at most 2 to the power of informative, {informative}, is {classes}"
        problems.add("classes", words)
    if None not in (rows, classes, folds) and rows < 2 * classes * folds:
        least = 2 * classes * folds
        words = f"must be from {least} for {classes} classes in {folds} folds, is {rows}"
        problems.add("rows", words)
    problems.raise_if_any(_SOURCE, next_step=checks.example(problems.found, _EXAMPLES))
    version = samples.version(_samples(merged))
    checks.same_version(problems, given, version, _SOURCE)
    return {**merged, "data_version": version}


def combinations(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of each trial; a linear kernel has no gamma."""
    return [
        {"kernel": kernel, "C": c, **({} if kernel == "linear" else {"gamma": gamma})}
        for kernel in parameters["kernels"]
        for gamma in ([None] if kernel == "linear" else parameters["gamma"])
        for c in parameters["C"]
    ]


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the baseline: a kernel matrix for each C, gamma and fold."""
    return {**parameters, "reuse": False}


def _samples(parameters: Mapping[str, Any]) -> Samples:
    return Samples(
        rows=parameters["rows"],
        features=parameters["features"],
        informative=parameters["informative"],
        classes=parameters["classes"],
        noise=float(parameters["noise"]),
        separation=float(parameters["separation"]),
        seed=parameters["seed"],
    )


def data(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what units are told of the data, as JSON: how to make it, and what must come."""
    return {**vars(_samples(parameters)), "version": parameters["data_version"]}


def _check_grid(problems: Problems, merged: Mapping[str, Any]) -> None:
    checks.different(problems, merged, "kernels", f"of {', '.join(KERNELS)}", _is_kernel)
    checks.different(problems, merged, "C", "numbers above 0", _is_positive)
    words = f"numbers above 0, or {' or '.join(RULES)}"
    checks.different(problems, merged, "gamma", words, _is_gamma)


def _is_kernel(value: Any) -> bool:
    return value in KERNELS


def _is_gamma(value: Any) -> bool:
    return value in RULES or _is_positive(value)


def _is_positive(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > 0


def _jobs_rule(value: int) -> str | None:
    return (
        None if value == -1 or 1 <= value <= 1024 else "must be -1 for all cores, or 1 to 1024"
    )
