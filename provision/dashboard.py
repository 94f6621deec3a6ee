"""The engine's dashboard, made ready on the head and reached through a tunnel."""

import contextlib
import socket
from collections.abc import Iterator

from contracts.endpoint import Endpoint
from contracts.errors import TandemError, UsageError
from contracts.inventory import Inventory
from contracts.progress import Tell, step, tell_nobody
from provision import remote_run
from provision.bringup_context import ENGINES
from provision.links import Links
from provision.place import Place
from provision.remote_program import call

READY_SECONDS = 120.0


@contextlib.contextmanager
def tunnel(
    links: Links,
    inventory: Inventory,
    endpoint: Endpoint,
    *,
    port: int | None = None,
    tell: Tell = tell_nobody,
) -> Iterator[str]:
    """Open the way to the dashboard for the block; gives its address on this machine.

    The dashboard starts when it is first asked for, so that it costs runs nothing.

    Parameters
    ----------
    port : int, optional
        The port on this machine; by default the dashboard's own, or a free one.
    """
    module = ENGINES[endpoint.engine]
    head = endpoint.nodes[0]
    place = Place(endpoint.home, endpoint.environment, endpoint.code)
    members = [inventory.node(name) for name in endpoint.nodes]
    request = {
        **module.state_request(place, members[0], members),
        "environment": remote_run.driver_environment(endpoint),
    }
    with step(tell, head, "dashboard"):
        answer = call(
            links[head],
            module.DASHBOARD,
            request,
            timeout=READY_SECONDS,
            python=place.python,
        )
    local = _local_port(port, endpoint.dashboard_port)
    with links[head].forward(local, endpoint.dashboard_port):
        yield f"http://127.0.0.1:{local}{answer['path']}"


def _local_port(asked: int | None, preferred: int) -> int:
    for candidate in (asked,) if asked is not None else (preferred, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", candidate))
            return int(probe.getsockname()[1])
    if asked is not None:
        raise UsageError(
            f"--port {asked} is in use on this machine.", next_step="name another --port"
        )
    raise TandemError("There is no free port on this machine.")
