"""First contact with a new machine: its temporary host key gives way to one made on it.

A machine of a cloud boots with a host key that the operator made, so that the first connection
is as sure as any; but the cloud keeps that key with the machine's user data. So it is used for
one thing: to fetch the public half of a fresh key over it. That is pinned in the inventory
before the machine shows it. Until the fresh key has been seen, the machine may show either, and
afterwards nothing else.
"""

import contextlib
import dataclasses
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from contracts import inventory as inventories
from contracts.errors import RefusedError, TandemError
from contracts.files import single_writer
from contracts.inventory import Inventory, Node
from contracts.progress import Event, Tell, step, tell_nobody
from provision.connection import Connection, connect
from provision.connection_errors import ConnectionLost, LoginError, UnreachableError
from provision.links import Links
from provision.parallel import on_each
from provision.remote_program import Program, call

HOST_KEY = Program("host_key")
# From the moment that a cloud calls a machine running; a stock Ubuntu takes a quarter of it.
BOOT_SECONDS = 180.0
RELOAD_SECONDS = 30.0
STEP_SECONDS = 90.0
TRIES = 3
_PAUSE = 1.0


@dataclass(frozen=True)
class HostKeyPlace:
    """Where a node has its host key, sshd's process id, and room for environments."""

    key: str = "/etc/ssh/ssh_host_ed25519_key"
    pid_file: str = "/run/sshd.pid"
    folder: str = "/opt/tandem/env"


UBUNTU = HostKeyPlace()


def meet(
    inventory: Inventory,
    path: Path,
    tell: Tell = tell_nobody,
    *,
    place: HostKeyPlace = UBUNTU,
    boot_seconds: float = BOOT_SECONDS,
) -> Inventory:
    """Give a fresh host key to every machine that has its temporary one; pin it in `path`.

    Machines that are still booting are waited for. Without such machines nothing is touched.
    What an interrupted call left half done is finished.

    Raises
    ------
    RefusedError
        If a machine shows neither key, or another first contact is under way.
    TandemError
        If a machine does not answer in time, or cannot be given a key; the others were.
    """
    if not _new(inventory):
        return inventory
    with single_writer(path.with_name("first-contact.lock"), purpose="First contact"):
        book = _Book(inventories.load(path), path)

        # Those that others are reached through come first.
        for through in (False, True):
            names = [one.name for one in _new(book.inventory) if bool(one.jump) is through]
            _meet_all(book, names, place, tell, boot_seconds)
        return book.inventory


def _meet_all(
    book: "_Book", names: list[str], place: HostKeyPlace, tell: Tell, boot_seconds: float
) -> None:
    # One connection to a machine carries those to all that are behind it.
    with Links(book.inventory) as links:

        def one(name: str) -> None:
            with step(tell, name, "first contact"):
                _Meeting(book, name, place, tell, links).hold(boot_seconds)

        seconds = boot_seconds + RELOAD_SECONDS + 4 * STEP_SECONDS
        on_each("first contact", names, one, seconds=seconds).values()


def _new(inventory: Inventory) -> list[Node]:
    return [node for node in inventory.nodes if node.temporary_host_key is not None]


class _Book:
    """The inventory's file, changed by many threads, one host key at a time."""

    def __init__(self, inventory: Inventory, path: Path) -> None:
        self.inventory = inventory
        self._path = path
        self._lock = threading.Lock()

    def write(self, name: str, **changes: str | None) -> None:
        """Change a node, on the disk first."""
        with self._lock:
            changed = _with(self.inventory, name, **changes)
            if changed != self.inventory:
                inventories.dump(changed, self._path)
                self.inventory = changed


class _Meeting:
    """First contact with one machine."""

    def __init__(
        self, book: _Book, name: str, place: HostKeyPlace, tell: Tell, links: Links
    ) -> None:
        self._book, self._name, self._place, self._tell = book, name, place, tell
        self._links = links
        self._temporary = book.inventory.node(name).temporary_host_key or ""

    def hold(self, boot_seconds: float) -> None:
        """Go through all steps; each may be done again, so a connection may break at any."""
        for left in reversed(range(TRIES)):
            try:
                return self._hold(boot_seconds)
            except ConnectionLost as error:
                # On a machine that still boots, sshd may be started anew by others, too.
                if not left:
                    raise
                self._wait(error, time.monotonic() + 2 * _PAUSE)

    def _hold(self, boot_seconds: float) -> None:
        link, shown = self._reach(boot_seconds)
        if shown == self._temporary:
            with contextlib.closing(link):
                self._replace(link)
            link = self._again()
        with contextlib.closing(link):
            self._ask(link, "settle")
        self._book.write(self._name, temporary_host_key=None)

    def _replace(self, link: Connection) -> None:
        self._book.write(self._name, host_key=self._ask(link, "make"))
        # A connection that ends with the reload proves nothing either way; the next one does.
        self._ask(link, "use")

    def _reach(self, seconds: float) -> tuple[Connection, str]:
        """Return a connection as soon as the machine answers, and the key that it showed."""
        give_up = time.monotonic() + seconds
        pinned = self._book.inventory.node(self._name).host_key
        while True:
            try:
                try:
                    return self._connect(pinned), pinned
                except RefusedError:
                    if pinned == self._temporary:
                        raise
                return self._connect(self._temporary), self._temporary
            except (UnreachableError, LoginError, TimeoutError) as error:
                # While it boots, sshd is not there, or turns everybody away.
                self._wait(error, give_up)

    def _again(self) -> Connection:
        """Return a connection that rests on the fresh key, as soon as sshd shows it."""
        give_up = time.monotonic() + RELOAD_SECONDS
        fresh = self._book.inventory.node(self._name).host_key
        while True:
            try:
                return self._connect(fresh)
            except (RefusedError, UnreachableError) as error:
                self._wait(error, give_up)

    def _connect(self, host_key: str) -> Connection:
        pinned = _with(self._book.inventory, self._name, host_key=host_key)
        jump = pinned.node(self._name).jump
        gateway = None if jump is None else self._links[jump]
        return connect(pinned, self._name, gateway=gateway)

    def _wait(self, error: Exception, give_up: float) -> None:
        if time.monotonic() + _PAUSE > give_up:
            raise error
        words = error.problem if isinstance(error, TandemError) else str(error)
        self._tell(Event(self._name, "first contact", "running", detail=words[:60]))
        time.sleep(_PAUSE)

    def _ask(self, link: Connection, what: str) -> str:
        request = {
            "step": what,
            "temporary": self._temporary,
            **dataclasses.asdict(self._place),
        }
        return str(call(link, HOST_KEY, request, timeout=STEP_SECONDS))


def _with(inventory: Inventory, name: str, **changes: str | None) -> Inventory:
    nodes = tuple(
        dataclasses.replace(node, **changes) if node.name == name else node  # type: ignore[arg-type]
        for node in inventory.nodes
    )
    return dataclasses.replace(inventory, nodes=nodes)
