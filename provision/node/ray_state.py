"""What Ray's nodes hold and do: object store and running tasks, asked of each raylet."""

from __future__ import annotations

from typing import Any

import grpc  # type: ignore[import-untyped]

from provision.node import ray_wire
from provision.node.program import Channel

ASK_SECONDS = 3.0


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Return object store and running tasks of every node that the head counts as alive."""
    with open(request["token"]) as stream:
        token = stream.read().strip()
    port = request["ports"]["node_manager"]
    try:
        alive = ray_wire.alive_nodes(request["address"], token, ASK_SECONDS)
    except grpc.RpcError as error:
        return {"error": f"Ray's head does not answer: {error.code().name}", "nodes": {}}
    nodes = {
        name: _node(f"{one['address']}:{port}", token, one["resources"])
        for name, one in alive.items()
    }
    return {"error": None, "nodes": nodes}


def _node(address: str, token: str, resources: dict[str, float]) -> dict[str, Any]:
    total = int(resources.get("object_store_memory", 0))
    reply = ray_wire.messages("node_manager_pb2").GetNodeStatsReply
    try:
        answer = ray_wire.ask(
            address, ray_wire.STATS, token=token, reply=reply, timeout=ASK_SECONDS
        )
    except grpc.RpcError as error:
        return {"store_total": total, "error": f"its raylet: {error.code().name}"}
    return {
        "store_used": answer.store_stats.object_store_bytes_used,
        "store_total": total,
        "tasks": sum(one.num_running_tasks for one in answer.core_workers_stats),
    }
