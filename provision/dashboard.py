"""The engine's dashboard, made ready on the head and reached through a tunnel."""

import contextlib
import errno
from collections.abc import Iterator

from contracts.endpoint import Endpoint
from contracts.errors import UsageError
from contracts.inventory import Inventory
from contracts.progress import Tell, step, tell_nobody
from provision import remote_run
from provision.bringup_context import ENGINES
from provision.connection import Connection
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
    with contextlib.ExitStack() as stack:
        local = _open(stack, links[head], port, endpoint.dashboard_port)
        yield f"http://127.0.0.1:{local}{answer['path']}"


def _open(stack: contextlib.ExitStack, link: Connection, asked: int | None, remote: int) -> int:
    """Open the tunnel at the port that was asked for, else at the dashboard's or a free one."""
    for candidate in (asked,) if asked is not None else (remote, 0):
        try:
            return stack.enter_context(link.forward(candidate, remote))
        except OSError as error:
            failure = error
    if asked is None:
        raise failure
    reason = {errno.EADDRINUSE: "is in use", errno.EACCES: "is for root alone"}
    raise UsageError(
        f"--port {asked} {reason.get(failure.errno or 0, 'cannot be opened')} on this machine.",
        cause=str(failure),
        next_step="the same command with another --port, or with none for a free one",
    ) from failure
