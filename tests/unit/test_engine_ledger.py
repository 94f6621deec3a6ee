"""The executor's decisions, one event at a time: no engine, no clock, no waiting."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.driver.ledger import GRACE_SECONDS, Death, Done, GivenUp, Ledger
from workloads.engines import Outcome, Slot, Unit

A, B, C = Slot("node-a", 0), Slot("node-b", 0), Slot("node-c", 0)
OK = Outcome("ok", 1, cpu_seconds=2.0)
KILLED = Outcome("killed", reason="its process was ended by SIGKILL")


def units(count, weights=None):
    return [Unit(f"u{i}", "m:f", {}, (weights or [1.0] * count)[i]) for i in range(count)]


def ledger(count=1, slots=(A, B), *, weights=None, max_attempts=3, unit_seconds=60.0):
    return Ledger(
        units(count, weights), slots, max_attempts=max_attempts, unit_seconds=unit_seconds
    )


def assign(book, now=0.0):
    return {made.slot: made for made in book.assign(now, lambda name: True)}


def test_every_slot_gets_one_unit_and_not_two():
    book = ledger(5)
    assert set(assign(book)) == {A, B}
    assert assign(book) == {}


def test_the_longest_go_first_and_equals_in_their_order():
    book = ledger(4, [A], weights=[1.0, 3.0, 2.0, 3.0])
    order = []
    while not book.finished:
        made = assign(book)[A]
        order.append(made.unit.unit_id)
        book.report(made.ticket, OK)
    assert order == ["u1", "u3", "u2", "u0"]


def test_a_result_settles_its_unit():
    book = ledger(1)
    made = assign(book)[A]
    (event,) = book.report(made.ticket, OK)
    assert event == Done(made.unit, OK, "node-a", 1)
    assert book.finished


def test_an_error_of_the_unit_itself_is_final_at_the_first_try():
    book = ledger(1)
    made = assign(book)[A]
    (event,) = book.report(made.ticket, Outcome("error", reason="ValueError: no"))
    assert event == GivenUp(made.unit, "ValueError: no", ("node-a",), 1)
    assert book.finished
    assert book.retries == 0


def test_a_lost_unit_is_retried_first_and_on_another_node():
    book = ledger(3, [A, B], weights=[1.0, 2.0, 9.0])
    lost = assign(book)[A]
    assert lost.unit.unit_id == "u2"
    assert book.lose(A, "node is gone") == [Death("node-a", "node is gone")]
    book.report("u1#1", OK)
    again = assign(book)[B]
    assert (again.unit.unit_id, again.attempt) == ("u2", 2)
    assert book.retries == 1


def test_a_unit_waits_for_another_node_rather_than_go_back_where_it_died():
    book = ledger(2, [A, B])
    first = assign(book)[A]
    book.report(first.ticket, KILLED)
    assert assign(book) == {}  # node-b is busy, and node-a has killed it once
    book.report("u1#1", OK)
    assert assign(book)[B].unit.unit_id == "u0"


def test_with_one_node_left_a_unit_goes_back_to_it():
    book = ledger(1, [A])
    made = assign(book)[A]
    book.report(made.ticket, KILLED)
    assert assign(book)[A].attempt == 2


def test_a_unit_that_kills_three_workers_is_given_up_with_the_reason():
    book = ledger(1, [A, B, C])
    events = []
    for _ in range(3):
        (made,) = assign(book).values()
        events += book.lose(made.slot, "died")
    assert [type(event) for event in events] == [Death, Death, Death, GivenUp]
    assert events[-1].reason == "node-c was lost: died (tried 3 times)"
    assert events[-1].nodes == ("node-a", "node-b", "node-c")
    assert book.finished


@pytest.mark.parametrize("status", ["memory", "timeout"])
def test_a_unit_at_fault_itself_gets_one_more_try_and_no_third(status):
    book = ledger(1, [A, B, C])
    for _ in range(2):
        (made,) = assign(book).values()
        events = book.report(made.ticket, Outcome(status, reason=status))
    assert isinstance(events[-1], GivenUp)
    assert events[-1].attempts == 2
    assert len(book.live_slots) == 3


def test_a_late_result_of_a_lost_slot_counts_and_its_retry_is_ignored():
    book = ledger(1, [A, B])
    first = assign(book)[A]
    book.lose(A, "cut off")
    second = assign(book)[B]
    (event,) = book.report(first.ticket, OK)
    assert event.node == "node-a"
    assert book.finished
    assert book.report(second.ticket, Outcome("ok", 2)) == []
    assert book.late == 1


def test_a_late_result_takes_a_waiting_unit_out_of_the_queue():
    book = ledger(1, [A, B])
    first = assign(book)[A]
    book.lose(A, "cut off")
    book.report(first.ticket, OK)
    assert assign(book) == {}


def test_a_late_failure_of_a_lost_slot_changes_nothing():
    book = ledger(1, [A, B])
    first = assign(book)[A]
    book.lose(A, "cut off")
    assert book.report(first.ticket, Outcome("error", reason="late")) == []
    assert not book.finished


def test_a_slot_that_is_silent_past_the_deadline_is_abandoned_and_used_again_if_it_answers():
    book = ledger(2, [A, B], unit_seconds=60)
    made = assign(book, now=0.0)
    book.report(made[B].ticket, OK)
    assert book.overdue(60 + GRACE_SECONDS - 1) == []
    (death,) = book.overdue(60 + GRACE_SECONDS)
    assert death.node == "node-a"
    assert book.live_slots == (B,)
    book.report(made[A].ticket, OK)
    assert set(book.live_slots) == {A, B}


def test_a_slot_dies_once_and_may_come_back():
    book = ledger(1, [A, B])
    assert len(book.lose(B, "x")) == 1
    assert book.lose(B, "x") == []
    book.restore(B)
    assert set(book.live_slots) == {A, B}


def test_a_unit_that_nobody_needs_is_never_started():
    book = ledger(3, [A])
    made = book.assign(0.0, lambda name: name == "u2")
    assert [one.unit.unit_id for one in made] == ["u2"]
    book.report("u2#1", OK)
    assert book.finished


def test_an_unknown_ticket_and_a_unit_given_twice_are_refused():
    with pytest.raises(KeyError, match="u9"):
        ledger(1).report("u9#1", OK)
    with pytest.raises(ValueError, match="same unit_id"):
        Ledger([*units(1), *units(1)], [A], max_attempts=1, unit_seconds=1)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_whatever_happens_each_unit_is_settled_once_and_within_its_tries(data):
    """Random losses, returns, failures and late results, until nothing is left to do."""
    slots = [Slot(f"n{i}", j) for i in range(3) for j in range(2)]
    book = ledger(6, slots, max_attempts=3)
    flying, lost, settled, tries = {}, {}, [], {}

    def take(events):
        settled.extend(e.unit.unit_id for e in events if not isinstance(e, Death))

    for step in range(400):
        for made in book.assign(float(step), lambda name: True):
            assert made.slot not in {one.slot for one in flying.values()}
            tries[made.unit.unit_id] = tries.get(made.unit.unit_id, 0) + 1
            flying[made.ticket] = made
        if book.finished:
            break
        move = data.draw(st.sampled_from(["ok", "killed", "memory", "lose", "back", "late"]))
        if move in ("ok", "killed", "memory") and flying:
            ticket = data.draw(st.sampled_from(sorted(flying)))
            del flying[ticket]
            take(book.report(ticket, Outcome(move, 1)))
        elif move == "lose" and book.live_slots:
            slot = data.draw(st.sampled_from(book.live_slots))
            take(book.lose(slot, "lost"))
            for ticket in [t for t, one in flying.items() if one.slot == slot]:
                lost[ticket] = flying.pop(ticket)
        elif move == "back":
            book.restore(data.draw(st.sampled_from(slots)))
        elif move == "late" and lost:
            ticket = data.draw(st.sampled_from(sorted(lost)))
            del lost[ticket]
            take(book.report(ticket, OK))
    for slot in slots:  # whatever is still open can be ended well
        book.restore(slot)
    while not book.finished:
        for made in book.assign(1e6, lambda name: True):
            tries[made.unit.unit_id] = tries.get(made.unit.unit_id, 0) + 1
            flying[made.ticket] = made
        ticket = next(iter(flying))
        del flying[ticket]
        take(book.report(ticket, OK))
    assert sorted(settled) == [f"u{i}" for i in range(6)]
    assert max(tries.values()) <= 3
    assert book.settled == 6
