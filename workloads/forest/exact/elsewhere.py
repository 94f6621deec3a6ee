"""Units of a search on the slots of an engine that runs already.

The queue is held here: a slot has one unit at a time, values come in the order in which they
are ready, a unit that was lost with its slot is tried again on another node, and the first
value of a unit counts.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.errors import TandemError
from workloads.driver.ledger import Done, Event, GivenUp, Ledger
from workloads.engines import Back, Engine, Finished, Lost, Report, Unit

POLL_SECONDS = 1.0


class UnitsFailed(TandemError):
    """A unit of the search failed for good, or no slot is left."""


class UnitsElsewhere:
    """What `ExactForestSearchCV` takes as its `engine`; see `on_ray` and `on_dask`.

    Parameters
    ----------
    tries : int
        How often a unit is tried before the search fails.
    unit_seconds : float
        How long one try may take.
    patience_seconds : float
        How long the search waits without any slot that works.
    """

    def __init__(
        self, *, tries: int = 3, unit_seconds: float = 300.0, patience_seconds: float = 120.0
    ) -> None:
        self.tries = tries
        self.unit_seconds = unit_seconds
        self.patience_seconds = patience_seconds

    def __deepcopy__(self, memo: dict[int, Any]) -> "UnitsElsewhere":
        return self  # clones of a search share the connection

    def run(self, units: Sequence[Unit]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Do every unit and yield its id and value, in the order in which they are ready.

        Raises
        ------
        UnitsFailed
            If a unit fails for good, or no slot is left.
        EngineLost
            If the engine goes away.
        """
        if not units:
            return
        arguments = units[0].arguments
        engine = self.open(Path(arguments["folder"]) / arguments["data"])
        try:
            engine.connect(self.patience_seconds)
            yield from self._values(engine, units)
        finally:
            engine.close()

    def open(self, data: Path) -> Engine:
        """Return the engine, which brings the data file to every node before its first unit.

        It begins without slots and reports each as `Back` once it is ready.
        """
        raise NotImplementedError

    def _values(
        self, engine: Engine, units: Sequence[Unit]
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        ledger = Ledger(units, (), max_attempts=self.tries, unit_seconds=self.unit_seconds)
        alive, last_loss = time.monotonic(), "no slot was ever ready"
        while not ledger.finished:
            now = time.monotonic()
            if ledger.live_slots:
                alive = now
            elif now - alive > self.patience_seconds:
                raise _failed(f"no slot is left, after {now - alive:.0f} s", last_loss)
            for made in ledger.assign(now, lambda _: True):
                engine.submit(made.ticket, made.slot, made.unit, self.unit_seconds)
            for report in engine.wait(POLL_SECONDS):
                if isinstance(report, Lost):
                    last_loss = f"{report.slot.name}: {report.detail}"
                for event in _heard(ledger, report):
                    if isinstance(event, Done):
                        yield event.unit.unit_id, event.outcome.value
                    _check(event)
            for event in ledger.overdue(time.monotonic()):
                _check(event)


def _heard(ledger: Ledger, report: Report) -> Sequence[Event]:
    if isinstance(report, Finished):
        return ledger.report(report.ticket, report.outcome)
    if isinstance(report, Lost):
        return ledger.lose(report.slot, report.detail)
    if isinstance(report, Back):
        ledger.restore(report.slot)
    return ()


def _check(event: Event) -> None:
    if isinstance(event, GivenUp):
        raise _failed(f"the unit {event.unit.unit_id} failed", event.reason)


def _failed(what: str, cause: str) -> UnitsFailed:
    return UnitsFailed(
        f"The search cannot go on: {what}.",
        cause=cause,
        next_step="mend what it says; without engine= the same search runs on this machine",
    )
