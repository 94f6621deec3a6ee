"""Ray on the nodes: what each is asked to start, and how the whole is proved."""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts import ports
from contracts.inventory import Node
from provision import credentials, engine_settings
from provision.place import Place
from provision.remote_program import Program

NAME = "ray"
START = Program("ray_start", needs=("records", "ports"), bare=False)
PROBE = Program("ray_probe", needs=("ray_wire",), bare=False)
STATE = Program("ray_state", needs=("ray_wire",), bare=False)
DASHBOARD = Program("ray_dashboard", needs=("records", "ray_wire"), bare=False)
DASHBOARD_PORT = ports.RAY_DASHBOARD.first


def address(head: Node) -> str:
    """Return what a client on a node connects to."""
    return f"{head.private_ip}:{ports.RAY_GCS.first}"


def start_request(node: Node, head: Node, place: Place) -> dict[str, Any]:
    """Return what the starter on a node is told; it defines the node's processes wholly."""
    secrets = credentials.paths(NAME, place.home)
    return {
        "home": place.home,
        "role": node.role,
        "name": node.name,
        "address": node.private_ip,
        "head": head.private_ip,
        "slots": engine_settings.slots(node),
        "gpus": node.gpus,
        "memory": engine_settings.memory(node),
        "object_store": engine_settings.object_store(node, place.shared_memory),
        "ports": engine_settings.ray_ports(),
        "environment": {**engine_settings.environment(NAME, secrets), **place.variables()},
    }


def probe_request(
    place: Place, head: Node, *, expected: Sequence[Node], strangers: Sequence[Node]
) -> dict[str, Any]:
    """Return what a prober is told: whom the head must count, whose ports must refuse it."""
    return {
        "home": place.home,
        "token": credentials.paths(NAME, place.home)["ray_token"],
        "address": address(head),
        "expected": [node.name for node in expected],
        "probe": [node.private_ip for node in strangers],
        "ports": engine_settings.ray_ports(),
    }


def state_request(place: Place, head: Node, members: Sequence[Node]) -> Mapping[str, Any]:
    """Return what the program that reports the engine's state is told."""
    return probe_request(place, head, expected=members, strangers=())
