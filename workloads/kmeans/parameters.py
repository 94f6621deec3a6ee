"""What a user may ask of the workload `kmeans`, and every way in which it can be wrong."""

from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from workloads import checks
from workloads.data import points
from workloads.data.points import BLOBS

NAME = "kmeans"
CHUNK_ROWS = 16384

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "digits": {"dataset": "digits", "points": None, "clusters": [10]},
    "large": {"dataset": BLOBS, "points": 2_000_000},
    "tiny": {"dataset": BLOBS, "points": 3000, "features": 8, "clusters": [4], "iterations": 5},
}
_OWN = {"clusters": [20], "iterations": 20, "chunk_rows": CHUNK_ROWS}
_SOURCE = "the configuration of kmeans"
_EXAMPLES = {
    "preset": "--preset default",
    "clusters": "--set clusters=[10,20]",
    "iterations": "--set iterations=20",
    "chunk_rows": "--set chunk_rows=16384",
    **points.EXAMPLES,
}


def defaults() -> dict[str, Any]:
    """Return the parameters of a run for which the user typed none."""
    return {**points.DEFAULTS, **_OWN}


def validate(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return complete parameters: what was given, over a preset if one is named.

    `points` is settled and `data_version` added (workloads/data/points.py). Complete
    parameters are returned as they are.

    Raises
    ------
    InvalidDocument
        With every problem at once.
    """
    problems = Problems()
    given, merged = checks.over_preset(problems, parameters, defaults(), PRESETS)
    points.check(problems, merged)
    problems.value(merged, "iterations", int, rule=checks.between(1, 10_000))
    problems.value(merged, "chunk_rows", int, rule=checks.between(256, 1 << 24))
    clusters = checks.whole_numbers(problems, merged, "clusters", least=2)
    points.check_count(problems, merged, max(clusters, default=1))
    problems.raise_if_any(_SOURCE, next_step=checks.example(problems.found, _EXAMPLES))
    return points.settled(problems, given, merged, _SOURCE)


def combinations(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of each trial: one fit for each number of clusters."""
    return [{"clusters": count} for count in parameters["clusters"]]


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the baseline, which knows no chunks."""
    return {**parameters, "chunk_rows": CHUNK_ROWS}
