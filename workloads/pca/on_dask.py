"""PCA on Dask: a Gram matrix for each chunk of the nodes' own copies, solved in one place.

`dask_ml.decomposition.PCA` is what a user would reach for; it makes a tall and skinny QR.
"""

from collections.abc import Mapping
from typing import Any

from workloads.pca import gram
from workloads.programs import Connected, spread_on_dask

TASKS_PER_SLOT = 3


def fit(connected: Connected, **given: Any) -> list[dict[str, Any]]:
    """Fit on every node at once; what is given is as in `baseline.fit`."""
    tasks = TASKS_PER_SLOT * connected.slots
    spread = spread_on_dask(connected.client, connected.counting("Gram matrices"))
    return gram.fit(spread, connected, tasks=tasks, **given)


def warm_up(connected: Connected, *, data: Mapping[str, Any]) -> bool:
    """Load all that a first fit would have to load, here and in every worker."""
    connected.client.run(gram.warm_up, connected.home, data)
    return gram.warm_up(connected.home, data)
