"""What a user may ask of the workload `knn`, and every way in which it can be wrong."""

from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from workloads import checks
from workloads.data import datasets, named

NAME = "knn"
MOST_FOLDS = 20

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {"dataset": "digits", "neighbours": list(range(1, 32, 2)), "folds": 5},
    "cover-type": {"dataset": datasets.COVTYPE_LIKE, "rows": 10_000, "neighbours": [1, 5, 15]},
    "tiny": {"dataset": "digits", "rows": 300, "neighbours": [1, 3, 8], "folds": 3},
}
_SOURCE = "the configuration of knn"
_EXAMPLES = {
    "preset": "--preset default",
    "dataset": "--set dataset=digits; or fab data.get mnist --to bucket, then "
    "--set dataset=bucket:mnist",
    "rows": "--set rows=1000, or leave rows out for all there are",
    "neighbours": "--set neighbours=[1,3,5]",
    "folds": "--set folds=5",
    "reuse": "--set reuse=true",
    "seed": "--set seed=0",
}


def defaults() -> dict[str, Any]:
    """Return the parameters of a run for which the user typed none."""
    return {"rows": None, "reuse": True, "seed": 0, **PRESETS["default"]}


def validate(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return complete parameters: what was given, over a preset if one is named.

    `neighbours` are the values of k that cross-validation in `folds` chooses from. `reuse`
    says how the scores are computed and changes none of them. Complete parameters are
    returned as they are.

    Raises
    ------
    InvalidDocument
        With every problem at once.
    """
    problems = Problems()
    given, merged = checks.over_preset(problems, parameters, defaults(), PRESETS)
    dataset = problems.value(merged, "dataset", str, rule=named.name_rule)
    rows = problems.value(merged, "rows", int, required=False)
    folds = problems.value(merged, "folds", int, rule=checks.between(2, MOST_FOLDS))
    problems.value(merged, "reuse", bool)
    problems.value(merged, "seed", int, rule=checks.between(0, (1 << 32) - 1))
    neighbours = checks.whole_numbers(problems, merged, "neighbours", least=1)
    if dataset is not None and folds is not None and neighbours:
        most = datasets.most_rows(dataset)
        # Every fold must leave as many rows to choose neighbours from.
        least = max(2 * folds, -(-(max(neighbours) + 1) * folds // (folds - 1)))
        count = most if rows is None else rows
        if not least <= count <= most:
            words = f"must be from {least} to {most} for these neighbours, is {count}"
            problems.add("rows", words)
    problems.raise_if_any(_SOURCE, next_step=checks.example(problems.found, _EXAMPLES))
    return named.settled(problems, given, merged, _SOURCE)


def combinations(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of each trial, in the order in which they were given."""
    return [{"n_neighbors": count} for count in parameters["neighbours"]]


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the baseline: a neighbour search for each k and fold."""
    return {**parameters, "reuse": False}
