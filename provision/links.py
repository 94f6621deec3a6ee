"""The open connections to the machines of an inventory, kept across steps and commands."""

import contextlib
import threading
from collections.abc import Sequence
from types import TracebackType

from contracts.inventory import Inventory
from contracts.progress import Tell, step, tell_nobody
from provision.connection import CONNECT_SECONDS, Connection, connect
from provision.parallel import Outcomes, on_each

_GRACE = 5.0


class Links:
    """Connections by node name, opened when first used and again after they broke.

    >>> with Links(inventory) as links:  # doctest: +SKIP
    ...     links["worker-1"].run(Command("uptime"), timeout=5)
    """

    def __init__(self, inventory: Inventory, *, timeout: float = CONNECT_SECONDS) -> None:
        self.inventory = inventory
        self._timeout = timeout
        self._open: dict[str, Connection] = {}
        self._locks = {node.name: threading.Lock() for node in inventory.nodes}

    def __getitem__(self, name: str) -> Connection:
        """Return the connection to a node; errors as `connect`."""
        with self._locks[name]:
            found = self._open.get(name)
            if found is None or not found.is_connected:
                jump = self.inventory.node(name).jump
                gateway = self[jump] if jump is not None else None
                found = connect(self.inventory, name, timeout=self._timeout, gateway=gateway)
                self._open[name] = found
            return found

    def open(self, names: Sequence[str], tell: Tell = tell_nobody) -> Outcomes[Connection]:
        """Connect to many nodes at once; every one is tried."""

        def reach(name: str) -> Connection:
            with step(tell, name, "connect"):
                return self[name]

        return on_each("connecting", names, reach, seconds=3 * self._timeout + _GRACE)

    def drop(self, name: str) -> None:
        """Close the connection to a node, if there is one."""
        found = self._open.pop(name, None)
        if found is not None:
            with contextlib.suppress(Exception):
                found.close()

    def close(self) -> None:
        """Close every connection, those through others first."""
        for name in sorted(self._open, key=lambda one: self.inventory.node(one).jump is None):
            self.drop(name)

    def __enter__(self) -> "Links":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
