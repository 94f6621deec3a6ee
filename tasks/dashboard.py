"""`fab cluster.dashboard`: the engine's own page, through a tunnel."""

import contextlib
import json as json_format
import time
from pathlib import Path

from invoke.context import Context

from contracts import inventory as inventories
from contracts.endpoint import Endpoint
from contracts.errors import UsageError
from contracts.files import state_folder
from contracts.inventory import Inventory
from provision import bringup, dashboard
from provision.links import Links
from tasks.progress import Progress, say
from tasks.verb import Answer, verb, whole_number

MOST_PORT = 65535


@verb(
    help={
        "port": "the port on this machine; by default the dashboard's own, or a free one",
        "seconds": "end after so many seconds instead of at Ctrl-C",
        "inventory": "a file with your own machines, in place of the state folder's",
        "json": "print one JSON object as soon as the tunnel is open",
    }
)
def show(
    context: Context,
    port: str = "",
    seconds: str = "",
    inventory: str = "",
    json: bool = False,
) -> Answer:
    """Open a tunnel to the engine's dashboard and print its address; Ctrl-C ends it.

    The dashboard is started when it is first asked for. Ray's asks for the cluster's token,
    which lies in a file of this machine; its path is printed.
    """
    local = _port(port) if port else None
    limit = float(whole_number(seconds, "--seconds")) if seconds else None
    path = Path(inventory) if inventory else state_folder() / "inventory.json"
    machines = inventories.load(path)
    endpoint = _endpoint(machines)
    with (
        Links(machines) as links,
        dashboard.tunnel(links, machines, endpoint, port=local, tell=Progress()) as address,
    ):
        if json:
            document = {"url": address, "engine": endpoint.engine}
            print(json_format.dumps(document, sort_keys=True), flush=True)
        say(f"{address}  (Ctrl-C ends the tunnel)")
        if endpoint.engine == "ray":
            token = state_folder() / "credentials" / machines.cluster_id / "ray_token"
            say(f"The page asks for the token in {token}")
        _wait(limit)
    return Answer({}, "")


def _port(text: str) -> int:
    port = whole_number(text, "--port")
    if port > MOST_PORT:
        raise UsageError(
            f"--port must be from 1 to {MOST_PORT}, not {port}.", next_step="--port 8266"
        )
    return port


def _endpoint(machines: Inventory) -> Endpoint:
    endpoint = bringup.known_endpoint(state_folder())
    if endpoint is None or endpoint.cluster_id != machines.cluster_id:
        raise UsageError(
            f"No engine was started on cluster {machines.cluster_id!r}.",
            next_step="fab cluster.start --engine ray",
        )
    return endpoint


def _wait(limit: float | None) -> None:
    """Wait for Ctrl-C, or for so many seconds."""
    give_up = time.monotonic() + limit if limit is not None else None
    with contextlib.suppress(KeyboardInterrupt):
        while give_up is None or time.monotonic() < give_up:
            time.sleep(0.2)
