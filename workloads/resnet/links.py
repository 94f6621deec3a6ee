"""Connections between the members of a training: on the cluster's address, to who has the key.

A member listens on a port that only members of the cluster may reach (contracts/ports.py). Both
ends of a connection show that they know the training's key before anything else is said.

A peer that is gone is noticed: by the end of its connection, or, where its machine is dead and
says nothing, because the system's own probes stay unanswered for SILENT_SECONDS.
"""

import contextlib
import hashlib
import hmac
import secrets
import socket
import struct
import threading
from typing import Any, NamedTuple

from contracts.errors import TandemError
from contracts.ports import TRAINING

CONNECT_SECONDS = 60.0
SILENT_SECONDS = 20
STALLED_SECONDS = 3600.0  # longer than any step: a trial's own deadline comes first

_PROBE_SECONDS = 5
_NONCE = 32
_RANK = struct.Struct("!i")


class Peer(NamedTuple):
    """A member of a training: its name, and where it listens."""

    name: str
    host: str
    port: int


class Door:
    """Listens on a host's address and keeps the connections of those who know the key."""

    def __init__(self, host: str, key: bytes) -> None:
        self._socket = listen(host)
        self._key = key
        self._links: dict[int, socket.socket] = {}
        self._came = threading.Condition()
        threading.Thread(target=self._answer, daemon=True).start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.getsockname()[1])

    def link(self, rank: int, seconds: float = CONNECT_SECONDS) -> socket.socket:
        """Return the connection of a rank, waiting for it; raise TimeoutError if none came."""
        with self._came:
            if not self._came.wait_for(lambda: rank in self._links, seconds):
                raise TimeoutError(f"it did not call within {seconds:.0f} s")
            return self._links.pop(rank)

    def close(self) -> None:
        """Stop to listen, and end the connections that nobody asked for."""
        end(self._socket)
        with self._came:
            for link in self._links.values():
                end(link)
            self._links.clear()

    def _answer(self) -> None:
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._admit, args=[link], daemon=True).start()

    def _admit(self, link: socket.socket) -> None:
        try:
            _watched(link)
            nonce = secrets.token_bytes(_NONCE)
            link.sendall(nonce)
            (rank,) = _RANK.unpack(_taken(link, _RANK.size))
            theirs, proof = _taken(link, _NONCE), _taken(link, _NONCE)
            if not hmac.compare_digest(proof, _proof(self._key, b"caller", nonce, rank)):
                raise ConnectionRefusedError("who calls does not know the training's key")
            link.sendall(_proof(self._key, b"door", theirs, rank))
        except OSError:
            link.close()
            return
        link.settimeout(STALLED_SECONDS)
        with self._came:
            self._links[rank] = link
            self._came.notify_all()


def listen(host: str) -> socket.socket:
    """Return a socket that listens on a host's address, on a port for members.

    Raises
    ------
    TandemError
        If it cannot listen there, or every port is taken.
    """
    cause = ""
    for port in range(TRAINING.first, TRAINING.last + 1):
        try:
            return socket.create_server((host, port), backlog=64)
        except OSError as error:
            cause = str(error)
    raise TandemError(
        f"No port from {TRAINING.first} to {TRAINING.last} of {host} is free for a training.",
        cause=cause,
        next_step="fab cluster.status; another training may be at work there",
    )


def call(peer: Peer, rank: int, key: bytes) -> socket.socket:
    """Return a connection to a peer's door; raises OSError where there is none to be had."""
    link = socket.create_connection((peer.host, peer.port), timeout=CONNECT_SECONDS)
    try:
        _watched(link)
        nonce = secrets.token_bytes(_NONCE)
        theirs = _taken(link, _NONCE)
        link.sendall(_RANK.pack(rank) + nonce + _proof(key, b"caller", theirs, rank))
        if not hmac.compare_digest(_taken(link, _NONCE), _proof(key, b"door", nonce, rank)):
            raise ConnectionRefusedError("who listens there does not know the training's key")
    except BaseException:
        link.close()
        raise
    link.settimeout(STALLED_SECONDS)
    return link


def receive(link: socket.socket, target: memoryview) -> None:
    """Fill a buffer of bytes; raises OSError where the other end is gone."""
    done = 0
    while done < len(target):
        count = link.recv_into(target[done:])
        if not count:
            raise ConnectionResetError("it ended the connection")
        done += count


def end(link: socket.socket) -> None:
    """End a connection, also for a thread that waits on it."""
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
    link.close()


def _taken(link: socket.socket, count: int) -> bytes:
    found = bytearray(count)
    receive(link, memoryview(found))
    return bytes(found)


def _proof(key: bytes, side: bytes, nonce: bytes, rank: int) -> bytes:
    return hmac.new(key, side + nonce + _RANK.pack(rank), hashlib.sha256).digest()


def _watched(link: Any) -> None:
    """Have the system end a connection whose other end says nothing any more."""
    link.settimeout(CONNECT_SECONDS)
    probes = SILENT_SECONDS // _PROBE_SECONDS - 1
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_NODELAY, 1),
        (socket.TCP_KEEPIDLE, _PROBE_SECONDS),
        (socket.TCP_KEEPINTVL, _PROBE_SECONDS),
        (socket.TCP_KEEPCNT, probes),
        (socket.TCP_USER_TIMEOUT, SILENT_SECONDS * 1000),
    ):
        link.setsockopt(socket.IPPROTO_TCP, option, value)
