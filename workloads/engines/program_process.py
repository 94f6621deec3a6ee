"""What runs in the process of a program: connect to the engine once, then do what is asked."""

import contextlib
import functools
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from contracts.trial import canonical
from workloads.deadlines import CONNECT_SECONDS
from workloads.engines.telling import teller
from workloads.engines.unit_process import find
from workloads.profiles import submissions
from workloads.programs import Connected

ANSWER_SECONDS = 30.0


def perform(place: Mapping[str, Any], function: str, given: Mapping[str, Any]) -> Any:
    """Call a program with the client of an engine; return its value."""
    program: Callable[..., Any] = find(function)
    return program(connection(canonical(place))[0], **given)


def workers_cpu(place: Mapping[str, Any]) -> float:
    """Return the CPU seconds that the engine's workers on all nodes have spent so far."""
    return connection(canonical(place))[1]()


def submitted(place: Mapping[str, Any]) -> dict[str, tuple[int, list[str]]]:
    """Return the round and the needs of each task that the programs gave Ray."""
    return submissions.notes.tasks


@functools.lru_cache(maxsize=1)
def connection(place: str) -> tuple[Connected, Callable[[], float]]:
    """Return a client, and what tells the CPU seconds of the workers; kept between programs."""
    found = json.loads(place)
    engine, nodes = found["engine"], tuple(found["addresses"])
    client: Any = None
    spent: Callable[[], float] = _nothing
    if engine == "dask":
        from workloads.engines.dask_engine import open_client

        address, credentials = found["address"], found["credentials"]
        client = open_client(address, credentials, CONNECT_SECONDS, default=True)
        spent = functools.partial(_of_dask, client)
    elif engine == "ray":
        from workloads.engines.ray_engine import open_ray

        head = found["addresses"][nodes[0]]
        client = open_ray(found["address"], head, found["credentials"].get("ray_token"))
        spent = functools.partial(_of_ray, client)
        if found["profile"]:
            submissions.watch(client)
    slots = sum(found["slots"].values())
    where = found["home"], found["addresses"]
    return Connected(engine, client, nodes, slots, *where, tell=teller.tell), spent


def _nothing() -> float:
    return 0.0


def own_cpu() -> float:
    """Return the CPU seconds of this process, its children that ended and those that live."""
    return sum(os.times()[:4]) + _of_children(psutil.Process())


def ray_workers_cpu() -> float:
    """Return the CPU seconds of this user's workers of Ray on this node, children too."""
    total = 0.0
    for process in psutil.process_iter(["cmdline", "uids"]):
        command, uids = process.info["cmdline"], process.info["uids"]
        ours = command and command[0].startswith("ray::") and uids and uids.real == os.getuid()
        if ours:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system + _of_children(process)
    return total


def _of_children(process: psutil.Process) -> float:
    """Return the CPU seconds of a process's living children: a slot's process is one."""
    total = 0.0
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times = child.cpu_times()
            total += times.user + times.system
    return total


def _of_dask(client: Any) -> float:
    return float(sum(client.run(own_cpu).values()))


def _of_ray(ray: Any) -> float:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(ray_workers_cpu)
    asked = [
        ask.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(one["NodeID"], False)
        ).remote()
        for one in ray.nodes()
        if one["Alive"]
    ]
    return float(sum(ray.get(asked, timeout=ANSWER_SECONDS)))
