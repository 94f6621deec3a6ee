"""Add the dashboard's pages to the scheduler's own server, which listens on loopback only."""

from __future__ import annotations

from typing import Any

from provision.node.dask_socket import ask
from provision.node.program import Channel, Failure

LOADING_SECONDS = 60.0


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Make the dashboard ready; once is enough for the life of the scheduler."""
    try:
        ask(request["home"], "dashboard", timeout=LOADING_SECONDS)
    except (OSError, ValueError) as error:
        raise Failure(
            f"Dask's scheduler could not show its dashboard: {error}",
            next_step="fab cluster.status",
        ) from error
    return {"path": "/status"}
