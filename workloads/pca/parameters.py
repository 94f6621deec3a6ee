"""What a user may ask of the workload `pca`, and every way in which it can be wrong."""

from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from workloads import checks
from workloads.data import points
from workloads.data.points import BLOBS

NAME = "pca"
CHUNK_ROWS = 16384

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "digits": {"dataset": "digits", "points": None},
    "large": {"dataset": BLOBS, "points": 2_000_000},
    "tiny": {"dataset": BLOBS, "points": 3000, "features": 8, "components": [3]},
}
_OWN = {"components": [10], "chunk_rows": CHUNK_ROWS}
_SOURCE = "the configuration of pca"
_EXAMPLES = {
    "preset": "--preset default",
    "components": "--set components=[5,10]",
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
    problems.value(merged, "chunk_rows", int, rule=checks.between(256, 1 << 24))
    components = checks.whole_numbers(problems, merged, "components", least=1)
    most = max(components, default=1)
    points.check_count(problems, merged, most + 1)
    features = merged["features"]
    if merged["dataset"] == BLOBS and isinstance(features, int) and most > features:
        problems.add("components", f"must be at most the {features} features, is {most}")
    problems.raise_if_any(_SOURCE, next_step=checks.example(problems.found, _EXAMPLES))
    return points.settled(problems, given, merged, _SOURCE)


def combinations(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of each trial: one for each number of components."""
    return [{"components": count} for count in parameters["components"]]


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the baseline, which knows no chunks."""
    return {**parameters, "chunk_rows": CHUNK_ROWS}
