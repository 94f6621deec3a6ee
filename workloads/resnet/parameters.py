"""What a user may ask of the workload `resnet`, and every way in which it can be wrong."""

from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from workloads import checks
from workloads.data import datasets, named
from workloads.data.bucket import is_name as in_bucket

NAME = "resnet"
IMAGES = ("digits",)
# What gradients travel as; they are added up in single precision whichever it is.
GRADIENTS = ("float32", "bfloat16")
LEAST_ROWS = 20
RECIPE = ("batch", "epochs", "held_out", "width", "gradients")

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "small": {"width": 16, "epochs": 5},
    "published": {"epochs": 3},
    "tiny": {"rows": 200, "width": 4, "epochs": 2, "batch": 40},
}
_SOURCE = "the configuration of resnet"
_EXAMPLES = {
    "preset": "--preset default",
    "dataset": "--set dataset=digits",
    "rows": "--set rows=1000, or leave rows out for all there are",
    "epochs": "--set epochs=10",
    "batch": "--set batch=240",
    "learning_rates": "--set learning_rates=[0.05,0.1]",
    "width": "--set width=64",
    "held_out": "--set held_out=0.2",
    "gradients": f"--set gradients={GRADIENTS[0]}",
    "seed": "--set seed=0",
}


def defaults() -> dict[str, Any]:
    """Return the parameters of a run for which the user typed none."""
    return {
        "dataset": "digits",
        "rows": None,
        "epochs": 10,
        "batch": 240,
        "learning_rates": [0.1],
        "width": 64,
        "held_out": 0.2,
        "gradients": GRADIENTS[0],
        "seed": 0,
    }


def validate(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return complete parameters: what was given, over a preset if one is named.

    `batch` rows make a step, on however many nodes; `width` is the channels of the first
    stage; `held_out` is the part of the rows on which the accuracy is counted. Complete
    parameters are returned as they are.

    Raises
    ------
    InvalidDocument
        With every problem at once.
    """
    problems = Problems()
    given, merged = checks.over_preset(problems, parameters, defaults(), PRESETS)
    dataset = problems.value(merged, "dataset", str, rule=_dataset_rule)
    rows = problems.value(merged, "rows", int, required=False)
    problems.value(merged, "epochs", int, rule=checks.between(1, 10_000))
    batch = problems.value(merged, "batch", int, rule=checks.between(2, 1 << 16))
    problems.value(merged, "width", int, rule=_width_rule)
    held_out = problems.value(merged, "held_out", float, rule=checks.between(0.01, 0.9))
    problems.value(merged, "gradients", str, rule=checks.one_of(GRADIENTS))
    problems.value(merged, "seed", int, rule=checks.between(0, (1 << 31) - 2))
    words = "numbers above 0 and up to 10"
    checks.different(problems, merged, "learning_rates", words, _is_rate)
    if None not in (dataset, batch, held_out):
        _check_rows(problems, dataset, rows, batch, held_out)
    problems.raise_if_any(_SOURCE, next_step=checks.example(problems.found, _EXAMPLES))
    return named.settled(problems, given, merged, _SOURCE)


def combinations(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of each trial: one training for each learning rate."""
    return [{"learning_rate": one} for one in parameters["learning_rates"]]


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the baseline, whose gradients travel nowhere."""
    return {**parameters, "gradients": GRADIENTS[0]}


def _check_rows(
    problems: Problems, dataset: str, rows: int | None, batch: int, held_out: float
) -> None:
    most = datasets.most_rows(dataset)
    count = most if rows is None else rows
    if not LEAST_ROWS <= count <= most:
        problems.add("rows", f"must be from {LEAST_ROWS} to {most}, is {count}")
    elif batch > (left := count - max(1, round(count * held_out))):
        problems.add("batch", f"must be at most the {left} rows to train on, is {batch}")


def _dataset_rule(value: str) -> str | None:
    if value in IMAGES or in_bucket(value):
        return None
    return f"must be {', '.join(IMAGES)}, or bucket:NAME with rows that are square images"


def _width_rule(value: int) -> str | None:
    # Groups of channels that are normalised together must be of one size in every stage.
    fits = value in (1, 2, 4, 8, 16) or (value % 32 == 0 and 32 <= value <= 256)
    return None if fits else "must be 1, 2, 4, 8, 16 or a multiple of 32 up to 256"


def _is_rate(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= 10
