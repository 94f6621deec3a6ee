"""What happens on every node before the clock starts: data, then a warm-up in each slot."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import DeadlineError, TandemError
from workloads.engines import Back, Engine, Finished, Lost, Outcome, Report, Slot, Unit

TRIES = 2


class PhaseFailed(TandemError):
    """What every node has to do before the work cannot be done on one of them."""


@dataclass
class Everywhere:
    """What each slot answered, and which slots were lost on the way."""

    values: dict[Slot, Any] = field(default_factory=dict)
    lost: set[Slot] = field(default_factory=set)


def do_everywhere(
    engine: Engine,
    unit: Unit,
    slots: Sequence[Slot],
    seconds: float,
    death: Callable[[str, float, str], None],
) -> Everywhere:
    """Do one unit on each of the slots, at the same time.

    A slot that is lost is told and left out, and tried again if it comes back.

    Raises
    ------
    PhaseFailed
        If the unit fails on a node, or no slot is left.
    DeadlineError
        If a node does not answer within `seconds`.
    """
    return _Phase(engine, unit, slots, seconds, death).to_the_end()


def check_same(facts: Mapping[Slot, Mapping[str, Any]], head: str) -> None:
    """Refuse nodes whose facts about the data differ from those of the head.

    Raises
    ------
    PhaseFailed
        With every node that differs, and in what.
    """
    reference = next((fact for slot, fact in facts.items() if slot.node == head), None)
    reference = reference if reference is not None else next(iter(facts.values()))
    differing = []
    for slot, fact in facts.items():
        names = [
            key for key in sorted({*reference, *fact}) if fact.get(key) != reference.get(key)
        ]
        if names:
            shown = ", ".join(
                f"{key} {fact.get(key)}, not {reference.get(key)}" for key in names
            )
            differing.append(f"{slot.node}: {shown}")
    if differing:
        raise PhaseFailed(
            "The data is not the same on all nodes: " + "; ".join(differing),
            cause="Their libraries, or what they downloaded, differ from the head's.",
            next_step="fab cluster.start repairs a node; then run the sweep again",
        )


class _Phase:
    def __init__(
        self,
        engine: Engine,
        unit: Unit,
        slots: Sequence[Slot],
        seconds: float,
        death: Callable[[str, float, str], None],
    ) -> None:
        self._engine = engine
        self._unit = unit
        self._slots = slots
        self._seconds = seconds
        self._death = death
        self._begin = time.monotonic()
        self._tries = dict.fromkeys(slots, 0)
        self._out: dict[str, Slot] = {}
        self._found = Everywhere()

    def to_the_end(self) -> Everywhere:
        for slot in self._slots:
            self._start(slot)
        while self._out:
            spent = time.monotonic() - self._begin
            if spent > self._seconds:
                names = ", ".join(slot.name for slot in self._out.values())
                raise DeadlineError(
                    waited_for=f"the {self._unit.unit_id} to end",
                    whom=names,
                    seconds=spent,
                    last_state="no answer yet",
                    next_step="fab cluster.status shows what the nodes do",
                )
            for report in self._engine.wait(1.0):
                self._hear(report)
        if not self._found.values:
            raise PhaseFailed(
                f"No node is left to do the {self._unit.unit_id}.",
                next_step="fab cluster.start brings the cluster back; then run the sweep again",
            )
        return self._found

    def _start(self, slot: Slot) -> None:
        self._tries[slot] += 1
        ticket = f"{self._unit.unit_id}/{slot.name}#{self._tries[slot]}"
        self._out[ticket] = slot
        self._engine.submit(ticket, slot, self._unit, self._seconds)

    def _hear(self, report: Report) -> None:
        if isinstance(report, Finished):
            slot = self._out.pop(report.ticket, None)
            if slot is not None:
                self._settle(slot, report.outcome)
        elif isinstance(report, Lost):
            self._out = {key: slot for key, slot in self._out.items() if slot != report.slot}
            self._found.lost.add(report.slot)
            self._died(report.slot, report.detail)
        elif isinstance(report, Back):
            self._found.lost.discard(report.slot)
            if report.slot in self._tries and report.slot not in self._found.values:
                self._start(report.slot)

    def _settle(self, slot: Slot, outcome: Outcome) -> None:
        if outcome.status == "ok":
            self._found.values[slot] = outcome.value
            return
        if outcome.status == "killed" and self._tries[slot] < TRIES:
            self._died(slot, outcome.reason)
            self._start(slot)
            return
        raise PhaseFailed(
            f"The {self._unit.unit_id} failed on {slot.name}: {outcome.reason}",
            next_step="mend what it says, then run the sweep again; fab cluster.logs has more",
        )

    def _died(self, slot: Slot, detail: str) -> None:
        self._death(slot.node, time.monotonic() - self._begin, detail)
