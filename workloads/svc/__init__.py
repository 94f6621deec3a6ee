"""Support vector classification: a grid of kernels, gammas and C, scored by cross-validation.

Scores are those of `GridSearchCV(SVC(), grid, cv=StratifiedKFold(folds, shuffle=True,
random_state=seed))` on make_classification, whichever engine did the work and in whichever of
two forms:

- `reuse` true (the default): one kernel matrix a gamma and fold serves every C (kernels.py).
- `reuse` false: GridSearchCV itself, on the backend for joblib that the engine comes with; in
  plain on one core, or with `jobs=-1` on all.

Each trial has precision, recall and F1 too, as macro averages and of each class. Importing
this does not import scikit-learn: the driver never needs it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.trial import TrialResult
from workloads import checks, folds, programs
from workloads.engines import Unit
from workloads.programs import ProgramWork
from workloads.registry import Work, data_version, files_of, libraries
from workloads.runs import RunSpec
from workloads.svc.parameters import (
    NAME,
    PRESETS,
    combinations,
    data,
    defaults,
    plain_parameters,
    validate,
)
from workloads.svc.work import KernelWork

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
# Kernel values may differ in their last bits, so that a row on a border may be on its other
# side: one row of a fold of a thousand. None was in any test.
TOLERANCE = 2e-3


def sources() -> list[Path]:
    """Return the files that decide the scores, and those of the data."""
    return files_of(__file__, checks, folds, programs)


def prepare(home: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Make the data on a node, and see that it is what it should be; return its facts."""
    from workloads.svc import samples

    return samples.prepare(data(parameters))


def preparation(spec: RunSpec) -> Unit:
    """Return the unit that makes and checks the data on a node."""
    arguments = {"data": data(spec.parameters)}
    return Unit("data", "workloads.svc.samples:prepare", arguments)


def warm_up(spec: RunSpec) -> Unit:
    """Return what each slot, or the program, does before the clock starts."""
    arguments = _given(spec)
    if spec.parameters["reuse"]:
        return Unit("warm-up", "workloads.svc.kernels:warm_up", arguments)
    return programs.program("warm-up", __name__, "warm_up", spec.engine, arguments)


def open_work(spec: RunSpec) -> Work:
    """Return a unit for each kernel matrix, or one program for all trials that are left."""
    if spec.parameters["reuse"]:
        return KernelWork(spec)
    if not spec.trials:
        return ProgramWork(spec, [])
    arguments = {
        **_given(spec),
        "combinations": [dict(one.parameters) for one in spec.trials],
        "jobs": spec.parameters["jobs"],
    }
    unit = programs.program("tune", __name__, "tune", spec.engine, arguments)
    return ProgramWork(spec, [(unit, spec.trials)])


def plain(parameters: Mapping[str, Any], seed: int) -> list[TrialResult]:
    """Do the same trials by scikit-learn's own GridSearchCV, in this process: the reference."""
    from workloads.svc.search import grid_search

    asked = combinations(parameters)
    options = {"data": data(parameters), "folds": parameters["folds"], "seed": seed}
    found = grid_search(**options, combinations=asked, jobs=1)
    pairs = zip(asked, found, strict=True)
    return [programs.reference(one, value) for one, value in pairs]


def _given(spec: RunSpec) -> dict[str, Any]:
    return {
        "data": data(spec.parameters),
        "folds": spec.parameters["folds"],
        "seed": spec.seed,
    }
