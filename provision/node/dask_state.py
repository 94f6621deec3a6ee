"""What Dask's workers hold and do: results kept in memory, and tasks."""

from __future__ import annotations

from typing import Any

from provision.node.dask_socket import ask
from provision.node.program import Channel


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Return kept results and tasks of every worker, added up for each node."""
    try:
        answer = ask(request["home"])
    except OSError as error:
        return {"error": f"Dask's scheduler does not answer: {error}", "nodes": {}}
    nodes: dict[str, dict[str, int]] = {}
    for name, worker in answer["workers"].items():
        node = nodes.setdefault(name.partition("/")[0], {"store_used": 0, "tasks": 0})
        node["store_used"] += worker["managed"]
        node["tasks"] += worker["tasks"]
    return {"error": None, "nodes": nodes}
