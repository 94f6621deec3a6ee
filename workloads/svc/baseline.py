"""SVC without an engine: GridSearchCV on one core, or on all cores of one machine."""

from typing import Any

from workloads.programs import Connected
from workloads.svc import search


def tune(connected: Connected, *, jobs: int, **given: Any) -> list[dict[str, Any]]:
    """Score each combination by cross-validation in `jobs` processes, -1 for all cores."""
    return search.grid_search(**given, jobs=jobs)


def warm_up(connected: Connected, **given: Any) -> bool:
    """Load all that a first search would have to load."""
    return search.ready(**given)
