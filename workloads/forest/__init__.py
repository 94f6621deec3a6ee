"""Random Forest tuning: every combination of a grid, scored by cross-validation.

Scores are, to the last bit, those of `GridSearchCV(RandomForestClassifier(random_state=seed,
n_jobs=1), grid, cv=StratifiedKFold(folds, shuffle=True, random_state=seed), n_jobs=1)`,
whichever engine did the work and in whichever of two forms:

- `reuse` true (the default): every tree is grown once and serves all combinations that it can
  serve exactly (docs/exact-forest.md). `builder` chooses what grows the trees. Times of a
  trial are then its even part of what was shared. The run's summary says how many
  combinations shared trees (`trials_sharing_trees`), how many trees these would have grown one
  by one (`trees_asked_for`) and how many were grown at most (`trees_grown_at_most`), what
  grew them (`builder`), and why where that was not the compiled builder (`builder_reason`).
- `reuse` false: one scikit-learn fit per combination and fold, the baseline.

Importing this does not import scikit-learn: the driver, which shares the head with the work,
never needs it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.trial import TrialResult
from workloads import checks, folds
from workloads.data import datasets, named
from workloads.data.named import data
from workloads.engines import Unit
from workloads.forest import work
from workloads.forest.exact import run_work
from workloads.forest.parameters import (
    NAME,
    PRESETS,
    combinations,
    defaults,
    validate,
)
from workloads.registry import Work, data_version, libraries
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


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the baseline: one scikit-learn fit per combination and fold."""
    own = {"reuse": False, "builder": "auto"}
    return {**parameters, **{name: own[name] for name in own if name in parameters}}


def sources() -> list[Path]:
    """Return the files that decide the scores, in either form, and those of the data."""
    here = Path(__file__).parent
    exact = here / "exact"
    shared = [*sorted(exact.glob("*.py")), *sorted((exact / "kernel").glob("*.[ch]"))]
    fits = [here / "fits.py", here / "parameters.py", here / "work.py"]
    others = [Path(str(one.__file__)) for one in (checks, folds, named)]
    return [*fits, *others, *shared, *datasets.sources()]


def prepare(home: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Put the data into a node's cache, once; return facts that all nodes must share."""
    return datasets.prepare(home, data(parameters))


def preparation(spec: RunSpec) -> Unit:
    """Return the unit that puts what the run computes on into a node's cache."""
    return run_work.preparation(spec) if _reuses(spec) else work.preparation(spec)


def warm_up(spec: RunSpec) -> Unit:
    """Return the unit that each slot does before the clock starts."""
    return run_work.warm_up(spec) if _reuses(spec) else work.warm_up(spec)


def open_work(spec: RunSpec) -> Work:
    """Return the units of the trials that the run still has to do."""
    if _reuses(spec):
        return run_work.SharedForestWork(spec)
    return work.ForestWork(spec)


def plain(parameters: Mapping[str, Any], seed: int) -> list[TrialResult]:
    """Do the same trials by scikit-learn's own GridSearchCV: the reference."""
    from workloads.forest.reference import grid_search

    return grid_search(parameters, seed)


def _reuses(spec: RunSpec) -> bool:
    return bool(spec.parameters["reuse"])
