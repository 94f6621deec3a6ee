"""How the engines are set so that work survives, the same on nodes and in the driver.

What each value was paid for stands beside it.
"""

import math
from collections.abc import Mapping

from contracts import ports
from contracts.environment import RAY_CLIENT
from contracts.inventory import Node

THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
RAY = {
    **RAY_CLIENT,
    "RAY_health_check_initial_delay_ms": "5000",
    "RAY_health_check_period_ms": "3000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
    # Metrics would be served to anyone; the monitor of this project has what is needed.
    "RAY_enable_metrics_collection": "false",
    # It would end the newest worker when the machine runs short, whoever fills it; a unit has
    # a process of its own here, and what that costs is told with the unit.
    "RAY_memory_monitor_refresh_ms": "0",
}
DASK_DEATH_SECONDS = 60
DASK = {
    "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "15s",
    # Below 11 s workers die of "Timeout too low".
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "15s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "15s",
    # It would keep scattered data on one worker only, and a paused one takes it along.
    "DASK_DISTRIBUTED__SCHEDULER__ACTIVE_MEMORY_MANAGER__START": "false",
    # Idle processes that look at themselves fifty times a second take a tenth of a machine
    # of 0.3 CPU from the work.
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "false",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "2s",
}
RAY_STORE_SHARE = 0.1
RAY_STORE_LEAST = 80 * 1024 * 1024
MEMORY_SHARE = 0.6


def environment(engine: str, credentials: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of every process of an engine."""
    if engine == "ray":
        return {**THREADS, **RAY, "RAY_AUTH_TOKEN_PATH": credentials["ray_token"]}
    if engine == "dask":
        return {**THREADS, **DASK}
    return dict(THREADS)


def slots(node: Node) -> int:
    """Return how many units a node works on at once."""
    return max(1, math.floor(node.cpus))


def memory(node: Node) -> int:
    """Return the bytes of a node's memory that an engine may count on for work."""
    return int(node.memory_bytes * MEMORY_SHARE)


def object_store(node: Node, shared_memory: int) -> int:
    """Return the bytes of Ray's object store, which lies in the node's shared memory."""
    wanted = max(RAY_STORE_LEAST, int(node.memory_bytes * RAY_STORE_SHARE))
    return min(wanted, int(shared_memory * 0.9))


def ray_ports() -> dict[str, int | tuple[int, int]]:
    """Return Ray's ports by the names that the starter on the nodes knows."""
    return {
        "gcs": ports.RAY_GCS.first,
        "node_manager": ports.RAY_NODE_MANAGER.first,
        "object_manager": ports.RAY_OBJECT_MANAGER.first,
        "runtime_env": ports.RAY_RUNTIME_ENV.first,
        "agent_grpc": ports.RAY_AGENT_GRPC.first,
        "metrics": ports.RAY_METRICS.first,
        "agent_http": ports.RAY_AGENT_HTTP.first,
        "workers": (ports.RAY_WORKERS.first, ports.RAY_WORKERS.last),
        "dashboard": ports.RAY_DASHBOARD.first,
    }


def dask_ports() -> dict[str, int]:
    """Return Dask's ports by the names that the starter on the nodes knows."""
    return {
        "scheduler": ports.DASK_SCHEDULER.first,
        "dashboard": ports.DASK_DASHBOARD.first,
        "workers": ports.DASK_WORKERS.first,
    }


def listeners(engine: str, *, head: bool, slot_count: int) -> frozenset[int]:
    """Return the fixed ports that an engine will listen on at a node."""
    if engine == "dask":
        first = ports.DASK_WORKERS.first
        workers = set(range(first, first + slot_count))
        own = {ports.DASK_SCHEDULER.first, ports.DASK_DASHBOARD.first} if head else set()
        return frozenset(workers | own)
    shared = {
        ports.RAY_NODE_MANAGER.first,
        ports.RAY_OBJECT_MANAGER.first,
        ports.RAY_RUNTIME_ENV.first,
        ports.RAY_AGENT_GRPC.first,
        ports.RAY_AGENT_HTTP.first,
    }
    own = {ports.RAY_GCS.first} if head else set()
    return frozenset(shared | own)
