"""Who the head counts as a member, and whether clients without the token are refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc  # type: ignore[import-untyped]

from provision.node import ray_wire
from provision.node.program import Channel, Failure, wait_until


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Wait until the head counts the expected members; then try every port as a stranger."""
    if request["expected"]:
        with open(request["token"]) as stream:
            members(request, stream.read().strip())
    for host in request["probe"]:
        refused(host, request)
    return {"members": request["expected"], "probed": request["probe"]}


def members(request: dict[str, Any], token: str) -> None:
    """Wait until the head knows exactly the expected nodes."""
    expected = set(request["expected"])
    seen: dict[str, Any] = {}

    def settled() -> bool:
        seen.clear()
        try:
            seen.update(ray_wire.alive_nodes(request["address"], token))
        except grpc.RpcError as error:
            seen[f"({error.code().name})"] = None
        return set(seen) == expected

    if not wait_until(settled, request["seconds"], every=0.1):
        raise Failure(
            f"After {request['seconds']:.0f} s Ray's head counts {_listed(seen)} as members, "
            f"not {_listed(expected)}.",
            kind="deadline",
            cause="A node that is missing could not register, or the head cannot reach it.",
            next_step="fab cluster.logs shows each node's own words",
        )


def refused(host: str, request: dict[str, Any]) -> None:
    """Check that a node's ports refuse a client without the token."""
    ports = request["ports"]
    services = {"raylet": (ports["node_manager"], ray_wire.STATS)}
    if host == request["address"].rpartition(":")[0]:
        services["head"] = (ports["gcs"], ray_wire.NODES)
    for name, (port, method) in services.items():
        if not ray_wire.refuses(f"{host}:{port}", method):
            raise _open_door(f"Ray's {name} at {host}:{port}")
    for name, (port, path) in {
        "runtime environments": (ports["runtime_env"], "/get_or_create_runtime_env"),
        "jobs": (ports["agent_http"], "/api/job_agent/jobs/"),
    }.items():
        if not ray_wire.refuses_http(host, port, path):
            raise _open_door(f"Ray's service of {name} at {host}:{port}")


def _open_door(what: str) -> Failure:
    return Failure(
        f"{what} lets a client in that has no token.",
        cause="Anyone who reaches that port could run code here; the cluster does not count "
        "as up.",
        next_step="fab cluster.stop, then fab cluster.start",
        kind="refused",
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nobody"
