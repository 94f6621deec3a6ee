"""Programs of an engine: each runs in one process beside the driver, with its own client."""

import contextlib
import functools
import queue
from collections.abc import Mapping, Sequence
from typing import Any

from workloads.engines import (
    Back,
    Engine,
    EngineLost,
    Finished,
    Lost,
    Outcome,
    Report,
    Slot,
    Told,
    Unit,
)
from workloads.engines.slot_process import SlotProcess
from workloads.engines.slot_thread import SlotThread
from workloads.runs import RunSpec

PROGRAM = Slot("program", 0)
PERFORM = "workloads.engines.program_process:perform"
SUBMITTED = "workloads.engines.program_process:submitted"
WORKERS_CPU = "workloads.engines.program_process:workers_cpu"
ANSWER_SECONDS = 60.0


class ProgramEngine:
    """Runs units as programs on an engine whose slots it takes over, one at a time.

    A program is a process that can be ended, so that its deadline holds whatever it and the
    engine's library wait for. The slots' engine goes on to look after the nodes: when one is
    lost, that is told, the program under way is ended, and whoever gave it may give it again.
    Engines' own retries take what is left of their patience, which can be minutes.
    """

    def __init__(self, spec: RunSpec, engine: Engine) -> None:
        self.slots: Sequence[Slot] = (PROGRAM,)
        self.below = engine
        self._place = place_of(spec)
        plain = spec.engine == "plain"
        self._process = SlotProcess(threads=spec.slots[spec.nodes[0]] if plain else 1)
        self._thread = SlotThread(self._process)
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._lost: set[str] = set()
        self._ended_for = ""
        engine.release()

    def connect(self, timeout: float) -> None:
        """Do nothing: a program connects its own client."""

    def submit(self, ticket: str, slot: Slot, unit: Unit, deadline_seconds: float) -> None:
        """Start one attempt at a program."""
        self._ended_for = ""
        work = functools.partial(self._work, ticket, unit, deadline_seconds)
        self._thread.begin(work)

    def wait(self, timeout: float) -> list[Report]:
        """Return what ended, and which nodes are lost."""
        reports = self._losses()
        with contextlib.suppress(queue.Empty):
            reports.append(self._reports.get(timeout=0.01 if reports else timeout))
        return reports

    def workers_cpu(self) -> float | None:
        """Return the CPU seconds of the engine's workers so far; None if they do not say so.

        Asked before and after the work, and not within its time, by whoever submits.
        """
        request = {"place": self._place}
        outcome = self._process.call(WORKERS_CPU, request, ANSWER_SECONDS)
        return float(outcome.value) if outcome.status == "ok" else None

    def submitted(self) -> dict[str, tuple[int, list[str]]]:
        """Return round and needs of each task given to Ray, where a profile is made.

        Raises
        ------
        RuntimeError
            If the program's process does not say so.
        """
        outcome = self._process.call(SUBMITTED, {"place": self._place}, ANSWER_SECONDS)
        if outcome.status != "ok":
            raise RuntimeError(outcome.reason)
        return dict(outcome.value)

    def release(self) -> None:
        """Do nothing: a program is under way or not, and holds nothing between."""

    def close(self) -> None:
        """End the program under way; the engine below is its opener's to close."""
        self._thread.close()

    def _losses(self) -> list[Report]:
        """Ask the engine for lost nodes, tell each once, and end a program that used it."""
        found: list[Report] = []
        for report in self.below.wait(0):
            if isinstance(report, Back):
                self._lost.discard(report.slot.node)
            elif isinstance(report, Lost) and report.slot.node not in self._lost:
                self._lost.add(report.slot.node)
                self._ended_for = report.slot.node
                found.append(report)
        if found:
            self._process.interrupt()
        if self._lost >= set(self._place["addresses"]):
            names = ", ".join(sorted(self._lost))
            raise EngineLost(
                f"No node is left to compute on: {names} lost.",
                cause="A program would wait for a worker until its deadline.",
                next_step="fab cluster.start brings the cluster back; then run the sweep again",
            )
        return found

    def _work(self, ticket: str, unit: Unit, deadline_seconds: float) -> None:
        request = {"place": self._place, "function": unit.function, "given": unit.arguments}
        tell = functools.partial(self._tell, ticket)
        outcome = self._process.call(PERFORM, request, deadline_seconds, tell)
        if outcome.status == "killed" and self._ended_for:
            words = f"it was ended because {self._ended_for} was lost meanwhile"
            outcome = Outcome("killed", None, words, outcome.seconds)
        self._reports.put(Finished(ticket, outcome))

    def _tell(self, ticket: str, told: Mapping[str, Any]) -> None:
        self._reports.put(Told(ticket, told["done"], told["total"], told["words"]))


def place_of(spec: RunSpec) -> Mapping[str, Any]:
    """Return where a program of this run computes, as JSON."""
    return {
        "engine": spec.engine,
        "address": spec.address,
        "credentials": dict(spec.credentials),
        "addresses": {name: spec.addresses[name] for name in spec.nodes},
        "slots": {name: spec.slots[name] for name in spec.nodes},
        "home": spec.home,
        "profile": spec.profile,
    }
