"""Dask as an engine: one worker per slot, units pinned to it, and no data in the cluster."""

import contextlib
import json
import queue
import threading
import time
import uuid
from collections.abc import Container, Mapping
from typing import Any

from contracts.errors import DeadlineError
from workloads.engines import (
    Back,
    EngineLost,
    Finished,
    Lost,
    Outcome,
    Report,
    Slot,
    Unit,
    first_line,
    knock,
    slots_of,
    task_name,
)
from workloads.engines.slot_process import SlotProcess
from workloads.engines.unit_process import as_json
from workloads.runs import RunSpec

CLIENT_SETTINGS = {
    "distributed.comm.timeouts.connect": "15s",
    "distributed.comm.timeouts.tcp": "15s",
}
LOOK_SECONDS = 2.0
ANSWER_SECONDS = 10.0

_process = SlotProcess()
_one_at_a_time = threading.Lock()


def call_slot(function: str, arguments: str, deadline_seconds: float) -> str:
    """Work on one unit, in a Dask worker; arguments and outcome are JSON."""
    with _one_at_a_time:
        outcome = _process.call(function, json.loads(arguments), deadline_seconds)
    return json.dumps(as_json(outcome), allow_nan=False)


def end_units() -> None:
    """End whatever a Dask worker works on, which Dask itself cannot; an idle one stays warm."""
    if _one_at_a_time.locked():
        _process.interrupt()


def end_process() -> None:
    """End the idle process of a slot in a Dask worker, which then works for Dask alone."""
    with _one_at_a_time:
        _process.close()


def open_client(
    address: str, credentials: Mapping[str, str], timeout: float, *, default: bool
) -> Any:
    """Return a client of a scheduler, connected; `default` makes it that of Dask's functions.

    Raises
    ------
    EngineLost
        If the scheduler does not answer or refuses the credentials.
    """
    import dask
    from distributed import Client

    dask.config.set(CLIENT_SETTINGS)
    try:
        knock(address, ANSWER_SECONDS)
        return Client(
            address,
            security=_security(credentials),
            timeout=timeout,
            set_as_default=default,
            direct_to_workers=False,
        )
    except (OSError, ValueError) as error:
        raise _lost(address, error) from error


