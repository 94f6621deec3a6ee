"""One server of the test bed as a container: made, wired to its network, asked, removed."""

import contextlib
import threading
from collections.abc import Mapping
from typing import Any

import docker.errors

from tests.doubles.machines import bridges, container, namespace
from tests.doubles.machines.container import Birth, Shape
from tests.doubles.machines.relay import Carried, Relay
from tests.doubles.openstack.machine_labels import LABEL, SERVER
from tests.doubles.openstack.neutron_view import NOTHING, PortView
from tests.doubles.openstack.places import BAKED, HOST, Bed

# What machines speak to: they find it where everybody does, at its address on loopback.
_SERVICES = ("identity", "compute", "object-store")
_STOP_SECONDS = 5


class Machine:
    """The container of one server; `record` is what the driver of nova noted of it."""

    def __init__(self, bed: Bed, client: Any, relay: Relay, record: dict[str, Any]) -> None:
        self.record = record
        self._bed, self._client, self._relay = bed, client, relay
        self._lock = threading.Lock()
        self._container: Any = None
        self._bridge = ""
        self._pid = 0
        self._filter = ""
        self._floating: str | None = None
        self._carried: list[Carried] = []

    def start(self, network: Any, views: Mapping[str, PortView]) -> None:
        """Make it if there is no container, start it if it does not run, and wire it."""
        with self._lock:
            self._bridge = network.attrs["Options"][bridges.NAME]
            if self._container is None:
                self._container = self._make(network)
            elif not self._runs():
                self._unwire()
                self._container.start()
            if not self._pid:
                self._wire(views)

    def stop(self) -> None:
        """Stop it, if it runs; its disk stays."""
        with self._lock:
            self._unwire()
            if self._container is not None:
                self._container.stop(timeout=_STOP_SECONDS)

    def remove(self) -> None:
        """Remove it with its disk."""
        with self._lock:
            self._unwire()
            if self._container is not None:
                with contextlib.suppress(docker.errors.NotFound):
                    self._container.remove(force=True, v=True)

    def running(self) -> bool:
        """Say whether it runs; one that ended from within is unwired."""
        with self._lock:
            runs = self._container is not None and self._runs()
            if not runs:
                self._unwire()
            return runs

    def console(self) -> str:
        """Return what it wrote since it was made."""
        return (
            "" if self._container is None else self._container.logs().decode(errors="replace")
        )

    def let_go(self, views: Mapping[str, PortView]) -> None:
        """Give up a floating address that is not its own any more."""
        with self._lock:
            if self._pid and self._floating not in (None, self._view(views).floating):
                self._give_up_floating()

    def follow(self, views: Mapping[str, PortView]) -> None:
        """Bring packet filter and floating address to what neutron says."""
        with self._lock:
            if self._pid:
                self._follow(self._view(views))

    def _view(self, views: Mapping[str, PortView]) -> PortView:
        return views.get(self.record["port"], NOTHING)

    def _make(self, network: Any) -> Any:
        record = self.record
        shape = Shape(
            name=f"tandem-test-openstack-{record['id']}",
            hostname=record["hostname"],
            labels={LABEL: str(self._bed.root), SERVER: record["id"]},
            network=network.name,
            address=record["address"],
            cpus=record["cpus"] * container.one_cpu(),
            memory_mib=record["memory_mib"],
        )
        birth = Birth(
            identity=record["id"],
            authorized_key=record["authorized_key"],
            user_data=bytes.fromhex(record["user_data"]),
        )
        image = container.image(self._client, baked=record["image"] == BAKED)
        return container.make(self._client, image, shape, birth)

    def _runs(self) -> bool:
        try:
            self._container.reload()
        except docker.errors.NotFound:
            self._container = None
            return False
        return bool(self._container.attrs["State"]["Running"])

    def _wire(self, views: Mapping[str, PortView]) -> None:
        self._container.reload()
        self._pid, self._filter = self._container.attrs["State"]["Pid"], ""
        if not self._pid:
            raise OSError(f"it ended at once: {self._container.logs(tail=5)!r:.300}")
        self._follow(self._view(views))
        for service in _SERVICES:
            port = self._bed.port(service)
            listening = namespace.listen(self._pid, HOST, port)
            self._carried.append(self._relay.open(listening, (HOST, port)))

    def _follow(self, view: PortView) -> None:
        # Whoever is outside reaches a fixed address by no way at all, and this host is outside.
        outside = [(self.record["gateway"], self.record["address"])]
        text = namespace.filter_text(view.inward, view.outward, unreachable=outside)
        if text != self._filter:
            namespace.apply_filter(self._pid, text)
            self._filter = text
        if view.floating != self._floating:
            self._give_up_floating()
            if view.floating:
                address = f"{view.floating}/32"
                namespace.run_in(self._pid, "ip", "address", "replace", address, "dev", "eth0")
                _on_host("ip", "route", "replace", address, "dev", self._bridge)
                _on_host("ip", "neigh", "flush", "to", address, "dev", self._bridge)
                self._floating = view.floating

    def _give_up_floating(self) -> None:
        if self._floating is not None:
            address = f"{self._floating}/32"
            _on_host("ip", "route", "del", address, "dev", self._bridge)
            with contextlib.suppress(OSError):
                namespace.run_in(self._pid, "ip", "address", "del", address, "dev", "eth0")
            self._floating = None

    def _unwire(self) -> None:
        if self._pid:
            self._give_up_floating()
            self._relay.close(self._carried)
            self._carried, self._pid = [], 0


def _on_host(*words: str) -> None:
    namespace.on_host(*words, check=False)
