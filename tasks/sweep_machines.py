"""What a sweep asks of the machines, answered over SSH."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.endpoint import Endpoint
from contracts.errors import RefusedError
from contracts.files import write_json
from contracts.inventory import Inventory
from contracts.progress import Tell
from contracts.trial import canonical
from provision import bringup, remote_run
from provision import database as databases
from provision.links import Links
from workloads import profiles
from workloads.runs import RunSpec, as_document
from workloads.sweeps.cluster import Footing, Timeline
from workloads.sweeps.plan import PLAIN, Cell


class Machines:
    """The machines of an inventory; what each method does, `workloads.sweeps.cluster` says.

    Connections stay open between runs. Before the first `start` only runs that exist can be
    followed and stopped. `ours` are the folders of the sweep's own runs: while a run of another
    sweep is at work, whose operator must have been killed, no run is started beside it.
    With `database`, PostgreSQL runs on the head and the nodes of each cell have its key.
    """

    def __init__(
        self,
        inventory: Inventory,
        state: Path,
        lock: Path,
        tell: Tell,
        ours: Collection[str] = (),
        *,
        database: bool = False,
    ) -> None:
        self._database = database
        self._ours = set(ours)
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
        self._refuse_company()
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
        if self._database:
            databases.ensure(
                self._links, self._inventory, self._state, endpoint.nodes, self._tell
            )
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
        self._ours.add(spec.run_id)
        write_json(self._last_run, {"folder": spec.run_id})
        remote_run.launch(self._links, self._endpoint, spec.run_id, text.encode())

    @property
    def _last_run(self) -> Path:
        return self._state / "last_run.json"

    def _refuse_company(self) -> None:
        """Refuse to measure while a run of another sweep is at work on the machines.

        Raises
        ------
        RefusedError
            If the last run that was started from this state folder is not ours and not over.
        """
        try:
            folder = str(json.loads(self._last_run.read_text())["folder"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        if folder in self._ours:
            return
        self._links[self._inventory.head.name]  # a head that is away is an error of its own
        # Whoever follows a run that is over hears its results and then nothing more.
        if any(data == b"" for data in self.follow(folder)):
            raise RefusedError(
                f"A run of another sweep is at work on these machines: {folder}.",
                cause="Its sweep was killed; the run goes on and would disturb every time.",
                next_step="run that sweep's command again to go on with it, or "
                "fab cluster.stop to end it",
            )

    def follow(self, folder: str) -> Iterator[bytes]:
        """Yield what a driver wrote, from its beginning."""
        return remote_run.follow(self._links, self._inventory.head.name, folder)

    def stop(self, folder: str) -> None:
        """End a driver."""
        remote_run.stop(self._links, self._inventory.head.name, folder)

    def timeline(self, nodes: Sequence[str], since_seconds: float) -> Timeline:
        """Return what the nodes sampled."""
        return remote_run.timeline(self._links, nodes, since_seconds)

    def fetch(self, folder: str, name: str) -> bytes | None:
        """Return a part of a run's profile."""
        path, limit = f"{profiles.FOLDER}/{name}", profiles.MOST_BYTES + 1
        return remote_run.fetch(self._links, self._inventory.head.name, folder, path, limit)


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
