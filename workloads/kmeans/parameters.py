"""What a user may ask of the workload `kmeans`, and every way in which it can be wrong."""

from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from workloads import checks
from workloads.data import blobs, datasets
from workloads.data.blobs import Blobs
from workloads.data.datasets import Data

NAME = "kmeans"
BLOBS = "blobs"
CHUNK_ROWS = 16384
POINTS = 100_000

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {"dataset": BLOBS, "points": POINTS},
    "digits": {"dataset": "digits", "points": None},
    "large": {"dataset": BLOBS, "points": 2_000_000},
    "tiny": {"dataset": BLOBS, "points": 3000, "features": 8, "clusters": [4], "iterations": 5},
}
_MADE = {"features": 54, "centres": 10, "noise": 0.05}
_OWN = {"clusters": [20], "iterations": 20, "chunk_rows": CHUNK_ROWS, "seed": 0}
_SOURCE = "the configuration of kmeans"
_EXAMPLES = {
    "preset": "--preset default",
    "dataset": "--set dataset=blobs",
    "points": "--set points=100000",
    "features": "--set features=54",
    "centres": "--set centres=10",
    "noise": "--set noise=0.05",
    "clusters": "--set clusters=[10,20]",
    "iterations": "--set iterations=20",
    "chunk_rows": "--set chunk_rows=16384",
    "seed": "--set seed=0",
}


def defaults() -> dict[str, Any]:
    """Return the parameters of a run for which the user typed none."""
    return {**_MADE, **_OWN, **PRESETS["default"]}


def validate(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return complete parameters: what was given, over a preset if one is named.

    `points` is settled and `data_version` added. `dataset` is `blobs`, which `features`,
    `centres` and `noise` describe, or the name of any other data, whose labels are not used.
    Complete parameters are returned as they are.

    Raises
    ------
    InvalidDocument
        With every problem at once.
    """
    problems = Problems()
    problems.unknown_keys("", parameters, [*defaults(), "preset", "data_version"])
    given = {key: value for key, value in parameters.items() if key != "preset"}
    merged = {**defaults(), **checks.preset(problems, parameters, PRESETS), **given}
    dataset = problems.value(merged, "dataset", str, rule=_dataset_rule)
    points = problems.value(merged, "points", int, required=False)
    problems.value(merged, "features", int, rule=checks.between(1, blobs.MOST_COLUMNS))
    problems.value(merged, "centres", int, rule=checks.between(1, blobs.MOST_CENTRES))
    problems.value(merged, "noise", (int, float), rule=_noise_rule)
    problems.value(merged, "iterations", int, rule=checks.between(1, 10_000))
    problems.value(merged, "chunk_rows", int, rule=checks.between(256, 1 << 24))
    problems.value(merged, "seed", int, rule=checks.between(0, (1 << 30) - 1))
    clusters = checks.whole_numbers(problems, merged, "clusters", least=2)
    if dataset is not None and clusters:
        most, least = datasets.most_rows(dataset), max(clusters)
        points = POINTS if points is None and dataset == BLOBS else points
        count = most if points is None else points
        if not least <= count <= most:
            words = f"must be from {least}, the most clusters, to {most}, is {count}"
            problems.add("points", words)
    problems.raise_if_any(_SOURCE, next_step=checks.example(problems.found, _EXAMPLES))
    found = datasets.describe(_recipe(merged), points)
    checks.same_version(problems, given, found, _SOURCE)
    return {**merged, "points": found.rows, "data_version": found.version}


def combinations(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of each trial: one fit for each number of clusters."""
    return [{"clusters": count} for count in parameters["clusters"]]


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the baseline, which knows no chunks."""
    return {**parameters, "chunk_rows": CHUNK_ROWS}


def data(parameters: Mapping[str, Any]) -> Data:
    """Return the data that a run with these complete parameters computes on."""
    return Data(_recipe(parameters), parameters["points"], parameters["data_version"])


def _recipe(parameters: Mapping[str, Any]) -> str:
    if parameters["dataset"] != BLOBS:
        return str(parameters["dataset"])
    features, centres = parameters["features"], parameters["centres"]
    return Blobs(features, centres, float(parameters["noise"]), parameters["seed"]).name


def _dataset_rule(value: str) -> str | None:
    known = ", ".join([BLOBS, *(one for one in datasets.names() if "like" not in one)])
    good = value == BLOBS or (datasets.is_name(value) and value != datasets.COVTYPE_LIKE)
    return None if good else f"must be one of {known}, or bucket:NAME"


def _noise_rule(value: float) -> str | None:
    return None if 0 <= value < 1 else "must be from 0 to below 1"
