"""What a user may ask of the workload `forest`, and every way in which it can be wrong."""

from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from contracts.trial import canonical
from workloads import checks
from workloads.data import datasets, named

NAME = "forest"
MOST_COMBINATIONS = 10_000
MOST_FOLDS = 20
FEWEST_ROWS_PER_FOLD = 10

_GRID = {
    "n_estimators": [50, 100, 200],
    "max_depth": [None, 10],
    "max_features": ["sqrt", 0.5],
    "ccp_alpha": [0.0, 0.001],
}
# Forests of one size: only how much is pruned afterwards differs, and that costs the same
# where each is fitted by itself, which shows how plain fits scale: so nothing is reused.
_EQUAL_SIZED = {
    "n_estimators": [100],
    "max_features": ["sqrt"],
    "ccp_alpha": [round(0.0001 * step, 4) for step in range(1, 25)],
}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {"dataset": "digits", "folds": 3, "grid": _GRID},
    "scaling": {"dataset": "digits", "folds": 5, "grid": _EQUAL_SIZED, "reuse": False},
    "cover-type": {
        "dataset": datasets.COVTYPE_LIKE,
        "rows": 8000,
        "folds": 3,
        "grid": {
            "n_estimators": [20, 50, 100],
            "max_depth": [None, 10, 20],
            "ccp_alpha": [0.0, 0.001],
        },
    },
    "demo": {
        "dataset": "digits",
        "folds": 3,
        "grid": {
            "n_estimators": [50, 100],
            "max_depth": [None, 10],
            "ccp_alpha": [0.0, 0.001],
        },
    },
    "demo-cover-type": {
        "dataset": datasets.COVTYPE_LIKE,
        "rows": 6000,
        "folds": 3,
        "grid": {
            "n_estimators": [20, 40],
            "max_depth": [None, 10],
            "ccp_alpha": [0.0, 0.001],
        },
    },
    "tiny": {
        "dataset": "digits",
        "rows": 300,
        "folds": 2,
        "grid": {"n_estimators": [5, 10], "max_depth": [None, 5]},
    },
}
BUILDERS = ("auto", "compiled", "scikit-learn")
_SOURCE = "the configuration of forest"
_EXAMPLES = {
    "grid": '--set "grid.n_estimators=[50,100]"',
    "preset": "--preset default",
    "dataset": "--set dataset=digits",
    "rows": "--set rows=1000, or leave rows out for all there are",
    "folds": "--set folds=3",
    "seed": "--set seed=0",
    "reuse": "--set reuse=true",
    "builder": "--set builder=auto",
}
_OURS = {
    "random_state": "is the run's seed",
    "n_jobs": "is 1: a slot has one core",
    "verbose": "prints where nobody reads",
    "warm_start": "would carry trees from one fit to the next",
}


def defaults() -> dict[str, Any]:
    """Return the parameters of a run for which the user typed none."""
    how = {"reuse": True, "builder": "auto"}
    return {"rows": None, "seed": 0, **how, **PRESETS["default"]}


def validate(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return complete parameters: what was given, over a preset if one is named.

    `covtype-like` and `rows` are settled here, once, and `data_version` is added, so that
    every later reader sees what the data is. Complete parameters are returned as they are.
    `reuse` and `builder` say how the scores are computed and change none of them; without
    `reuse`, `builder` has no meaning and is left alone.

    Raises
    ------
    InvalidDocument
        With every problem at once.
    """
    problems = Problems()
    given, merged = checks.over_preset(problems, parameters, defaults(), PRESETS)
    dataset = problems.value(merged, "dataset", str, rule=named.name_rule)
    folds = problems.value(merged, "folds", int, rule=checks.between(2, MOST_FOLDS))
    problems.value(merged, "seed", int, rule=checks.between(0, (1 << 32) - 1))
    problems.value(merged, "reuse", bool)
    problems.value(merged, "builder", str, rule=checks.one_of(BUILDERS))
    rows = problems.value(merged, "rows", int, required=False)
    if rows is not None and dataset is not None and folds is not None:
        _check_rows(problems, rows, dataset, folds)
    _check_grid(problems, merged["grid"])
    problems.raise_if_any(_SOURCE, next_step=checks.example(problems.found, _EXAMPLES))
    return named.settled(problems, given, merged, _SOURCE)


def combinations(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of each trial, in the order of scikit-learn's ParameterGrid."""
    from sklearn.model_selection import ParameterGrid

    return [dict(one) for one in ParameterGrid(parameters["grid"])]


def _check_rows(problems: Problems, rows: int, dataset: str, folds: int) -> None:
    least, most = FEWEST_ROWS_PER_FOLD * folds, datasets.most_rows(dataset)
    if not least <= rows <= most:
        problems.add(
            "rows", f"must be from {least} to {most} for {dataset} in {folds} folds, is {rows}"
        )


def _check_grid(problems: Problems, grid: Any) -> None:
    """Check a grid, or a list of grids, with scikit-learn's own rules for each value."""
    parts = grid if isinstance(grid, list) else [grid]
    if not parts:
        problems.add("grid", "must name at least one parameter")
    before = len(problems.found)
    for index, part in enumerate(parts):
        where = f"grid[{index}]" if isinstance(grid, list) else "grid"
        if isinstance(part, dict):
            _check_part(problems, where, part)
        else:
            problems.add(where, f"must be a table of lists, is {part!r:.80}")
    if len(problems.found) == before and parts:
        _check_size(problems, grid)


def _check_part(problems: Problems, where: str, part: dict[str, Any]) -> None:
    from sklearn.ensemble import RandomForestClassifier

    known = RandomForestClassifier._parameter_constraints
    allowed = sorted(set(known) - set(_OURS))
    if not part:
        problems.add(where, "must name at least one parameter")
    for name, values in part.items():
        field = f"{where}.{name}"
        if name in _OURS:
            problems.add(field, f"cannot be tuned here, it {_OURS[name]}")
        elif name not in known:
            problems.add(field, f"unknown parameter; known: {', '.join(allowed)}")
        elif not isinstance(values, list) or not values:
            problems.add(field, f"must be a list of at least one value, is {values!r:.80}")
        else:
            for value in values:
                complaint = _complaint(name, value, known[name])
                if complaint:
                    problems.add(field, complaint)


def _complaint(name: str, value: Any, constraints: list[Any]) -> str | None:
    from sklearn.utils._param_validation import (
        InvalidParameterError,
        validate_parameter_constraints,
    )

    if isinstance(value, dict):
        return f"must not be a table, is {value!r:.80}"
    try:
        canonical(value)
        validate_parameter_constraints({name: constraints}, {name: value}, "forest")
    except InvalidParameterError as error:
        _, _, words = str(error).partition(" must be ")
        return f"must be {words.replace('. Got ', ', is ').removesuffix(' instead.')}"
    except (TypeError, ValueError) as error:
        return f"cannot be used: {error}"
    return None


def _check_size(problems: Problems, grid: Any) -> None:
    from sklearn.model_selection import ParameterGrid

    size = len(ParameterGrid(grid))
    if size > MOST_COMBINATIONS:
        problems.add("grid", f"has {size} combinations, the most is {MOST_COMBINATIONS}")
        return
    texts = [canonical(one) for one in ParameterGrid(grid)]
    twice = sorted({text for text in texts if texts.count(text) > 1}) if size else []
    if twice:
        problems.add("grid", f"holds {len(twice)} combinations twice, such as {twice[0]}")
