"""K-Means on Ray: its remote functions, each with chunks of the node's own copy of the data.

Ray itself has no K-Means; Ray Data could move the rows through its object store, where they
already lie on every node.
"""

from collections.abc import Mapping
from typing import Any

from workloads.kmeans import lloyd
from workloads.kmeans.baseline import trial
from workloads.programs import Connected, on_every_ray_node, spread_on_ray


def fit(connected: Connected, **given: Any) -> list[dict[str, Any]]:
    """Fit on every node at once; what is given is as in `baseline.fit`."""
    spread = spread_on_ray(connected.client)
    return [trial(*lloyd.fit(spread, connected, **given))]


def warm_up(connected: Connected, *, data: Mapping[str, Any]) -> bool:
    """Load all that a first fit would have to load, here and in a worker for each slot."""
    on_every_ray_node(connected.client, lloyd.warm_up, connected.home, data)
    return lloyd.warm_up(connected.home, data)
