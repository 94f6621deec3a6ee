"""A running Dask as the engine of a search: `engine=DaskUnits(client)`."""

import collections
import contextlib
import json
import queue
import threading
import time
import uuid
from pathlib import Path
from typing import Any, cast

from contracts.errors import UsageError
from workloads.engines import Back, Engine, Lost, Report, Slot, Unit, first_line
from workloads.engines.dask_engine import DaskEngine
from workloads.engines.slot_process import SlotProcess
from workloads.engines.unit_process import as_json
from workloads.forest.exact.delivery import at_home, bring, is_here, local_folder
from workloads.forest.exact.elsewhere import UnitsElsewhere

PART_BYTES = 8 << 20  # below what Dask warns of
DELIVERY_SECONDS = 60.0
MOST_REFUSALS = 3

Place = tuple[str, int]  # the search, and which of a worker's threads
_processes: dict[Place, SlotProcess] = collections.defaultdict(SlotProcess)
_locks: dict[Place, threading.Lock] = collections.defaultdict(threading.Lock)


class DaskUnits(UnitsElsewhere):
    """Does units on a Dask cluster, one for each thread of a worker, in processes of its own.

    The data file is sent once to each machine, in parts; its processes map that file. Nothing
    is scattered. The workers must be able to import this package.

    Parameters
    ----------
    client : distributed.Client
        Not an asynchronous one.
    tries, unit_seconds, patience_seconds
        As in `UnitsElsewhere`.

    Examples
    --------
    ::

        client = Client("tcp://10.0.0.2:8786")
        ExactForestSearchCV(forest, grid, engine=DaskUnits(client)).fit(x, y)
    """

    def __init__(self, client: Any, **limits: Any) -> None:
        super().__init__(**limits)
        self.client = client

    def open(self, data: Path) -> Engine:
        """Return the slots of the client's workers.

        Raises
        ------
        UsageError
            If the client is asynchronous or not connected.
        """
        if self.client.asynchronous or self.client.status != "running":
            raise UsageError(
                f"The Dask client is {self.client.status}"
                f"{' and asynchronous' if self.client.asynchronous else ''}.",
                next_step='DaskUnits(Client("tcp://HEAD:8786"))',
            )
        return cast(Engine, _RunningDask(self.client, data))


def call_unit(
    search: str, index: int, function: str, arguments: str, deadline_seconds: float
) -> str:
    """Work on one unit of a search, in a Dask worker; arguments and outcome are JSON."""
    with _locks[search, index]:
        given = at_home(json.loads(arguments))
        outcome = _processes[search, index].call(function, given, deadline_seconds)
    return json.dumps(as_json(outcome), allow_nan=False)


def end_processes(search: str) -> None:
    """End the processes that a Dask worker keeps for the units of a search."""
    for place in [place for place in list(_processes) if place[0] == search]:
        process = _processes.pop(place)
        process.interrupt()
        with _locks[place]:  # a unit under way ends with its process
            process.close()
        del _locks[place]


def take_part(key: str, number: int, content: bytes) -> None:
    """Write down one part of a file that is on its way to this machine."""
    (local_folder() / f".part-{key}-{number}").write_bytes(content)


def put_together(key: str, count: int, name: str) -> None:
    """Make the data file of its parts."""
    paths = [local_folder() / f".part-{key}-{number}" for number in range(count)]
    try:
        bring(name, (path.read_bytes() for path in paths))
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


class _RunningDask(DaskEngine):
    """The slots of a Dask that somebody else started: every thread of every worker."""

    def __init__(self, client: Any, data: Path) -> None:
        self.slots = ()
        self._client = client
        self._data = data
        self._search = uuid.uuid4().hex  # one Dask may work on several searches at once
        self._address = client.scheduler.address
        self._workers = {}
        self._futures = {}
        self._ended = queue.SimpleQueue()
        self._refusals: collections.Counter[str] = collections.Counter()
        self._looked = 0.0
        self._silent_looks = 0
        self._alive = ("running",)

    def connect(self, timeout: float) -> None:
        """Do nothing: the client is connected, and workers report when they are ready."""

    def submit(self, ticket: str, slot: Slot, unit: Unit, deadline_seconds: float) -> None:
        """Start one attempt at a unit."""
        text = json.dumps(dict(unit.arguments), allow_nan=False)
        call = (self._search, slot.index, unit.function, text, deadline_seconds)
        future = self._future(slot.node, call_unit, *call)
        self._futures[ticket] = (future, slot)
        future.add_done_callback(lambda _: self._ended.put(ticket))

    def close(self) -> None:
        """End the processes of units; the client and its cluster go on."""
        for future, _ in self._futures.values():
            future.release()
        live = sorted(set(self._workers.values()))
        with contextlib.suppress(Exception):
            if live:
                self._client.run(
                    end_processes, self._search, workers=live, on_error="ignore", wait=False
                )

    def _look(self) -> list[Report]:
        self._looked = time.monotonic()
        known = self._known_workers()
        reports = self._bury_all_but(known)
        here = {slot.node for slot in self._workers}
        for worker in sorted(known.keys() - here):
            if self._refusals[worker] < MOST_REFUSALS:
                reports += self._adopted(worker)
        return reports

    def _adopted(self, worker: str) -> list[Report]:
        """Bring the data to a worker and take its threads as slots."""
        try:
            self._deliver(worker)
            threads = self._client.nthreads(workers=[worker]).get(worker, 0)
        except Exception as error:  # whatever a worker that goes away makes of it
            self._refusals[worker] += 1
            return [Lost(Slot(worker, 0), first_line(error))]
        made = [Slot(worker, index) for index in range(threads)]
        self.slots = (*self.slots, *made)
        self._workers.update(dict.fromkeys(made, worker))
        return [Back(slot) for slot in made]

    def _deliver(self, worker: str) -> None:
        """Send the data file in parts unless the worker's machine has it."""
        name, key = self._data.name, uuid.uuid4().hex
        if self._answer(worker, is_here, name):
            return
        count = 0
        with self._data.open("rb") as stream:
            while part := stream.read(PART_BYTES):
                self._answer(worker, take_part, key, count, part)
                count += 1
        self._answer(worker, put_together, key, count, name)

    def _answer(self, worker: str, function: Any, *arguments: Any) -> Any:
        return self._future(worker, function, *arguments).result(timeout=DELIVERY_SECONDS)

    def _future(self, worker: str, function: Any, *arguments: Any) -> Any:
        return self._client.submit(
            function,
            *arguments,
            key=f"{function.__name__}-{uuid.uuid4().hex}",
            workers=[worker],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
