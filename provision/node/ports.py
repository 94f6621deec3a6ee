"""Waiting for another node's port."""

from __future__ import annotations

import socket

from provision.node.program import Failure, wait_until


def await_port(host: str, port: int, seconds: float, who: str) -> None:
    """Wait until a port accepts connections from this node.

    Raises
    ------
    Failure
        If it does not in time; it says what the last attempt met.
    """
    seen = ["nothing"]

    def answers() -> bool:
        try:
            socket.create_connection((host, port), 2).close()
        except OSError as error:
            seen[0] = str(error)
            return False
        return True

    if not wait_until(answers, seconds, every=0.03):
        raise late(seconds, who, f"connecting to {host}:{port} from here: {seen[0]}")


def late(seconds: float, who: str, last: str) -> Failure:
    """Return the failure of a wait for another node."""
    return Failure(
        f"Waited {seconds:.0f} s for {who}, in vain.",
        cause=f"Last state seen: {last}",
        next_step="check that the members' ports are open to each other, then try again",
        kind="deadline",
    )
