"""One fit over the rows of all nodes by xgboost.dask, for data that no node can hold."""

import functools
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from contracts.trial import canonical
from workloads.programs import Connected
from workloads.xgboost import boosting, doors, files, samples
from workloads.xgboost.samples import Rows

PARTS_PER_SLOT = 2


def train(
    connected: Connected,
    *,
    data: Mapping[str, Any],
    fitting: Mapping[str, Any],
    chosen: Mapping[str, float],
) -> list[dict[str, Any]]:
    """Fit on every worker at once to rows that it read of its node's own copy."""
    from xgboost import dask as distributed

    begin = time.monotonic()
    misses = _binned.cache_info().misses
    key = canonical(dict(data))
    binned = _binned(connected, key, samples.of(data), data["version"], fitting["max_bin"])
    read = time.monotonic() - begin if _binned.cache_info().misses > misses else 0.0
    found = distributed.train(
        connected.client,
        boosting.settings(fitting, chosen),
        binned,
        num_boost_round=max(fitting["rounds"]),
    )
    held_out = held_out_rows(connected.home, data)
    errors = [boosting.error_on(found["booster"], held_out, one) for one in fitting["rounds"]]
    return [boosting.outcome(errors, fitting, chosen, begin, read)]


def held_out_rows(home: str, data: Mapping[str, Any]) -> Rows:
    """Return the rows that fits are judged by, of this node's copy."""
    rows = data["rows"]
    return rows_between(home, data, samples.training_rows(rows), rows)


def rows_between(home: str, data: Mapping[str, Any], first: int, last: int) -> Rows:
    """Return some rows of this node's own copy."""
    path = files.folder_of(home, data, {"format": "numpy"}) / files.ARRAY
    return np.array(np.load(path, mmap_mode="r")[first:last])


def warm_up(connected: Connected) -> bool:
    """Load all that a first fit would have to load, here and in every worker."""
    host = connected.addresses[connected.nodes[0]]
    with doors.opened(host) as port:
        doors.check(host, connected.client.run(doors.knock, host, port).values())
    connected.client.run(boosting.warm_up)
    return boosting.warm_up()


@functools.lru_cache(maxsize=1)
def _binned(
    connected: Connected, key: str, recipe: samples.Samples, version: str, max_bin: int
) -> Any:
    """Return the binned rows, which stay in the workers for all trials."""
    import dask
    from dask import array
    from xgboost import dask as distributed

    count = samples.training_rows(recipe.rows)
    size = -(-count // (PARTS_PER_SLOT * connected.slots))
    one = dask.delayed(rows_between, pure=False)
    data = {**vars(recipe), "version": version}
    parts = [
        array.from_delayed(
            one(connected.home, data, first, min(first + size, count)),
            shape=(min(size, count - first), recipe.features + 1),
            dtype=np.float32,
        )
        for first in range(0, count, size)
    ]
    rows = array.concatenate(parts).persist()
    return distributed.DaskQuantileDMatrix(
        connected.client, rows[:, :-1], rows[:, -1], max_bin=max_bin
    )
