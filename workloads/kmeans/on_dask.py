"""K-Means on Dask: tasks on its futures, each with chunks of the node's own copy of the data.

`dask_ml.cluster.KMeans` is what a user would reach for; bench/kmeans.py has it in the same run.
"""

from collections.abc import Mapping
from typing import Any

from workloads.kmeans import lloyd
from workloads.kmeans.baseline import trial
from workloads.programs import Connected, spread_on_dask


def fit(connected: Connected, **given: Any) -> list[dict[str, Any]]:
    """Fit on every node at once; what is given is as in `baseline.fit`."""
    spread = spread_on_dask(connected.client)
    return [trial(*lloyd.fit(spread, connected, **given))]


def warm_up(connected: Connected, *, data: Mapping[str, Any]) -> bool:
    """Load all that a first fit would have to load, here and in every worker."""
    connected.client.run(lloyd.warm_up, connected.home, data)
    return lloyd.warm_up(connected.home, data)
