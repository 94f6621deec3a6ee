"""PCA of generated blobs, or of any data: the variances along the principal axes.

The baseline is scikit-learn's PCA. On Ray and on Dask the rows stay where they are, as a copy
on every node; Gram matrices of chunks travel (gram.py). A score is the variance along an axis
as a part of the whole, one for each component; forms agree in it to within TOLERANCE of its
size, and the engines with one another to the last bit.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.trial import TrialResult
from workloads import checks, programs
from workloads.data import bucket_rows, chunks, datasets, points, reading
from workloads.data.points import data
from workloads.engines import Unit
from workloads.pca.parameters import (
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
    "sources",
    "validate",
    "warm_up",
]

SIZE = "points"
QUALITY = "variance along each principal axis, as a part of the whole"
RANKED = False
# Products of single precision are added up in another order than scikit-learn's.
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
    """Return one program for each number of components."""
    found = [
        (programs.program(one.trial_id, __name__, "fit", spec.engine, _given(spec, one)), [one])
        for one in spec.trials
    ]
    return ProgramWork(spec, found, _facts)


def plain(parameters: Mapping[str, Any], seed: int) -> list[TrialResult]:
    """Do the same fits by scikit-learn, in this process: the reference."""
    from workloads.pca import gram
    from workloads.pca.baseline import fit_rows

    x, _ = datasets.raw(data(parameters).dataset, parameters["points"])
    results = []
    for one in combinations(parameters):
        found = gram.trial(fit_rows(x, one["components"]))
        results.append(programs.reference(one, found))
    return results


def _given(spec: RunSpec, trial: Any) -> dict[str, Any]:
    return {
        "data": dataclasses.asdict(data(spec.parameters)),
        "components": trial.parameters["components"],
        "chunk_rows": spec.parameters["chunk_rows"],
    }


def _facts(results: Sequence[TrialResult]) -> dict[str, Any]:
    return {"most_explained": max(one.extra["explained"] for one in results)}
