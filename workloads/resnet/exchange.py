"""Adding up vectors of all members over connections of their own, each to each.

A vector is cut into as many pieces as there are members. Each member gets its piece from all
others, adds them up in the order of their ranks, and sends the sum to all others: everyone has
the same sum to the last bit, and has sent 2 (n - 1) / n of a vector. A ring sends as much in
2 (n - 1) turns in place of two, and in each turn waits for whoever is late.
"""

import itertools
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TandemError
from workloads.resnet.links import Door, Peer, call, end, receive

LEADER = -1  # the rank of the program, which adds nothing up

Array = NDArray[Any]


class PeerLost(TandemError):
    """Another member of the training is gone, or the program that began it."""


class Adding(Protocol):
    """What adds up vectors of all members; `sent` counts bytes, `seconds` those spent in it."""

    rank: int
    members: int
    sent: int
    seconds: float

    def add(self, mine: Array) -> Array:
        """Return the sum of all members' vectors; each gets the same."""

    def meet(self) -> None:
        """Wait until all members are here, so that no clock has another's start in it."""


class Alone:
    """The only member: its vector is the sum."""

    rank, members, sent, seconds = 0, 1, 0, 0.0

    def add(self, mine: Array) -> Array:
        """Return the vector as it is."""
        return mine

    def meet(self) -> None:
        """Do nothing."""


class Together:
    """One of the members, connected to all others.

    It ends when the program that began the training does: that holds a connection open for
    as long as it lives, as LEADER, to the `door` of each member.

    Parameters
    ----------
    door : Door
        What this member listens on; the caller's to close.
    peers : sequence of Peer
        All members by rank, this one too.
    key : bytes
        The training's secret.
    """

    def __init__(self, door: Door, rank: int, peers: Sequence[Peer], key: bytes) -> None:
        self.rank, self.members = rank, len(peers)
        self.sent, self.seconds = 0, 0.0
        self._peers = peers
        self._links: dict[int, socket.socket] = {}
        self._senders = ThreadPoolExecutor(max(1, len(peers) - 1))
        self._over = ""
        try:
            self._connect(door, key)
        except BaseException:
            self.close()
            raise

    def add(self, mine: Array) -> Array:
        """Return the sum of all members' vectors; pieces are added up in single precision.

        Raises
        ------
        PeerLost
            If a member is gone, by its name.
        """
        self._check()
        if self.members == 1:
            return mine
        begin = time.monotonic()
        cuts = [len(mine) * rank // self.members for rank in range(self.members + 1)]
        pieces = [slice(*ends) for ends in itertools.pairwise(cuts)]
        own = pieces[self.rank]
        got = {rank: np.empty(own.stop - own.start, mine.dtype) for rank in self._links}
        self._swap({rank: mine[pieces[rank]] for rank in self._links}, got)
        got[self.rank] = mine[own]
        total = np.zeros(own.stop - own.start, np.float32)
        for rank in range(self.members):
            total += got[rank].astype(np.float32, copy=False)
        result = np.empty_like(mine)
        result[own] = total
        self._swap(
            dict.fromkeys(self._links, result[own]),
            {rank: result[pieces[rank]] for rank in self._links},
        )
        self.seconds += time.monotonic() - begin
        return result

    def meet(self) -> None:
        """Wait until all members are here, so that no clock has another's start in it."""
        self.add(np.zeros(self.members, np.float32))
        self.seconds = 0.0

    def close(self) -> None:
        """End all connections; an `add` under way in another thread ends with PeerLost."""
        for link in list(self._links.values()):
            end(link)
        self._senders.shutdown(wait=False)

    def watch(self, leader: socket.socket) -> None:
        """End when the program that began this does; a thread of its own looks for it."""

        def look() -> None:
            try:
                receive(leader, memoryview(bytearray(1)))
            except OSError:
                self._over = "the program that began it has ended"
                self.close()

        leader.settimeout(None)
        threading.Thread(target=look, daemon=True).start()

    def _check(self) -> None:
        if self._over:
            raise PeerLost("The training is over.", cause=self._over)

    def _swap(self, out: Mapping[int, Array], into: Mapping[int, Array]) -> None:
        """Send to every member and receive from every member at once."""
        sending = {}
        for rank, piece in out.items():
            try:
                sending[rank] = self._senders.submit(self._links[rank].sendall, _bytes(piece))
            except RuntimeError as error:  # closed meanwhile
                raise self._lost(rank, error) from error
        for rank, target in into.items():
            try:
                receive(self._links[rank], _bytes(target))
                sending[rank].result()
            except OSError as error:
                raise self._lost(rank, error) from error
            self.sent += out[rank].nbytes

    def _connect(self, door: Door, key: bytes) -> None:
        """Call those of lower rank, and wait to be called by those of higher rank."""
        for rank, peer in enumerate(self._peers):
            if rank == self.rank:
                continue
            try:
                self._links[rank] = (
                    call(peer, self.rank, key) if rank < self.rank else door.link(rank)
                )
            except OSError as error:
                raise self._lost(rank, error) from error

    def _lost(self, rank: int, error: Exception) -> PeerLost:
        self._check()
        peer, own = self._peers[rank], self._peers[self.rank]
        return PeerLost(
            f"{peer.name} ({peer.host}) left the training.",
            cause=f"{own.name} lost its connection to it: {type(error).__name__}: {error}",
            next_step="fab cluster.status",
        )


def _bytes(vector: Array) -> memoryview:
    return vector.view(np.uint8).data
