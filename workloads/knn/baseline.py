"""KNN without an engine: scikit-learn's GridSearchCV on one machine."""

from collections.abc import Mapping, Sequence
from typing import Any

from workloads.data.datasets import Data
from workloads.knn import neighbours as shared
from workloads.programs import Connected


def tune(
    connected: Connected,
    *,
    data: Mapping[str, Any],
    folds: int,
    seed: int,
    neighbours: Sequence[int],
    reuse: bool,
) -> list[dict[str, Any]]:
    """Score each k by cross-validation; `reuse` is of no meaning here, where nothing is."""
    x, y = shared.rows_of(connected.home, Data(**data))
    connected.tell(0, 0, "in GridSearchCV")
    return shared.grid_search(
        x, y, folds=folds, seed=seed, neighbours=neighbours, jobs=connected.slots
    )


def warm_up(connected: Connected, *, data: Mapping[str, Any]) -> bool:
    """Load all that a first search would have to load."""
    return shared.warm_up(connected.home, data)
