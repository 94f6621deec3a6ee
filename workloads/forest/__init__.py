"""Random Forest tuning: every combination of a grid, scored by cross-validation.

One scikit-learn fit per combination and fold. Scores are, to the last bit, those of
`GridSearchCV(RandomForestClassifier(random_state=seed, n_jobs=1), grid, cv=StratifiedKFold(
folds, shuffle=True, random_state=seed), n_jobs=1)`, whichever engine did the fits.

Importing this does not import scikit-learn: the driver, which shares the head with the work,
never needs it.
"""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from contracts.trial import TrialResult
from workloads import datasets, synthetic_covtype
from workloads.forest.parameters import (
    NAME,
    PRESETS,
    combinations,
    data,
    data_version,
    defaults,
    validate,
)
from workloads.forest.work import open_work, preparation, warm_up

__all__ = [
    "NAME",
    "PRESETS",
    "combinations",
    "data_version",
    "defaults",
    "libraries",
    "open_work",
    "plain",
    "preparation",
    "prepare",
    "sources",
    "validate",
    "warm_up",
]


def sources() -> list[Path]:
    """Return the files that decide the scores: the fits and the data they are made on."""
    fits = Path(__file__).with_name("fits.py")
    return [fits, Path(datasets.__file__), Path(synthetic_covtype.__file__)]


def libraries() -> dict[str, str]:
    """Return the versions of the libraries that decide the scores."""
    return {name: metadata.version(name) for name in ("scikit-learn", "numpy")}


def prepare(home: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Put the data into a node's cache, once; return facts that all nodes must share."""
    return datasets.prepare(home, data(parameters))


def plain(parameters: Mapping[str, Any], seed: int) -> list[TrialResult]:
    """Do the same trials by scikit-learn's own GridSearchCV: the reference."""
    from workloads.forest.reference import grid_search

    return grid_search(parameters, seed)
