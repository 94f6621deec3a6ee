"""Dask on the nodes: what each is asked to start, and how the whole is proved."""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts import ports
from contracts.inventory import Node
from provision import credentials, engine_settings
from provision.place import Place
from provision.remote_program import Program

NAME = "dask"
START = Program(
    "dask_start", needs=("records", "ports", "tls_probe", "dask_socket"), bare=False
)
PROBE = Program("dask_probe", needs=("tls_probe", "dask_socket"), bare=True)
STATE = Program("dask_state", needs=("dask_socket",), bare=True)
DASHBOARD = Program("dask_dashboard", needs=("dask_socket",), bare=True)
DASHBOARD_PORT = ports.DASK_DASHBOARD.first


def address(head: Node) -> str:
    """Return what a client on a node connects to."""
    return f"tls://{head.private_ip}:{ports.DASK_SCHEDULER.first}"


def start_request(node: Node, head: Node, place: Place) -> dict[str, Any]:
    """Return what the starter on a node is told; it defines the node's processes wholly."""
    secrets = credentials.paths(NAME, place.home)
    first = ports.DASK_WORKERS.first
    names = worker_names(node)
    return {
        "home": place.home,
        "role": node.role,
        "address": node.private_ip,
        "head": head.private_ip,
        "workers": [{"name": name, "port": first + index} for index, name in enumerate(names)],
        "memory": engine_settings.memory(node) // len(names),
        "death_timeout": engine_settings.DASK_DEATH_SECONDS,
        "ports": engine_settings.dask_ports(),
        "credentials": dict(secrets),
        "environment": {**engine_settings.environment(NAME, secrets), **place.variables()},
    }


def probe_request(
    place: Place, head: Node, *, expected: Sequence[Node], strangers: Sequence[Node]
) -> dict[str, Any]:
    """Return what a prober is told: whom the head must count, whose ports must refuse it."""
    doors = [
        (node.private_ip, ports.DASK_WORKERS.first + index)
        for node in strangers
        for index in range(engine_settings.slots(node))
    ]
    if any(node.role == "head" for node in strangers):
        doors.append((head.private_ip, ports.DASK_SCHEDULER.first))
    return {
        "home": place.home,
        "expected": [name for node in expected for name in worker_names(node)],
        "probe": doors,
    }


def state_request(place: Place, head: Node, members: Sequence[Node]) -> Mapping[str, Any]:
    """Return what the program that reports the engine's state is told."""
    return probe_request(place, head, expected=members, strangers=())


def worker_names(node: Node) -> list[str]:
    """Return the names of a node's Dask workers, one for each slot."""
    count = engine_settings.slots(node)
    return [node.name, *(f"{node.name}/{index}" for index in range(1, count))]
