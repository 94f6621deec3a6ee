"""The engine that is none: the slots of one machine, each with its process, and no cluster."""

import functools
import queue
import threading

from workloads.engines import Finished, Report, Slot, Unit, slots_of
from workloads.engines.slot_process import SlotProcess
from workloads.runs import RunSpec

END_SECONDS = 10.0


class PlainEngine:
    """Works on units on the machine where the driver runs.

    The baseline of every comparison: what the same units take without Ray and without Dask.
    """

    def __init__(self, spec: RunSpec) -> None:
        self.slots = slots_of(spec)
        self._processes = {slot: SlotProcess() for slot in self.slots}
        self._threads: dict[Slot, threading.Thread] = {}
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._closing = False

    def connect(self, timeout: float) -> None:
        """Do nothing: there is nobody to connect to."""

    def submit(self, ticket: str, slot: Slot, unit: Unit, deadline_seconds: float) -> None:
        """Start one attempt at a unit."""
        work = functools.partial(self._work, ticket, slot, unit, deadline_seconds)
        thread = self._threads[slot] = threading.Thread(target=work, daemon=True)
        thread.start()

    def wait(self, timeout: float) -> list[Report]:
        """Return what ended, as soon as anything did."""
        try:
            return [self._reports.get(timeout=timeout)]
        except queue.Empty:
            return []

    def release(self) -> None:
        """End the idle processes of the slots, and with them what they hold of the memory."""
        for process in self._processes.values():
            process.close()

    def close(self) -> None:
        """End the process of every slot.

        A signal may have stopped the driver in the middle of `submit`, before the thread of an
        attempt ran: that thread can't be joined, and must not start a process any more.
        """
        self._closing = True
        for slot, process in self._processes.items():
            process.interrupt()
            if slot in self._threads and self._threads[slot].is_alive():
                self._threads[slot].join(END_SECONDS)
            process.close()

    def _work(self, ticket: str, slot: Slot, unit: Unit, deadline_seconds: float) -> None:
        if self._closing:
            return
        process = self._processes[slot]
        outcome = process.call(unit.function, unit.arguments, deadline_seconds)
        self._reports.put(Finished(ticket, outcome))
