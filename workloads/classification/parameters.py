"""What a user may ask of the workload `classification`, and every way in which it is wrong."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from workloads import checks
from workloads.data import points

NAME = "classification"
MOST_FOLDS = 20
MOST_COMBINATIONS = 500
FEWEST_ROWS_PER_FOLD = 20
FORMS = ("tasks", "joblib")

LOGISTIC, BOOSTING = "logistic", "boosting"
GRIDS: Mapping[str, Mapping[str, list[Any]]] = {
    LOGISTIC: {"C": [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]},
    BOOSTING: {"learning_rate": [0.05, 0.2], "max_leaf_nodes": [7, 31], "max_iter": [20, 40]},
}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {"points": 20_000, "features": 20, "labels": 5, "noise": 0.05, "folds": 3},
    "boosting": {"classifier": BOOSTING, "points": 20_000, "features": 20, "labels": 5},
    "large": {"points": 500_000, "features": 54, "labels": 10, "noise": 0.05, "folds": 3},
    "tiny": {"points": 600, "features": 5, "labels": 3, "folds": 2, "grid": {"C": [0.01, 1]}},
}
_SOURCE = "the configuration of classification"
_EXAMPLES = {
    "preset": "--preset default",
    "classifier": f"--set classifier={LOGISTIC}",
    "grid": '--set "grid.C=[0.1,1]"',
    "folds": "--set folds=3",
    "form": "--set form=tasks",
    "pieces": "--set pieces=3",
    **points.EXAMPLES,
    "labels": "--set labels=5",
}


def defaults() -> dict[str, Any]:
    """Return the parameters of a run for which the user typed none."""
    shared = {key: value for key, value in points.DEFAULTS.items() if key != "centres"}
    how = {"classifier": LOGISTIC, "grid": None, "folds": 3, "form": "tasks", "pieces": 3}
    return {**shared, **how, "labels": 5, **PRESETS["default"]}


def validate(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return complete parameters: what was given, over a preset if one is named.

    `points`, `features`, `labels`, `noise` and `seed` describe generated data, and `dataset`
    names any other. `classifier` is the one whose `grid` is searched by cross-validation in
    `folds`; without a grid it is searched over one of its own. `form` and `pieces`, in how many
    reads for each slot the table comes, say how the scores are found and change none.

    Raises
    ------
    InvalidDocument
        With every problem at once.
    """
    problems = Problems()
    given, merged = checks.over_preset(problems, parameters, defaults(), PRESETS)
    points.check(problems, merged, centres="labels")
    folds = problems.value(merged, "folds", int, rule=checks.between(2, MOST_FOLDS))
    if folds is not None:
        points.check_count(problems, merged, FEWEST_ROWS_PER_FOLD * folds)
    if merged["dataset"] == points.BLOBS and merged["labels"] == 1 and merged["noise"] == 0:
        problems.add("labels", "must be at least 2 without noise, is 1")
    problems.value(merged, "form", str, rule=checks.one_of(FORMS))
    problems.value(merged, "pieces", int, rule=checks.between(1, 100))
    classifier = problems.value(merged, "classifier", str, rule=checks.one_of(GRIDS))
    if classifier is not None and merged["grid"] is None:
        merged["grid"] = {name: list(values) for name, values in GRIDS[classifier].items()}
    elif classifier is not None:
        _check_grid(problems, classifier, merged["grid"])
    problems.raise_if_any(_SOURCE, next_step=checks.example(problems.found, _EXAMPLES))
    return points.settled(problems, given, merged, _SOURCE)


def combinations(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of each trial, in the order of scikit-learn's ParameterGrid."""
    grid = sorted(parameters["grid"].items())
    names = [name for name, _ in grid]
    return [
        dict(zip(names, values, strict=True))
        for values in itertools.product(*(values for _, values in grid))
    ]


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the baseline, which reads the table by one connection."""
    return {**parameters, "form": defaults()["form"], "pieces": defaults()["pieces"]}


def _check_grid(problems: Problems, classifier: str, grid: Any) -> None:
    rules = {
        "C": _positive_rule,
        "learning_rate": _positive_rule,
        "max_leaf_nodes": _count_rule(2),
        "max_iter": _count_rule(1),
    }
    known = GRIDS[classifier]
    if not isinstance(grid, dict) or not grid:
        problems.add("grid", f"must be a table of lists, is {grid!r:.80}")
        return
    problems.unknown_keys("grid.", grid, known)
    before = len(problems.found)
    for name in grid.keys() & known:
        values = problems.value(grid, name, list, where="grid.", rule=_values_rule)
        for value in values or ():
            if complaint := rules[name](value):
                problems.add(f"grid.{name}", f"{complaint}, is {value!r:.80}")
    if len(problems.found) == before:
        size = math.prod(len(values) for values in grid.values())
        if size > MOST_COMBINATIONS:
            words = f"has {size} combinations, the most is {MOST_COMBINATIONS}"
            problems.add("grid", words)


def _values_rule(values: list[Any]) -> str | None:
    texts = {repr(value) for value in values}
    return None if values and len(texts) == len(values) else "must hold different values"


def _positive_rule(value: Any) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if number and 0 < value < math.inf else "must hold numbers above 0"


def _count_rule(least: int) -> Any:
    def rule(value: Any) -> str | None:
        good = type(value) is int and value >= least
        return None if good else f"must hold whole numbers from {least}"

    return rule
