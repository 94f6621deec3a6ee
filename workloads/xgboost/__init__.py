"""Boosted regression trees, tuned by an Optuna study: XGBoost on rows of a known function.

A score is the negative of the error (RMSE) on held-out rows, at the best of several numbers of
rounds. The trials of a study are the same on every engine and any number of nodes (study.py).

- `form` trials (the default): each trial is a fit on one node, many at once. With `reuse` true
  a process bins the data once for all its trials, and one model serves every number of rounds;
  with `reuse` false each number of rounds is a fit with bins of its own: the baseline.
- `form` distributed: one fit at a time over the rows of all nodes, for data that no node can
  hold: xgboost.dask, or XGBoost's collective in tasks of Ray. Its bins are others, and so are
  its scores.

`format`, `chunk_rows`, `scheduler`, `workers`, `clusters` and `threads` say how a node reads
its copy (reading.py); each trial tells `read seconds` and `fit seconds`. Importing this
imports neither XGBoost nor Optuna.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.trial import TrialResult
from workloads import checks, programs
from workloads.data import synthetic_covtype
from workloads.engines import Unit
from workloads.registry import Work, data_version, files_of, versions
from workloads.runs import RunSpec
from workloads.xgboost.parameters import (
    NAME,
    PRESETS,
    combinations,
    data,
    defaults,
    how_to_read,
    plain_parameters,
    validate,
)

__all__ = [
    "NAME",
    "PRESETS",
    "QUALITY",
    "SIZE",
    "TOLERANCE",
    "combinations",
    "data_version",
    "defaults",
    "libraries",
    "open_work",
    "plain",
    "plain_parameters",
    "preparation",
    "prepare",
    "sources",
    "tolerance",
    "validate",
    "warm_up",
]

SIZE = "rows"
QUALITY = "negative root mean squared error on held-out rows"
TOLERANCE = 1e-6


def tolerance(parameters: Mapping[str, Any]) -> float | None:
    """Return TOLERANCE; None for a fit over all nodes, whose bins depend on their number."""
    return TOLERANCE if parameters["form"] == "trials" else None


def sources() -> list[Path]:
    """Return the files that decide the scores, and those of the data."""
    return files_of(__file__, checks, programs, synthetic_covtype)


def libraries() -> dict[str, str]:
    """Return the versions of the libraries that decide the scores."""
    return versions("xgboost-cpu", "optuna", "numpy")


def prepare(home: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Write the data into a node's cache, once; return facts that all nodes must share."""
    from workloads.xgboost import files

    return files.prepare(home, data(parameters), how_to_read(parameters))


def preparation(spec: RunSpec) -> Unit:
    """Return the unit that writes the data into a node's cache."""
    arguments = {
        "home": spec.home,
        "data": data(spec.parameters),
        "reading": how_to_read(spec.parameters),
    }
    return Unit("data", f"{__name__}.files:prepare", arguments)


def warm_up(spec: RunSpec) -> Unit:
    """Return what each slot, or the program, does before the clock starts."""
    if spec.parameters["form"] == "distributed" and spec.engine != "plain":
        return programs.program("warm-up", __name__, "warm_up", spec.engine, {})
    how = {"form": spec.parameters["format"], "scheduler": spec.parameters["scheduler"]}
    return Unit("warm-up", f"{__name__}.boosting:warm_up", how)


def open_work(spec: RunSpec) -> Work:
    """Return a unit for each trial that is left, and the study that they belong to."""
    from workloads.xgboost.work import StudyWork

    return StudyWork(spec)


def plain(parameters: Mapping[str, Any], seed: int) -> list[TrialResult]:
    """Do the same study by plain fits of XGBoost, in this process: the reference."""
    import time

    from workloads.xgboost import boosting, samples, study

    rows = samples.made(samples.of(data(parameters)))
    fitting = {name: parameters[name] for name in ("rounds", "max_bin", "threads")}
    fitting["seed"] = seed

    def evaluate(chosen: Mapping[str, float]) -> dict[str, Any]:
        begin = time.monotonic()
        errors = boosting.single_errors(rows, fitting, chosen)
        return boosting.outcome(errors, fitting, chosen, begin, 0.0)

    found = study.sequence(study.of(parameters, seed), parameters["trials"], evaluate)
    pairs = zip(combinations(parameters), found, strict=True)
    return [programs.reference(one, value) for one, value in pairs]
