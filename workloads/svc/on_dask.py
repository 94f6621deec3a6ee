"""GridSearchCV over SVC on Dask's backend for joblib, as scikit-learn's users are told to."""

from typing import Any

from workloads.programs import Connected
from workloads.svc import search


def tune(connected: Connected, *, jobs: int, **given: Any) -> list[dict[str, Any]]:
    """Score each combination on all workers; `jobs` is of the baseline alone."""
    import joblib

    connected.tell(0, 0, f"in GridSearchCV of {len(given['combinations'])} combinations")
    with joblib.parallel_config("dask", client=connected.client):
        return search.grid_search(**given, jobs=-1)


def warm_up(connected: Connected, **given: Any) -> bool:
    """Load all that a first search would have to load, here and in every worker."""
    connected.client.run(search.ready, **given)
    return search.ready(**given)
