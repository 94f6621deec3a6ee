"""A training on the nodes of an engine: one process on each, and what came of all of them.

An engine's part (on_ray.py, on_dask.py) is to call a function in the process of a slot of each
node, and to say as soon as one has ended. All else is the same on both.
"""

import contextlib
import secrets
import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from contracts.errors import TandemError
from workloads.engines import Outcome
from workloads.programs import Count
from workloads.resnet import links
from workloads.resnet.exchange import LEADER
from workloads.resnet.links import Peer

MEMBER = "workloads.resnet.member"
# A program has its own deadline, which comes before these; a hang must still end without it.
WARM_UP_SECONDS = 1800.0
LISTEN_SECONDS = 120.0
TRAIN_SECONDS = 6 * 3600.0
# What the others take to say why they ended, once one of them has.
REST_SECONDS = 10.0
# What an engine may take to notice a lost node; then the program is ended, and tried again on
# the nodes that are left (workloads/engines/program_engine.py).
NOTICE_SECONDS = 40.0
_LEFT = "left the training"


@dataclass(frozen=True)
class Place:
    """A node that trains: its name, its address in the cluster, and how many threads it has."""

    name: str
    host: str
    threads: int


class Crew(Protocol):
    """The places of a training, and what calls a function once in each."""

    @property
    def places(self) -> Sequence[Place]:
        """Each a node; their order is that of the ranks."""

    def each(
        self, function: str, arguments: Sequence[Mapping[str, Any]], seconds: float
    ) -> Iterator[tuple[int, Outcome | None]]:
        """Yield the number of a place and what its call came to, as they end.

        None is yielded from time to time while nothing has ended; each call has its own
        deadline of `seconds`.
        """


def warm_up(crew: Crew, given: Mapping[str, Any]) -> bool:
    """Load and compile on every node what the training will need."""
    count = len(crew.places)
    arguments = [{**given, "members": count, "threads": one.threads} for one in crew.places]
    _all(crew, "warm_up", arguments, WARM_UP_SECONDS)
    return True


def train(crew: Crew, given: Mapping[str, Any], count: Count | None = None) -> dict[str, Any]:
    """Train on all nodes of a crew; return what came of it, as `training.train` does.

    `count` is told how many of how many epochs are done, by the first member. Seconds are those
    of the slowest node, bytes those of all.

    Raises
    ------
    TandemError
        If a node failed or was lost, by its name.
    """
    key = secrets.token_hex(32)
    doors = [{"host": place.host, "key": key} for place in crew.places]
    ports = _all(crew, "listen", doors, LISTEN_SECONDS)
    peers = [
        Peer(place.name, place.host, int(port))
        for place, port in zip(crew.places, ports, strict=True)
    ]
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(contextlib.closing(_hold(peer, key))) for peer in peers]
        arguments = [
            {**given, "rank": rank, "peers": peers, "key": key, "threads": place.threads}
            for rank, place in enumerate(crew.places)
        ]
        epochs = Epochs(held[0], given["recipe"]["epochs"], count) if count else None
        found = _all(crew, "train", arguments, TRAIN_SECONDS, held, epochs)
    return {
        **found[0],
        **{name: max(one[name] for one in found) for name in found[0] if "seconds" in name},
        "bytes sent": sum(one["bytes sent"] for one in found),
    }


class Epochs:
    """What the first member tells of its epochs: a byte for each, on the connection held."""

    def __init__(self, link: socket.socket, total: int, count: Count) -> None:
        self._link, self._total, self._count = link, total, count
        self._done = 0

    def look(self) -> None:
        """Tell how many epochs are done, if there are more than before; waits for nothing."""
        try:
            there, _, _ = select.select([self._link], [], [], 0)
            came = len(self._link.recv(4096)) if there else 0
        except (OSError, ValueError):
            return  # the connection has ended, which is told elsewhere
        if came:
            self._done += came
            self._count(self._done, self._total)


def _hold(peer: Peer, key: str) -> socket.socket:
    """Return the connection whose end tells a member that this program is gone."""
    try:
        return links.call(peer, LEADER, bytes.fromhex(key))
    except OSError as error:
        raise TandemError(
            f"{peer.name} ({peer.host}:{peer.port}) cannot be reached from the head.",
            cause=f"{type(error).__name__}: {error}",
            next_step="open the ports of contracts/ports.py between the machines",
        ) from error


def _all(
    crew: Crew,
    function: str,
    arguments: Sequence[Mapping[str, Any]],
    seconds: float,
    held: Sequence[socket.socket] = (),
    epochs: "Epochs | None" = None,
) -> list[Any]:
    """Return the values of all places; when one fails, end the rest and raise its reason."""
    values: dict[int, Any] = {}
    failed: dict[int, Outcome] = {}
    give_up = float("inf")
    for number, outcome in crew.each(f"{MEMBER}:{function}", arguments, seconds):
        if epochs is not None:
            epochs.look()
        if outcome is not None and outcome.status == "ok":
            values[number] = outcome.value
        elif outcome is not None:
            failed[number] = outcome
            for link in held:
                links.end(link)
            give_up = min(give_up, time.monotonic() + REST_SECONDS)
        if time.monotonic() > give_up or len(values) + len(failed) == len(arguments):
            break
    if failed:
        raise _reason(crew, failed)
    return [values[number] for number in range(len(arguments))]


def _reason(crew: Crew, failed: Mapping[int, Outcome]) -> Exception:
    """Return the failure that the others follow from: one of a node's own, if there is any."""
    order = sorted(failed, key=lambda number: ("training" in failed[number].reason, number))
    first = order[0]
    name, outcome = crew.places[first].name, failed[first]
    if outcome.status == "memory":
        return MemoryError(f"{name}: {outcome.reason}")
    if _LEFT in outcome.reason or outcome.status == "killed":
        time.sleep(NOTICE_SECONDS)
    return TandemError(f"{name}: {outcome.reason}", next_step="fab cluster.logs")
