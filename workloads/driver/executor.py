"""Work through the units of a run on any engine, losing slots and never results."""

import dataclasses
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from contracts.errors import DeadlineError, TandemError
from contracts.trial import TrialResult
from workloads.driver.ledger import Assignment, Death, Done, Event, GivenUp, Ledger
from workloads.engines import Engine, Finished, Lost, Report, Slot, Told
from workloads.registry import Stepwise, Work

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 45.0


@dataclass(frozen=True)
class Limits:
    """How long and how often: a unit's try, the whole run, the tries of a unit.

    `patience_seconds` is how long a run waits without any live slot for one to come back.
    """

    unit_seconds: float
    run_seconds: float
    max_attempts: int = 3
    patience_seconds: float = PATIENCE_SECONDS


@dataclass
class Totals:
    """What a run came to; `cpu_seconds` are those of the attempts that counted."""

    units: int = 0
    retries: int = 0
    late: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0


class RunFailed(TandemError):
    """The run cannot go on: no slot is left."""


@dataclass
class Hearers:
    """Whom to tell: of each finished trial, of deaths (node, seconds, detail), of progress.

    `progress` gets how many units of all are done, `step` how many steps of a unit under way,
    and what a step of it is.
    """

    trial: Callable[[TrialResult], None]
    death: Callable[[str, float, str], None]
    progress: Callable[[int, int], None]
    step: Callable[[int, int, str], None] = lambda done, total, words: None


def run(
    engine: Engine,
    work: Work,
    limits: Limits,
    hearers: Hearers,
    *,
    lost: Collection[Slot] = (),
) -> Totals:
    """Do every unit of `work` on the engine's slots, except those that are lost already.

    Raises
    ------
    RunFailed
        If every slot is lost and none comes back.
    DeadlineError
        If the run's deadline passes first; finished trials were told by then.
    EngineLost
        If the engine goes away.
    """
    slots = [slot for slot in engine.slots if slot not in lost]
    return _Run(engine, slots, work, limits, hearers).to_the_end()


class _Run:
    def __init__(
        self,
        engine: Engine,
        slots: Sequence[Slot],
        work: Work,
        limits: Limits,
        hearers: Hearers,
    ) -> None:
        self._engine = engine
        self._work = work
        self._limits = limits
        self._hearers = hearers
        self._totals = Totals(units=len(work.units))
        self._ledger = Ledger(
            work.units,
            slots,
            max_attempts=limits.max_attempts,
            unit_seconds=limits.unit_seconds,
        )
        self._begin = self._last_alive = time.monotonic()
        self._last_death = "none was ever there"

    def to_the_end(self) -> Totals:
        """Hand out, listen and decide until every unit is settled."""
        self._hearers.progress(self._ledger.settled, self._totals.units)
        while not self._ledger.finished:
            now = time.monotonic()
            self._check_deadlines(now)
            for made in self._assigned(now):
                self._engine.submit(
                    made.ticket, made.slot, made.unit, self._limits.unit_seconds
                )
            if self._ledger.finished:
                break
            for report in self._engine.wait(POLL_SECONDS):
                self._hear(report)
            self._tell(self._ledger.overdue(time.monotonic()))
            self._hearers.progress(self._ledger.settled, self._totals.units)
        self._hearers.progress(self._ledger.settled, self._totals.units)
        self._totals.wall_seconds = time.monotonic() - self._begin
        self._totals.retries, self._totals.late = self._ledger.retries, self._ledger.late
        return self._totals

    def _assigned(self, now: float) -> list[Assignment]:
        """Return what is to be started, with arguments that were not known before."""
        work = self._work
        if not isinstance(work, Stepwise):
            return self._ledger.assign(now, work.needed)
        return [
            dataclasses.replace(
                made,
                unit=dataclasses.replace(
                    made.unit, arguments=work.arguments(made.unit.unit_id)
                ),
            )
            for made in self._ledger.assign(now, work.needed, work.ready)
        ]

    def _hear(self, report: Report) -> None:
        if isinstance(report, Finished):
            self._tell(self._ledger.report(report.ticket, report.outcome))
        elif isinstance(report, Told):
            self._hearers.step(report.done, report.total, report.words)
        elif report.slot not in self._engine.slots:  # a node that a program computes on
            if isinstance(report, Lost):
                self._tell([Death(report.slot.node, report.detail)])
        elif isinstance(report, Lost):
            self._tell(self._ledger.lose(report.slot, report.detail))
        else:
            self._ledger.restore(report.slot)

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Death):
                self._last_death = f"{event.node}: {event.detail}"
                seconds = time.monotonic() - self._begin
                self._hearers.death(event.node, seconds, event.detail)
            else:
                for result in self._results(event):
                    self._hearers.trial(result)

    def _results(self, event: Done | GivenUp) -> list[TrialResult]:
        name = event.unit.unit_id
        if isinstance(event, GivenUp):
            return self._work.give_up(
                name, event.reason, nodes=event.nodes, attempts=event.attempts
            )
        self._totals.cpu_seconds += event.outcome.cpu_seconds
        return self._work.accept(name, event.outcome, node=event.node, attempts=event.attempts)

    def _check_deadlines(self, now: float) -> None:
        done = f"{self._ledger.settled} of {self._totals.units} units done"
        if now - self._begin >= self._limits.run_seconds:
            raise DeadlineError(
                waited_for="the run to end",
                whom="all nodes together",
                seconds=now - self._begin,
                last_state=done,
                next_step="fab sweep.run goes on from there; a longer deadline may help",
            )
        if self._ledger.live_slots:
            self._last_alive = now
        elif now - self._last_alive >= self._limits.patience_seconds:
            raise RunFailed(
                f"No node is left to work on ({done}).",
                cause=f"The last death was {self._last_death}",
                next_step="fab cluster.start brings the cluster back; then run the sweep again",
            )
