"""K-Means: clusters of generated blobs with noise, or of any data, from the same centres.

The baseline is scikit-learn's KMeans. On Ray and on Dask the rows stay where they are, as a
copy on every node, and only sums and counts of chunks travel (lloyd.py). All forms begin with
the same centres, so they agree in their quality: minus the mean squared distance of a row to
its centre, to within TOLERANCE of its size. The engines agree with one another to the last bit.
"""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.trial import TrialResult
from workloads import checks, programs
from workloads.data import bucket_rows, chunks, datasets, points, reading
from workloads.data.points import data
from workloads.engines import Unit
from workloads.kmeans.parameters import (
    NAME,
    PRESETS,
    combinations,
    defaults,
    plain_parameters,
    validate,
)
from workloads.programs import ProgramWork
from workloads.registry import Work, data_version, files_of, libraries
from workloads.runs import RunSpec

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
    "validate",
    "warm_up",
]

SIZE = "points"
QUALITY = "minus the mean squared distance to the nearest centre"
# Rows of single precision are added up in another order than scikit-learn's.
TOLERANCE = 1e-4
_SHARED = (checks, bucket_rows, chunks, points, programs, reading)


def sources() -> list[Path]:
    """Return the files that decide the scores, and those of the data."""
    return [*files_of(__file__, *_SHARED), *datasets.sources()]


def prepare(home: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """See that a node has its copy of the data; return facts that all nodes must share."""
    return reading.prepare(home, data(parameters))


def preparation(spec: RunSpec) -> Unit:
    """Return the unit that puts the data into a node's cache."""
    return reading.preparation(spec.home, data(spec.parameters))


def warm_up(spec: RunSpec) -> Unit:
    """Return the program that each run begins with before the clock starts."""
    arguments = {"data": dataclasses.asdict(data(spec.parameters))}
    return programs.program("warm-up", __name__, "warm_up", spec.engine, arguments)


def open_work(spec: RunSpec) -> Work:
    """Return one program for each number of clusters."""
    found = [
        (programs.program(one.trial_id, __name__, "fit", spec.engine, _given(spec, one)), [one])
        for one in spec.trials
    ]
    return ProgramWork(spec, found, _facts)


def plain(parameters: Mapping[str, Any], seed: int) -> list[TrialResult]:
    """Do the same fits by scikit-learn, in this process: the reference."""
    from workloads.kmeans.baseline import fit_rows, trial

    x, _ = datasets.raw(data(parameters).dataset, parameters["points"])
    results = []
    for one in combinations(parameters):
        found = trial(fit_rows(x, one["clusters"], parameters["iterations"], seed), len(x))
        results.append(programs.reference(one, found))
    return results


def _given(spec: RunSpec, trial: Any) -> dict[str, Any]:
    return {
        "data": dataclasses.asdict(data(spec.parameters)),
        "clusters": trial.parameters["clusters"],
        "iterations": spec.parameters["iterations"],
        "chunk_rows": spec.parameters["chunk_rows"],
        "seed": spec.seed,
    }


def _facts(results: Sequence[TrialResult]) -> dict[str, Any]:
    iterations = [one.extra["iterations"] for one in results]
    return {"iterations_a_fit": statistics.fmean(iterations)}
