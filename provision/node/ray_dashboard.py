"""Start Ray's dashboard on the head, on loopback only, and see it refuse a stranger."""

from __future__ import annotations

import importlib
import os
from typing import Any

from provision.node import ray_wire, records
from provision.node.program import Channel, Failure

NAME = "ray-dashboard"
HOST = "127.0.0.1"


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Make the dashboard ready; a dashboard that runs is left as it is."""
    home, port = request["home"], request["ports"]["dashboard"]
    record = records.load(home, NAME)
    if record is None or not records.complete(record):
        records.stop(home, NAME, grace=1.0)
        _start(request, channel)
    if not ray_wire.refuses_http(HOST, port, "/api/jobs/"):
        records.stop(home, NAME, grace=1.0)
        raise Failure(
            "Ray's dashboard lets a client in that has no token, and was ended.",
            next_step="fab cluster.stop, then fab cluster.start",
            kind="refused",
        )
    return {"path": "/"}


def _start(request: dict[str, Any], channel: Channel) -> None:
    home = request["home"]
    ray = records.load(home, "ray")
    if ray is None or not records.complete(ray):
        raise Failure("Ray does not run on this head.", next_step="fab cluster.start")
    record = records.begin(home, NAME, ray["spec"])
    channel.detach(os.path.join(home, "logs", "ray-dashboard.log"))
    os.environ.update(request["environment"])
    # The message types were loaded without Ray; from here on Ray itself is needed.
    ray_wire.forget()
    services: Any = importlib.import_module("ray._private.services")
    client = importlib.import_module("ray._raylet").GcsClient(address=request["address"])
    session = os.path.realpath(os.path.join(ray["detail"]["folder"], "session_latest"))
    logs = os.path.join(session, "logs")
    try:
        _, process = services.start_api_server(
            True,
            True,
            HOST,
            request["address"],
            client.cluster_id.hex(),
            HOST,  # its own metrics would be open to all on any other address
            ray["detail"]["folder"],
            logs,
            session,
            port=request["ports"]["dashboard"],
            fate_share=False,
            stdout_filepath=os.path.join(logs, "dashboard.out"),
            stderr_filepath=os.path.join(logs, "dashboard.err"),
        )
    except Exception as error:
        records.stop(home, NAME, grace=0.5)
        raise Failure(
            f"Ray's dashboard did not start: {error}", next_step="fab cluster.logs"
        ) from error
    records.add(record, "dashboard", process.process.pid)
    record["state"] = "ready"
    records.save(home, record)
