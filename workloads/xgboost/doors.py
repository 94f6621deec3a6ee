"""Whether nodes reach each other on any port, as XGBoost's collective needs.

Its workers listen on ports of the system's choice, and ask nobody for a key. A cluster that
keeps to contracts/ports.py, as those on EC2 and OpenStack do, has none of these open; a fit
over several nodes would wait there until its deadline.
"""

import contextlib
import socket
from collections.abc import Iterable, Iterator

from contracts.errors import TandemError

KNOCK_SECONDS = 5.0


@contextlib.contextmanager
def opened(host: str) -> Iterator[int]:
    """Listen on any port of this machine for the length of the block; give the port."""
    with socket.create_server((host, 0)) as door:
        yield int(door.getsockname()[1])


def knock(host: str, port: int) -> str:
    """Return why a port cannot be reached from here; empty if it can."""
    try:
        socket.create_connection((host, port), KNOCK_SECONDS).close()
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def check(host: str, found: Iterable[str]) -> None:
    """Refuse a fit over several nodes where one of them could not reach the others.

    Raises
    ------
    TandemError
        With the first reason.
    """
    reasons = [one for one in found if one]
    if reasons:
        raise TandemError(
            f"A fit over several nodes is not possible here: no port of {host} but those of "
            "contracts/ports.py can be reached from another node.",
            cause=reasons[0],
            next_step="--set form=trials fits on one node, many at once; or open all ports "
            "between the machines, on a network of their own",
        )
