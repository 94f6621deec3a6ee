"""Who works on what, and what became of it: the executor's decisions, without any I/O.

The ledger is a state machine. It is told what happened, with the time, and answers with
events; it never waits and never looks at a clock, so that every order of losses, late
results and deadlines can be tried in a test.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from workloads.engines import Outcome, Slot, Unit

GRACE_SECONDS = 30.0
TRIES_OF_ITS_OWN_FAULT = 2


@dataclass(frozen=True)
class Assignment:
    """One attempt at a unit on a slot; `ticket` names it, attempts count from 1."""

    ticket: str
    unit: Unit
    slot: Slot
    attempt: int


@dataclass(frozen=True)
class Done:
    """A unit ended well."""

    unit: Unit
    outcome: Outcome
    node: str
    attempts: int


@dataclass(frozen=True)
class GivenUp:
    """A unit failed for good; `nodes` are those on which it was tried."""

    unit: Unit
    reason: str
    nodes: tuple[str, ...]
    attempts: int


@dataclass(frozen=True)
class Death:
    """A process or a whole slot died; the run goes on without it or with its successor."""

    node: str
    detail: str


Event = Done | GivenUp | Death


@dataclass
class _Record:
    """All that is known of one unit."""

    unit: Unit
    order: int
    attempts: int = 0
    faults: int = 0
    nodes: list[str] = field(default_factory=list)
    bad_nodes: set[str] = field(default_factory=set)
    settled: bool = False


class Ledger:
    """The queue of a run, held here and not by the engine.

    At most one attempt per slot is out at a time. The longest units go first, those that
    were tried before ahead of all others. An attempt that was lost is tried again, on
    another node where there is one, up to `max_attempts`; a unit that overran or ran out of
    memory gets one more try, and its own exception is final. The first result of a unit
    counts, whichever attempt it comes from.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        slots: Sequence[Slot],
        *,
        max_attempts: int,
        unit_seconds: float,
    ) -> None:
        self._records = {unit.unit_id: _Record(unit, i) for i, unit in enumerate(units)}
        if len(self._records) != len(units):
            raise ValueError("two units have the same unit_id")
        self._slots: dict[Slot, Assignment | None] = dict.fromkeys(slots)
        self._given_out: dict[str, Assignment] = {}
        self._since: dict[str, float] = {}
        self._max_attempts = max_attempts
        self._unit_seconds = unit_seconds
        self._waiting = sorted(self._records.values(), key=_turn)
        self._hung: set[Slot] = set()
        self.settled = 0
        self.retries = 0
        self.late = 0

    @property
    def finished(self) -> bool:
        """Whether every unit is settled."""
        return self.settled == len(self._records)

    @property
    def live_slots(self) -> tuple[Slot, ...]:
        """The slots that work or could work."""
        return tuple(self._slots)

    def assign(
        self,
        now: float,
        needed: Callable[[str], bool],
        ready: Callable[[str], bool] = lambda unit_id: True,
    ) -> list[Assignment]:
        """Hand a waiting unit to every idle slot; a unit that nobody needs is dropped.

        A unit that is not ready goes on waiting, and others pass it.
        """
        made = []
        for slot, busy in list(self._slots.items()):
            record = None if busy else self._next_for(slot, needed, ready)
            if record is not None:
                made.append(self._start(record, slot, now))
        return made

    def report(self, ticket: str, outcome: Outcome) -> list[Event]:
        """Take the end of an attempt; a ticket that was not given out is refused."""
        assignment = self._given_out.get(ticket)
        if assignment is None:
            raise KeyError(f"no attempt has the ticket {ticket!r}")
        current = ticket in self._since
        self._free(assignment)
        if assignment.slot in self._hung:
            self.restore(assignment.slot)
        record = self._records[assignment.unit.unit_id]
        if record.settled or (not current and outcome.status != "ok"):
            self.late += 1
            return []
        if outcome.status == "ok":
            self._settle(record)
            return [Done(record.unit, outcome, assignment.slot.node, record.attempts)]
        return self._failed(record, assignment, outcome)

    def lose(self, slot: Slot, detail: str) -> list[Event]:
        """Take the loss of a slot, with what it was working on; a slot dies only once."""
        if slot not in self._slots:
            return []
        assignment = self._slots.pop(slot)
        events: list[Event] = [Death(slot.node, detail)]
        if assignment is not None:
            self._since.pop(assignment.ticket, None)
            record = self._records[assignment.unit.unit_id]
            reason = f"{slot.name} was lost: {detail}"
            events += self._retry_or_give_up(record, assignment, reason, self._max_attempts)
        return events

    def restore(self, slot: Slot) -> None:
        """Take a slot that works again into use."""
        self._hung.discard(slot)
        self._slots.setdefault(slot, None)

    def overdue(self, now: float) -> list[Event]:
        """Abandon each slot that should long have ended its unit, and did not say so.

        A unit's own process is ended at the unit's deadline where it runs; when no word of
        that comes either, the slot itself hangs. If it answers after all, it is used again.
        """
        limit = self._unit_seconds + GRACE_SECONDS
        events: list[Event] = []
        for ticket, since in list(self._since.items()):
            if now - since >= limit:
                slot = self._given_out[ticket].slot
                events += self.lose(slot, f"no answer for {now - since:.0f} s")
                self._hung.add(slot)
        return events

    def _next_for(
        self, slot: Slot, needed: Callable[[str], bool], ready: Callable[[str], bool]
    ) -> _Record | None:
        nodes = {live.node for live in self._slots}
        passed_over: list[_Record] = []
        chosen = None
        while self._waiting and chosen is None:
            record = self._waiting.pop(0)
            if record.settled:
                continue
            if not needed(record.unit.unit_id):
                self._settle(record)
            elif not ready(record.unit.unit_id):
                passed_over.append(record)
            elif slot.node not in record.bad_nodes or nodes <= record.bad_nodes:
                chosen = record
            else:
                passed_over.append(record)
        self._waiting[:0] = passed_over
        return chosen

    def _settle(self, record: _Record) -> None:
        record.settled = True
        self.settled += 1

    def _start(self, record: _Record, slot: Slot, now: float) -> Assignment:
        record.attempts += 1
        record.nodes.append(slot.node)
        ticket = f"{record.unit.unit_id}#{record.attempts}"
        assignment = Assignment(ticket, record.unit, slot, record.attempts)
        self._slots[slot] = self._given_out[ticket] = assignment
        self._since[ticket] = now
        return assignment

    def _free(self, assignment: Assignment) -> None:
        self._since.pop(assignment.ticket, None)
        if self._slots.get(assignment.slot) is assignment:
            self._slots[assignment.slot] = None

    def _failed(self, record: _Record, assignment: Assignment, outcome: Outcome) -> list[Event]:
        if outcome.status == "error":
            self._settle(record)
            return [_given_up(record, outcome.reason)]
        events: list[Event] = [Death(assignment.slot.node, f"{_words(record)}{outcome.reason}")]
        cap = self._max_attempts
        if outcome.status in ("memory", "timeout"):
            record.faults += 1
            if record.faults >= TRIES_OF_ITS_OWN_FAULT:
                cap = record.attempts
        return events + self._retry_or_give_up(record, assignment, outcome.reason, cap)

    def _retry_or_give_up(
        self, record: _Record, assignment: Assignment, reason: str, cap: int
    ) -> list[Event]:
        if record.settled:
            return []
        record.bad_nodes.add(assignment.slot.node)
        if record.attempts >= cap:
            self._settle(record)
            return [_given_up(record, reason)]
        self.retries += 1
        self._waiting.append(record)
        self._waiting.sort(key=_turn)
        return []


def _turn(record: _Record) -> tuple[bool, float, int]:
    return (record.attempts == 0, -record.unit.weight, record.order)


def _words(record: _Record) -> str:
    return f"unit {record.unit.unit_id}: "


def _given_up(record: _Record, reason: str) -> GivenUp:
    tries = f" (tried {record.attempts} times)" if record.attempts > 1 else ""
    nodes = tuple(dict.fromkeys(record.nodes))
    return GivenUp(record.unit, reason + tries, nodes, record.attempts)
