"""Who Dask's scheduler counts as a member, and whether strangers are refused."""

from __future__ import annotations

from typing import Any

from provision.node.dask_socket import ask
from provision.node.program import Channel, Failure, wait_until
from provision.node.tls_probe import refuses


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Wait until the members are the expected ones; then try every port as a stranger."""
    if request["expected"]:
        _members(request)
    for host, port in request["probe"]:
        if not refuses(host, port):
            raise Failure(
                f"Dask at {host}:{port} lets a client in that has no certificate.",
                cause="Anyone who reaches that port could run code here; the cluster does not "
                "count as up.",
                next_step="fab cluster.stop, then fab cluster.start",
                kind="refused",
            )
    return {"members": request["expected"], "probed": request["probe"]}


def _members(request: dict[str, Any]) -> None:
    """Wait until the scheduler knows exactly the expected workers."""
    expected = set(request["expected"])
    seen: dict[str, Any] = {}

    def settled() -> bool:
        seen.clear()
        try:
            seen.update(ask(request["home"])["workers"])
        except OSError as error:
            seen[f"({error})"] = None
        return set(seen) == expected

    if not wait_until(settled, request["seconds"]):
        listed = [", ".join(sorted(names)) or "nobody" for names in (seen, expected)]
        raise Failure(
            f"After {request['seconds']:.0f} s Dask's scheduler counts {listed[0]} as "
            f"members, not {listed[1]}.",
            kind="deadline",
            cause="A node that is missing could not register, or the head cannot reach it.",
            next_step="fab cluster.logs shows each node's own words",
        )
