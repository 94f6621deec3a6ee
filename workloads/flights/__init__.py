"""Flights: questions to tables of flights that are read from CSV or Parquet, by many libraries.

The baseline is pandas. Forms of the same questions are Dask's dataframe, bag and array, and Ray
Data; and, on one machine or file by file in tasks of an engine, Polars and DuckDB. A trial is a
question (queries.py), a score is a figure of its answer: all forms agree with pandas.

Importing this imports no library of dataframes: the verbs never need one.
"""

import dataclasses
from pathlib import Path
from typing import Any

from contracts.trial import TrialResult
from workloads import checks, programs
from workloads.data import bucket, hashes
from workloads.engines import Unit
from workloads.flights.parameters import (
    NAME,
    PRESETS,
    combinations,
    defaults,
    plain_parameters,
    source,
    validate,
)
from workloads.programs import ProgramWork
from workloads.registry import Work, data_version, files_of, versions
from workloads.runs import PlannedTrial, RunSpec

__all__ = [
    "NAME",
    "PRESETS",
    "QUALITY",
    "RANKED",
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
    "settings",
    "sources",
    "validate",
    "warm_up",
]

SIZE = "repeat"
QUALITY = "the figures of an answer, which say nothing but whether answers are equal"
RANKED = False
# Sums of whole numbers are exact, those of fractions in files of your own nearly. The largest
# figure of an answer, which this is a part of, is its rows: millions, beside a mean of minutes.
TOLERANCE = 1e-12
_OF_ENGINES = ("chunk_mb", "scheduler", "processes", "threads", "hold")


def sources() -> list[Path]:
    """Return the files that decide the answers, and those of the data."""
    return files_of(__file__, bucket, checks, hashes, programs)


def libraries() -> dict[str, str]:
    """Return the versions of the libraries that read and answer."""
    return versions("pandas", "pyarrow", "polars", "duckdb", "numpy")


def prepare(home: str, parameters: Any) -> dict[str, Any]:
    """Put the data into a node's cache, once; return facts that all nodes must share."""
    from workloads.flights import copies

    return copies.prepare(home, source(parameters), parameters["format"])


def preparation(spec: RunSpec) -> Unit:
    """Return the unit that puts the data into a node's cache."""
    arguments = {
        "home": spec.home,
        "source": dataclasses.asdict(source(spec.parameters)),
        "file_format": spec.parameters["format"],
    }
    return Unit("data", f"{__name__}.copies:prepare_fields", arguments)


def warm_up(spec: RunSpec) -> Unit:
    """Return the program that each run begins with before the clock starts."""
    arguments = {"form": spec.parameters["form"]}
    return programs.program("warm-up", __name__, "warm_up", spec.engine, arguments)


def open_work(spec: RunSpec) -> Work:
    """Return one program for each question."""
    found = [
        (
            programs.program(one.trial_id, __name__, "answer", spec.engine, _given(spec, one)),
            [one],
        )
        for one in spec.trials
    ]
    return ProgramWork(spec, found)


def plain(parameters: Any, seed: int) -> list[TrialResult]:
    """Answer the same questions by pandas, in this process: the reference."""
    import tempfile

    from workloads.flights import baseline, copies
    from workloads.programs import Connected

    with tempfile.TemporaryDirectory() as home:
        copies.prepare(home, source(parameters), parameters["format"])
        here = Connected("plain", None, ("here",), 1, home)
        results = []
        for one in combinations(parameters):
            given = {**settings(parameters), "form": "dataframe", "query": one["query"]}
            (found,) = baseline.answer(here, **given)
            results.append(programs.reference(one, found))
    return results


def _given(spec: RunSpec, trial: PlannedTrial) -> dict[str, Any]:
    return {**settings(spec.parameters), "query": trial.parameters["query"]}


def settings(parameters: Any) -> dict[str, Any]:
    """Return what every form of an answer is called with, but for the question."""
    return {
        "source": dataclasses.asdict(source(parameters)),
        "form": parameters["form"],
        "file_format": parameters["format"],
        "columns": parameters["columns"],
        **{key: parameters[key] for key in _OF_ENGINES},
    }
