"""KNN on Ray: one neighbour search in parts, or GridSearchCV on Ray's backend for joblib."""

from collections.abc import Mapping
from typing import Any

from workloads.data.datasets import Data
from workloads.knn import neighbours as shared
from workloads.programs import Connected, on_every_ray_node, spread_on_ray

TASKS_PER_SLOT = 2


def tune(connected: Connected, *, reuse: bool, **given: Any) -> list[dict[str, Any]]:
    """Score each k by cross-validation on every node; arguments as in `baseline.tune`."""
    if not reuse:
        return _grid_search(connected, **given)

    spread = spread_on_ray(connected.client, connected.counting("parts of the folds"))
    tasks = TASKS_PER_SLOT * connected.slots
    return shared.searched(spread, connected, tasks=tasks, **given)


def _grid_search(
    connected: Connected, *, data: Mapping[str, Any], **given: Any
) -> list[dict[str, Any]]:
    import joblib
    from ray.util.joblib import register_ray

    x, y = shared.rows_of(connected.home, Data(**data))
    connected.tell(0, 0, "in GridSearchCV on joblib")
    register_ray()  # type: ignore[no-untyped-call]
    with joblib.parallel_config("ray"):
        return shared.grid_search(x, y, **given, jobs=-1)


def warm_up(connected: Connected, *, data: Mapping[str, Any]) -> bool:
    """Load all that a first search would have to load, here and in a worker for each slot."""
    on_every_ray_node(connected.client, shared.warm_up, connected.home, data)
    return shared.warm_up(connected.home, data)