class DaskEngine:
    """A Dask cluster, seen from a driver on its head.

    Workers belong to the node whose address they have, and fill its slots in the order of
    their names. Dask never moves or retries a unit: with its one worker gone a unit would
    wait for ever, so losses are looked for and reported here.
    """

    def __init__(self, spec: RunSpec) -> None:
        self.slots = slots_of(spec)
        self._address = spec.address
        self._addresses = dict(spec.addresses)
        self._credentials = dict(spec.credentials)
        self._workers: dict[Slot, str] = {}
        self._futures: dict[str, tuple[Any, Slot]] = {}
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._looked = 0.0
        self._silent_looks = 0
        self._alive: tuple[str, ...] = ("running",)
        self._client: Any = None

    @property
    def client(self) -> Any:
        """The client of this engine, once it is connected."""
        return self._client

    def connect(self, timeout: float) -> None:
        """Reach the scheduler and find the worker of each slot, free of older work."""
        give_up = time.monotonic() + timeout
        self._client = open_client(self._address, self._credentials, timeout, default=False)
        while True:
            self._adopt(self._known_workers())
            missing = [slot.name for slot in self.slots if slot not in self._workers]
            if not missing:
                break
            if time.monotonic() > give_up:
                raise _late(", ".join(missing), timeout)
            time.sleep(0.5)
        self._client.amm.stop()
        self._client.run(end_units, workers=list(self._workers.values()), on_error="ignore")

    def submit(self, ticket: str, slot: Slot, unit: Unit, deadline_seconds: float) -> None:
        """Start one attempt at a unit."""
        future = self._client.submit(
            call_slot,
            unit.function,
            json.dumps(dict(unit.arguments), allow_nan=False),
            deadline_seconds,
            key=f"{task_name(unit.function)}-{uuid.uuid4().hex}-{ticket}",
            workers=[self._workers[slot]],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        self._futures[ticket] = (future, slot)
        future.add_done_callback(lambda _: self._ended.put(ticket))

    def wait(self, timeout: float) -> list[Report]:
        """Return what happened: ended attempts, lost slots, slots that work again."""
        reports: list[Report] = []
        with contextlib.suppress(queue.Empty):
            reports += self._take(self._ended.get(timeout=timeout))
            while True:
                reports += self._take(self._ended.get_nowait())
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            reports += self._look()
        return reports

    def release(self) -> None:
        """End the slots' processes; a worker that pauses for memory is not lost from now on."""
        self._alive = ("running", "paused")
        workers = list(self._workers.values())
        self._client.run(end_process, workers=workers, on_error="ignore")

    def close(self) -> None:
        """End what is still being worked on and leave the cluster."""
        if self._client is None:
            return
        busy = [
            self._workers[slot] for _, slot in self._futures.values() if slot in self._workers
        ]
        with contextlib.suppress(Exception):
            if busy:
                self._client.run(end_units, workers=busy, on_error="ignore", wait=False)
        with contextlib.suppress(Exception):
            self._client.close(timeout=ANSWER_SECONDS / 2)

    def _take(self, ticket: str) -> list[Report]:
        """Fetch the outcome of an ended attempt; one that cannot be had loses its slot."""
        future, slot = self._futures.pop(ticket, (None, None))
        if future is None or slot is None:
            return []
        try:
            value = future.result(timeout=ANSWER_SECONDS)
        except Exception as error:  # whatever a peer sent instead of a result
            return self._bury(slot, first_line(error))
        return [Finished(ticket, Outcome(**json.loads(value)))]

    def _bury(self, slot: Slot, detail: str) -> list[Report]:
        """Forget a slot's worker and have the scheduler forget what it was doing."""
        if self._workers.pop(slot, None) is None:
            return []
        for ticket, (future, owner) in list(self._futures.items()):
            if owner == slot:
                del self._futures[ticket]
                future.release()
        return [Lost(slot, detail)]

    def _look(self) -> list[Report]:
        """Ask the scheduler which workers it has: bury slots without, use new workers."""
        self._looked = time.monotonic()
        known = self._known_workers()
        lost = self._bury_all_but(known)
        return [*lost, *(Back(slot) for slot in self._adopt(known))]

    def _bury_all_but(self, known: Container[str]) -> list[Report]:
        reports: list[Report] = []
        for slot, worker in list(self._workers.items()):
            if worker not in known:
                reports += self._bury(slot, "its worker left the Dask cluster")
        return reports

    def _known_workers(self) -> dict[str, tuple[str, str]]:
        """Return host and name of each worker by its address."""
        try:
            found = self._client.sync(
                self._client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_SECONDS
            )
        except (OSError, TimeoutError) as error:
            self._silent_looks += 1
            if self._silent_looks >= 2 or not self._workers:
                raise _lost(self._address, error) from error
            return {worker: ("", "") for worker in self._workers.values()}
        self._silent_looks = 0
        return {
            address: (worker["host"], str(worker["name"]))
            for address, worker in found["workers"].items()
            if worker["status"] in self._alive
        }

    def _adopt(self, known: dict[str, tuple[str, str]]) -> list[Slot]:
        """Give each slot without a worker one of its node's that has no slot yet."""
        taken = set(self._workers.values())
        adopted = []
        for slot in self.slots:
            if slot in self._workers:
                continue
            host = self._addresses[slot.node]
            free = [key for key in known if known[key][0] == host and key not in taken]
            if free:
                worker = min(free, key=lambda key: known[key][1])
                self._workers[slot] = worker
                taken.add(worker)
                adopted.append(slot)
        return adopted


def _security(credentials: Mapping[str, str]) -> Any:
    """Return what a client shows and demands: certificates of the cluster's own CA."""
    from distributed import Security

    if "dask_ca" not in credentials:
        return None
    return Security(
        tls_ca_file=credentials["dask_ca"],
        tls_client_cert=credentials["dask_certificate"],
        tls_client_key=credentials["dask_key"],
        require_encryption=True,
    )


def _lost(address: str, error: Exception) -> EngineLost:
    return EngineLost(
        f"The Dask scheduler at {address} cannot be used.",
        cause=first_line(error),
        next_step="fab cluster.status, then fab cluster.start --engine dask",
    )


def _late(whom: str, seconds: float) -> DeadlineError:
    return DeadlineError(
        waited_for="its Dask worker to join",
        whom=whom,
        seconds=seconds,
        last_state="not among the scheduler's workers",
        next_step="fab cluster.status, then fab cluster.start --engine dask",
    )
