"""What a lack of memory cost while something was computed, counted by the engines themselves.

Dask: bytes that workers wrote to disk, times that a worker paused, workers that came anew. Ray:
bytes that its object stores wrote to disk and read again. Both: processes that the kernel ended
because a node had no memory left.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from workloads.engines.slot_process import out_of_memory_kills

Counts = dict[str, float]
ANSWER_SECONDS = 60.0


@contextlib.contextmanager
def counted(look: Callable[[], Counts]) -> Iterator[Counts]:
    """Give a table that holds, after the block, by how much each count grew within it.

    A worker that ended takes its counts with it; growth is never below 0 for that.
    """
    grown: Counts = {}
    before = look()
    yield grown
    for name, value in look().items():
        grown[name] = max(0.0, value - before.get(name, 0.0))


def of_dask(client: Any) -> Counts:
    """Return the counts of a cluster of Dask so far."""
    found = client.run(_of_worker, on_error="ignore").values()
    kills = {ip: count for _, ip, count in found}
    topics = client.get_events().values()
    actions = [
        (one.get("action"), one.get("status"), "worker" in one)
        for entries in topics
        for _, one in entries
        if isinstance(one, dict)
    ]
    return {
        "spilled_bytes": float(sum(count for count, _, _ in found)),
        "worker_pauses": float(actions.count(("worker-status-change", "paused", False))),
        # Told twice, under the worker's own name and, with that name in it, to all.
        "workers_added": float(actions.count(("add-worker", None, True))),
        "memory_kills": float(sum(kills.values())),
    }


def _of_worker(dask_worker: Any) -> tuple[int, str, int]:
    """Return what one worker spilled, its node, and the kernel's count there."""
    metrics = getattr(dask_worker.data, "cumulative_metrics", {})
    spilled = metrics.get(("disk-write", "bytes"), 0)
    return int(spilled), str(dask_worker.ip), out_of_memory_kills()


def of_ray(ray: Any) -> Counts:
    """Return the counts of a cluster of Ray so far."""
    from ray._private.internal_api import node_stats
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]
    stores = [
        node_stats(  # type: ignore[no-untyped-call]
            node["NodeManagerAddress"], node["NodeManagerPort"], include_memory_info=False
        ).store_stats
        for node in nodes
    ]
    kills = [
        ray.remote(out_of_memory_kills)
        .options(
            num_cpus=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        )
        .remote()
        for node in nodes
    ]
    return {
        "spilled_bytes": float(sum(one.spilled_bytes_total for one in stores)),
        "restored_bytes": float(sum(one.restored_bytes_total for one in stores)),
        "memory_kills": float(sum(ray.get(kills, timeout=ANSWER_SECONDS))),
    }
