"""What a user may ask of the workload `xgboost`, and every way in which it can be wrong."""

from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from workloads import checks
from workloads.xgboost import samples
from workloads.xgboost.samples import Samples

NAME = "xgboost"
FORMS = ("trials", "distributed")
SAMPLERS = ("tpe", "random")
FORMATS = ("numpy", "dask-array", "dask-dataframe", "csv", "parquet")
SCHEDULERS = ("synchronous", "threads", "processes", "distributed")
MOST_TRIALS = 1000

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "scaling": {"rows": 30_000, "trials": 48, "rounds": [50, 100, 150]},
    "formats": {"rows": 200_000, "trials": 1, "parallel": 1, "rounds": [20]},
    "tiny": {
        "rows": 2000, "features": 6, "trials": 14, "parallel": 3, "rounds": [5, 10],
        "chunk_rows": 500,
    },
}  # fmt: skip
# How the data is read; none of it changes what is read.
READING: Mapping[str, Any] = {
    "format": "numpy",
    "chunk_rows": 25_000,
    "scheduler": "threads",
    "workers": 1,
    "clusters": 1,
}
_DEFAULTS: Mapping[str, Any] = {
    "rows": 20_000,
    "features": 20,
    "noise": 1.0,
    "trials": 40,
    "parallel": 6,
    "sampler": "tpe",
    "constant_liar": True,
    "rounds": [50, 100, 200],
    "max_bin": 256,
    "threads": 1,
    "form": "trials",
    "reuse": True,
    **READING,
    "seed": 0,
}
_SOURCE = "the configuration of xgboost"
_EXAMPLES = {
    "preset": "--preset default",
    "rows": "--set rows=20000",
    "features": "--set features=20",
    "noise": "--set noise=1.0",
    "trials": "--set trials=40",
    "parallel": "--set parallel=6",
    "sampler": "--set sampler=tpe",
    "constant_liar": "--set constant_liar=true",
    "rounds": "--set rounds=[50,100,200]",
    "max_bin": "--set max_bin=256",
    "threads": "--set threads=1",
    "form": "--set form=trials",
    "reuse": "--set reuse=true",
    "format": "--set format=parquet",
    "chunk_rows": "--set chunk_rows=25000",
    "scheduler": "--set scheduler=threads",
    "workers": "--set workers=2",
    "clusters": "--set clusters=1",
    "seed": "--set seed=0",
}


def defaults() -> dict[str, Any]:
    """Return the parameters of a run for which the user typed none."""
    return dict(_DEFAULTS)


def validate(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return complete parameters: what was given, over a preset if one is named.

    `parallel` is how many trials are under way at once, as the sampler sees it; `rounds` are
    the numbers of rounds of which each trial takes the best. `threads` are those of a fit, and
    of each worker of a `distributed` scheduler. Complete parameters are returned as they are.

    Raises
    ------
    InvalidDocument
        With every problem at once.
    """
    problems = Problems()
    given, merged = checks.over_preset(problems, parameters, defaults(), PRESETS)
    limits = {
        "rows": (50, samples.MOST_ROWS),
        "features": (samples.LEAST_FEATURES, 1000),
        "trials": (1, MOST_TRIALS),
        "parallel": (1, 256),
        "max_bin": (4, 4096),
        "threads": (1, 256),
        "chunk_rows": (100, samples.MOST_ROWS),
        "workers": (1, 64),
        "clusters": (1, 8),
        "seed": (0, (1 << 30) - 1),
    }
    for name, (least, most) in limits.items():
        problems.value(merged, name, int, rule=checks.between(least, most))
    choices = {
        "sampler": SAMPLERS, "form": FORMS, "format": FORMATS, "scheduler": SCHEDULERS,
    }  # fmt: skip
    for name, known in choices.items():
        problems.value(merged, name, str, rule=checks.one_of(known))
    problems.value(merged, "noise", (int, float), rule=checks.between(0, 100))
    problems.value(merged, "constant_liar", bool)
    problems.value(merged, "reuse", bool)
    checks.whole_numbers(problems, merged, "rounds", least=1)
    _check_together(problems, merged)
    problems.raise_if_any(_SOURCE, next_step=checks.example(problems.found, _EXAMPLES))
    version = samples.version(_samples(merged))
    checks.same_version(problems, given, version, _SOURCE)
    return {**merged, "data_version": version}


def combinations(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the trials by their number; what each tries, the study finds as it goes."""
    return [{"trial": number} for number in range(parameters["trials"])]


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the baseline: a fit for each number of rounds, from NumPy.

    `form` stays, because it changes scores: the baseline is the same, and counts for each.
    """
    return {**parameters, **READING, "reuse": False}


def data(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what nodes are told of the data, as JSON: how to make it, and what must come."""
    return {**vars(_samples(parameters)), "version": parameters["data_version"]}


def how_to_read(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what nodes are told of how to read the data, as JSON."""
    return {name: parameters[name] for name in (*READING, "threads")}


def _samples(parameters: Mapping[str, Any]) -> Samples:
    return Samples(
        parameters["rows"],
        parameters["features"],
        float(parameters["noise"]),
        parameters["seed"],
    )


def _check_together(problems: Problems, merged: Mapping[str, Any]) -> None:
    scheduler, form = merged["scheduler"], merged["format"]
    if merged["clusters"] != 1 and scheduler != "distributed":
        words = f"must be 1 unless scheduler is distributed, is {merged['clusters']!r:.20}"
        problems.add("clusters", words)
    if merged["form"] == "distributed" and form != "numpy":
        problems.add("format", f"must be numpy where form is distributed, is {form!r:.80}")
