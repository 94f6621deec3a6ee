"""K nearest neighbours: each k of a list scored by cross-validation, on scikit-learn's digits.

Scores are, to the last bit, those of `GridSearchCV(KNeighborsClassifier(), ...,
cv=StratifiedKFold(folds, shuffle=True, random_state=seed))`, whichever engine did the work
and in whichever of two forms:

- `reuse` true (the default): one neighbour search at the largest k serves every k.
- `reuse` false: GridSearchCV itself, on the backend for joblib that the engine comes with.

Importing this does not import scikit-learn: the driver never needs it.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.trial import TrialResult
from workloads import checks, programs
from workloads.data import datasets, named
from workloads.data.named import data
from workloads.engines import Unit
from workloads.knn.parameters import (
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

SIZE = "rows"
QUALITY = "accuracy"
TOLERANCE = 0.0


def sources() -> list[Path]:
    """Return the files that decide the scores, and those of the data."""
    return [*files_of(__file__, checks, named, programs), *datasets.sources()]


def prepare(home: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Put the data into a node's cache, once; return facts that all nodes must share."""
    return datasets.prepare(home, data(parameters))


def preparation(spec: RunSpec) -> Unit:
    """Return the unit that puts the data into a node's cache."""
    return datasets.preparation(spec.home, data(spec.parameters))


def warm_up(spec: RunSpec) -> Unit:
    """Return the program that each run begins with before the clock starts."""
    arguments = {"data": dataclasses.asdict(data(spec.parameters))}
    return programs.program("warm-up", __name__, "warm_up", spec.engine, arguments)


def open_work(spec: RunSpec) -> Work:
    """Return one program for all trials that are left: they share its neighbour search."""
    if not spec.trials:
        return ProgramWork(spec, [])
    arguments = {
        "data": dataclasses.asdict(data(spec.parameters)),
        "folds": spec.parameters["folds"],
        "neighbours": [one.parameters["n_neighbors"] for one in spec.trials],
        "reuse": spec.parameters["reuse"],
        "seed": spec.seed,
    }
    unit = programs.program("tune", __name__, "tune", spec.engine, arguments)
    return ProgramWork(spec, [(unit, spec.trials)])


def plain(parameters: Mapping[str, Any], seed: int) -> list[TrialResult]:
    """Do the same trials by scikit-learn's own GridSearchCV, in this process: the reference."""
    from workloads.knn.neighbours import grid_search

    x, y = datasets.raw(parameters["dataset"], parameters["rows"])
    options = {"folds": parameters["folds"], "neighbours": parameters["neighbours"]}
    found = grid_search(x, y, **options, seed=seed, jobs=1)
    pairs = zip(combinations(parameters), found, strict=True)
    return [programs.reference(one, value) for one, value in pairs]
