"""GridSearchCV over SVC on Ray's backend for joblib, as Ray's users are told to."""

from typing import Any

from workloads.programs import Connected, on_every_ray_node
from workloads.svc import search


def tune(connected: Connected, *, jobs: int, **given: Any) -> list[dict[str, Any]]:
    """Score each combination on all nodes; `jobs` is of the baseline alone."""
    import joblib
    from ray.util.joblib import register_ray

    register_ray()  # type: ignore[no-untyped-call]
    connected.tell(0, 0, f"in GridSearchCV of {len(given['combinations'])} combinations")
    with joblib.parallel_config("ray"):
        return search.grid_search(**given, jobs=-1)


def warm_up(connected: Connected, *, data: Any, folds: int, seed: int) -> bool:
    """Load all that a first search would have to load, here and in a worker for each slot."""
    on_every_ray_node(connected.client, search.ready, data, folds, seed)
    return search.ready(data, folds, seed)
