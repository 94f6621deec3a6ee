"""What a sweep asks of the machines, answered over SSH."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.endpoint import Endpoint
from contracts.inventory import Inventory
from contracts.progress import Tell
from contracts.trial import canonical
from provision import bringup, remote_run
from provision.links import Links
from workloads.cluster import Footing, Timeline
from workloads.runs import RunSpec, as_document
from workloads.sweep import PLAIN, Cell


class Machines:
    """The machines of an inventory; see `workloads.cluster.Cluster` for what each method does.

    Connections stay open between runs. Before the first `start` only runs that exist can be
    followed and stopped.
    """

    def __init__(self, inventory: Inventory, state: Path, lock: Path, tell: Tell) -> None:
        self._inventory = inventory
        self._state = state
        self._lock = lock
        self._tell = tell
        self._links = Links(inventory)
        self._endpoint: Endpoint | None = None

    def close(self) -> None:
        """Close every connection; what runs on the nodes goes on."""
        self._links.close()

    def start(self, cell: Cell) -> Footing:
        """Bring up the engine of a cell, or only what the plain workload needs."""
        plain = cell.engine == PLAIN
        request = bringup.Request(
            inventory=self._inventory,
            nodes=cell.nodes,
            engine=None if plain else cell.engine,
            state=self._state,
            lock=self._lock,
        )
        bring = bringup.prepare if plain else bringup.start
        started = bring(request, self._tell, self._links)
        self._endpoint = endpoint = started.endpoint
        return Footing(
            address=endpoint.address,
            nodes=endpoint.nodes,
            addresses={name: self._inventory.node(name).private_ip for name in endpoint.nodes},
            slots=endpoint.slots,
            credentials=endpoint.credentials,
            home=endpoint.home,
            bringup=_as_recorded(started),
        )

    def launch(self, spec: RunSpec) -> None:
        """Start the driver on the head, with the environment of the engine that was started."""
        if self._endpoint is None:
            raise RuntimeError("no engine was started, so there is nothing to launch a run on")
        text = canonical(as_document(spec))
        remote_run.launch(self._links, self._endpoint, spec.run_id, text.encode())

    def follow(self, folder: str) -> Iterator[bytes]:
        """Yield what a driver wrote, from its beginning."""
        return remote_run.follow(self._links, self._inventory.head.name, folder)

    def stop(self, folder: str) -> None:
        """End a driver."""
        remote_run.stop(self._links, self._inventory.head.name, folder)

    def timeline(self, nodes: Sequence[str], since_seconds: float) -> Timeline:
        """Return what the nodes sampled."""
        return remote_run.timeline(self._links, nodes, since_seconds)


def _as_recorded(started: bringup.Started) -> Mapping[str, Any]:
    """Return a bring-up as a journal keeps it: steps in their order, not by name."""
    phases = {
        node: [[step, seconds] for step, seconds in steps.items()]
        for node, steps in started.endpoint.phases.items()
    }
    return {
        "seconds": round(started.seconds, 3),
        "changed": list(started.changed),
        "phases": phases,
    }
