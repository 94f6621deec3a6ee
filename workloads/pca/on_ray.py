"""PCA on Ray: a Gram matrix for each chunk of the nodes' own copies, solved in one place.

Ray itself has no PCA.
"""

from collections.abc import Mapping
from typing import Any

from workloads.pca import gram
from workloads.programs import Connected, on_every_ray_node, spread_on_ray

TASKS_PER_SLOT = 3


def fit(connected: Connected, **given: Any) -> list[dict[str, Any]]:
    """Fit on every node at once; what is given is as in `baseline.fit`."""
    tasks = TASKS_PER_SLOT * connected.slots
    spread = spread_on_ray(connected.client, connected.counting("Gram matrices"))
    return gram.fit(spread, connected, tasks=tasks, **given)


def warm_up(connected: Connected, *, data: Mapping[str, Any]) -> bool:
    """Load all that a first fit would have to load, here and in a worker for each slot."""
    on_every_ray_node(connected.client, gram.warm_up, connected.home, data)
    return gram.warm_up(connected.home, data)
