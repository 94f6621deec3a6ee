"""The parameters that say which points a workload computes on: blobs, or data by its name.

`dataset` is `blobs`, which `features`, `centres`, `noise` and `seed` describe, or the name of
any other data, whose labels are not used; `points` is how many rows, all there are if none.
"""

from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from workloads import checks
from workloads.data import blobs, datasets
from workloads.data.blobs import Blobs
from workloads.data.datasets import Data

BLOBS = "blobs"
POINTS = 100_000
DEFAULTS: Mapping[str, Any] = {
    "dataset": BLOBS,
    "points": POINTS,
    "features": 54,
    "centres": 10,
    "noise": 0.05,
    "seed": 0,
}
EXAMPLES = {
    "dataset": "--set dataset=blobs",
    "points": "--set points=100000",
    "features": "--set features=54",
    "centres": "--set centres=10",
    "noise": "--set noise=0.05",
    "seed": "--set seed=0",
}


def check(problems: Problems, merged: Mapping[str, Any], centres: str = "centres") -> None:
    """Note what is wrong with those of the parameters that can be checked one by one.

    `centres` is what the workload calls the number of centres: `labels`, if it learns them.
    """
    problems.value(merged, "dataset", str, rule=_dataset_rule)
    problems.value(merged, "points", int, required=False)
    problems.value(merged, "features", int, rule=checks.between(1, blobs.MOST_COLUMNS))
    problems.value(merged, centres, int, rule=checks.between(1, blobs.MOST_CENTRES))
    problems.value(merged, "noise", (int, float), rule=checks.below_one)
    problems.value(merged, "seed", int, rule=checks.between(0, (1 << 30) - 1))


def check_count(problems: Problems, merged: Mapping[str, Any], least: int) -> None:
    """Note if there are fewer points than `least`, or than are asked for."""
    dataset, points = merged["dataset"], merged["points"]
    if not isinstance(dataset, str) or _dataset_rule(dataset) is not None:
        return
    most = datasets.most_rows(dataset)
    every = POINTS if dataset == BLOBS else most
    count = every if points is None else points
    if isinstance(count, int) and not least <= count <= most:
        problems.add("points", f"must be from {least} to {most}, is {count}")


def settled(
    problems: Problems, given: Mapping[str, Any], merged: Mapping[str, Any], source: str
) -> dict[str, Any]:
    """Return checked parameters with `points` settled and `data_version` added.

    Raises
    ------
    InvalidDocument
        If the parameters given name another version of the data.
    """
    points = merged["points"]
    if points is None and merged["dataset"] == BLOBS:
        points = POINTS
    found = datasets.describe(_recipe(merged), points)
    checks.same_version(problems, given, found.version, source)
    return {**merged, "points": found.rows, "data_version": found.version}


def data(parameters: Mapping[str, Any]) -> Data:
    """Return the data that a run with these complete parameters computes on."""
    return Data(_recipe(parameters), parameters["points"], parameters["data_version"])


def _recipe(parameters: Mapping[str, Any]) -> str:
    if parameters["dataset"] != BLOBS:
        return str(parameters["dataset"])
    features = parameters["features"]
    centres = parameters["centres"] if "centres" in parameters else parameters["labels"]
    return Blobs(features, centres, float(parameters["noise"]), parameters["seed"]).name


def _dataset_rule(value: str) -> str | None:
    names = [BLOBS, *(one for one in datasets.names() if one != datasets.COVTYPE_LIKE)]
    other = datasets.is_name(value) and value != datasets.COVTYPE_LIKE
    good = value == BLOBS or other
    return None if good else f"must be one of {', '.join(names)}, or bucket:NAME"
