"""A classifier's grid search, on data that all workers read from the cluster's database.

The baseline is scikit-learn's GridSearchCV on one machine, which reads the same table by one
connection. On Ray and on Dask every worker reads a range of the table by its own, into a
dataset of Ray Data or a dataframe of Dask, whose rows and sums are compared with those that
were loaded; then each fit is a task (`form` tasks), or GridSearchCV runs on the engine's
backend for joblib (`form` joblib). Scores agree with the library's.

`fab data.load` fills the table. Rows have `load seconds` and `read seconds` of their data.
"""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.trial import TrialResult
from workloads import checks, database, programs
from workloads.classification.parameters import (
    NAME,
    PRESETS,
    combinations,
    defaults,
    plain_parameters,
    validate,
)
from workloads.data import (
    binary_rows,
    datasets,
    points,
    tables,
    tables_on_dask,
    tables_on_ray,
    totals,
)
from workloads.data.points import data
from workloads.engines import Unit
from workloads.programs import ProgramWork
from workloads.registry import Work, data_version, files_of, versions
from workloads.runs import RunSpec

__all__ = [
    "DATABASE",
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
    "validate",
    "warm_up",
]

SIZE = "points"
QUALITY = "accuracy"
# A solver adds up in an order that the number of its threads decides: a row in a thousand.
TOLERANCE = 1e-3
DATABASE = True


def sources() -> list[Path]:
    """Return the files that decide the scores, and those of the data."""
    reading = (binary_rows, database, points, tables, tables_on_dask, tables_on_ray, totals)
    return [*files_of(__file__, checks, programs, *reading), *datasets.sources()]


def libraries() -> dict[str, str]:
    """Return the versions of the distributions that decide the scores."""
    return versions("scikit-learn", "numpy", "psycopg")


def prepare(home: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Do nothing but name the data: they lie in the database, not on the nodes."""
    return {"version": parameters["data_version"]}


def preparation(spec: RunSpec) -> Unit:
    """Return the unit that calls `prepare` on a node."""
    given = {"data_version": spec.parameters["data_version"]}
    return Unit("data", f"{__name__}:prepare", {"home": spec.home, "parameters": given})


def warm_up(spec: RunSpec) -> Unit:
    """Return the program that each run begins with before the clock starts."""
    return programs.program("warm-up", __name__, "warm_up", spec.engine, {})


def open_work(spec: RunSpec) -> Work:
    """Return one program for all trials that are left: they share what is read."""
    if not spec.trials:
        return ProgramWork(spec, [])
    arguments = {
        "data": dataclasses.asdict(data(spec.parameters)),
        "combinations": [dict(one.parameters) for one in spec.trials],
        **{key: spec.parameters[key] for key in ("classifier", "folds", "form", "pieces")},
        "seed": spec.seed,
    }
    unit = programs.program("search", __name__, "search", spec.engine, arguments)
    return ProgramWork(spec, [(unit, spec.trials)], _facts)


def plain(parameters: Mapping[str, Any], seed: int) -> list[TrialResult]:
    """Do the same trials by scikit-learn's GridSearchCV, in this process: the reference."""
    import numpy as np

    from workloads.classification.search import grid_search

    described = data(parameters)
    x, y = datasets.raw(described.dataset, described.rows)
    narrow = x.astype(np.float32)
    x = narrow if np.array_equal(narrow, x) else x.astype(np.float64)
    trials = combinations(parameters)
    how = {key: parameters[key] for key in ("classifier", "folds")}
    found = grid_search(x, y, trials, **how, seed=seed, jobs=1)
    pairs = zip(trials, found, strict=True)
    return [programs.reference(one, value) for one, value in pairs]


def _facts(results: Sequence[TrialResult]) -> dict[str, Any]:
    return {
        name.replace(" ", "_"): statistics.fmean(one.extra[name] for one in results)
        for name in ("load seconds", "read seconds")
    }
