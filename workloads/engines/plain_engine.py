"""The engine that is none: the slots of one machine, each with its process, and no cluster."""

import functools
import queue

from workloads.engines import Finished, Report, Slot, Unit, slots_of
from workloads.engines.slot_process import SlotProcess
from workloads.engines.slot_thread import SlotThread
from workloads.runs import RunSpec


class PlainEngine:
    """Works on units on the machine where the driver runs.

    The baseline of every comparison: what the same units take without Ray and without Dask.
    """

    def __init__(self, spec: RunSpec) -> None:
        self.slots = slots_of(spec)
        self._threads = {slot: SlotThread(SlotProcess()) for slot in self.slots}
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()

    def connect(self, timeout: float) -> None:
        """Do nothing: there is nobody to connect to."""

    def submit(self, ticket: str, slot: Slot, unit: Unit, deadline_seconds: float) -> None:
        """Start one attempt at a unit."""
        work = functools.partial(self._work, ticket, slot, unit, deadline_seconds)
        self._threads[slot].begin(work)

    def wait(self, timeout: float) -> list[Report]:
        """Return what ended, as soon as anything did."""
        try:
            return [self._reports.get(timeout=timeout)]
        except queue.Empty:
            return []

    def release(self) -> None:
        """End the idle processes of the slots, and with them what they hold of the memory."""
        for thread in self._threads.values():
            thread.process.close()

    def close(self) -> None:
        """End the process of every slot."""
        for thread in self._threads.values():
            thread.close()

    def _work(self, ticket: str, slot: Slot, unit: Unit, deadline_seconds: float) -> None:
        process = self._threads[slot].process
        outcome = process.call(unit.function, unit.arguments, deadline_seconds)
        self._reports.put(Finished(ticket, outcome))
