"""SVC without an engine: GridSearchCV on one core, or on all cores of one machine."""

from typing import Any

from joblib.externals.loky import get_reusable_executor

from workloads.programs import Connected
from workloads.svc import search


def tune(connected: Connected, *, jobs: int, **given: Any) -> list[dict[str, Any]]:
    """Score each combination by cross-validation in `jobs` processes, -1 for all cores.

    The processes end with it: this one is ended without being asked, and they would idle on.
    """
    connected.tell(0, 0, f"in GridSearchCV of {len(given['combinations'])} combinations")
    try:
        return search.grid_search(**given, jobs=jobs)
    finally:
        if jobs != 1:
            get_reusable_executor().shutdown(wait=True)


def warm_up(connected: Connected, **given: Any) -> bool:
    """Load all that a first search would have to load."""
    return search.ready(**given)
