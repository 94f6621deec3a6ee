"""An engine whose every report is written down beforehand, and work that only counts."""

from collections.abc import Callable, Sequence
from typing import Any

from contracts.trial import TrialResult
from workloads.engines import Finished, Outcome, Report, Slot, Unit


class ScriptedEngine:
    """Answers each submission by `answer(ticket, slot, unit)`: reports for the next wait.

    `waits` counts how often anybody waited; `idle` reports are given when nothing else is.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        answer: Callable[[str, Slot, Unit], list[Report]],
        idle: Callable[[int], list[Report]] = lambda waits: [],
    ) -> None:
        self.slots = tuple(slots)
        self.submitted: list[tuple[str, Slot]] = []
        self.waits = 0
        self.closed = False
        self._answer = answer
        self._idle = idle
        self._reports: list[Report] = []

    def connect(self, timeout: float) -> None:
        """Do nothing."""

    def submit(self, ticket: str, slot: Slot, unit: Unit, deadline_seconds: float) -> None:
        self.submitted.append((ticket, slot))
        self._reports += self._answer(ticket, slot, unit)

    def wait(self, timeout: float) -> list[Report]:
        self.waits += 1
        if self._reports:
            return [self._reports.pop(0)]
        return self._idle(self.waits)

    def close(self) -> None:
        self.closed = True


class CountingWork:
    """One trial per unit; its score is the value that the unit came to."""

    def __init__(self, count: int) -> None:
        self.units = [Unit(f"u{i}", "m:f") for i in range(count)]

    def accept(
        self, unit_id: str, outcome: Outcome, *, node: str, attempts: int
    ) -> list[TrialResult]:
        scores = (float(outcome.value),)
        return [TrialResult(unit_id, "ok", {}, scores, nodes=(node,), attempts=attempts)]

    def give_up(
        self, unit_id: str, reason: str, *, nodes: Sequence[str], attempts: int
    ) -> list[TrialResult]:
        return [TrialResult(unit_id, "failed", {}, nodes=tuple(nodes), reason=reason)]

    def needed(self, unit_id: str) -> bool:
        return True

    def summary(self, results: Sequence[TrialResult]) -> dict[str, Any]:
        return {}


def ok(ticket: str, value: float = 1.0) -> Finished:
    """Return the report of an attempt that ended well."""
    return Finished(ticket, Outcome("ok", value, seconds=0.5, cpu_seconds=0.25))
