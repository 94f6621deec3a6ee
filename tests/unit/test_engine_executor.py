"""The executor against an engine that says what it was told to say."""

import pytest

from contracts.errors import DeadlineError
from tests.doubles.scripted_engine import CountingWork, ScriptedEngine, ok
from workloads.driver import executor
from workloads.driver.executor import Hearers, Limits, RunFailed
from workloads.engines import Back, EngineLost, Finished, Lost, Outcome, Slot

A, B = Slot("node-a", 0), Slot("node-b", 0)


class Heard:
    def __init__(self):
        self.trials, self.deaths, self.progress = [], [], []
        self.hearers = Hearers(
            self.trials.append,
            lambda node, seconds, detail: self.deaths.append((node, detail)),
            lambda done, total: self.progress.append((done, total)),
        )

    @property
    def scores(self):
        return {result.trial_id: result.scores for result in self.trials}


def limits(**changes):
    values = {"unit_seconds": 60, "run_seconds": 60, "patience_seconds": 0.0, **changes}
    return Limits(**values)


def run(engine, count=3, heard=None, **changes):
    heard = heard or Heard()
    totals = executor.run(engine, CountingWork(count), limits(**changes), heard.hearers)
    return totals, heard


def test_every_unit_is_done_and_told_once():
    engine = ScriptedEngine([A, B], lambda ticket, slot, unit: [ok(ticket)])
    totals, heard = run(engine, 5)
    assert sorted(heard.scores) == [f"u{i}" for i in range(5)]
    assert (totals.units, totals.retries, totals.late) == (5, 0, 0)
    assert totals.cpu_seconds == pytest.approx(1.25)
    assert heard.progress[-1] == (5, 5)
    assert heard.deaths == []


def test_no_slot_ever_has_two_units():
    busy = set()

    def answer(ticket, slot, unit):
        assert slot not in busy
        busy.add(slot)
        return [ok(ticket)]

    engine = ScriptedEngine([A, B], answer)
    original = engine.wait

    def wait(timeout):
        reports = original(timeout)
        for report in reports:
            busy.discard(dict((t, s) for t, s in engine.submitted)[report.ticket])
        return reports

    engine.wait = wait
    assert run(engine, 8)[0].units == 8


def test_a_lost_slot_costs_one_try_and_no_result():
    def answer(ticket, slot, unit):
        return [Lost(A, "cut off")] if ticket == "u0#1" else [ok(ticket)]

    totals, heard = run(ScriptedEngine([A, B], answer), 4)
    assert sorted(heard.scores) == ["u0", "u1", "u2", "u3"]
    assert heard.deaths == [("node-a", "cut off")]
    assert totals.retries == 1
    assert next(r for r in heard.trials if r.trial_id == "u0").nodes == ("node-b",)


def test_a_late_duplicate_is_not_told_twice():
    def answer(ticket, slot, unit):
        if ticket == "u0#1":
            return [Lost(A, "paused")]
        if ticket == "u0#2":
            return [ok("u0#1", 7.0), ok(ticket, 8.0)]
        return [ok(ticket)]

    _, heard = run(ScriptedEngine([A, B], answer), 2)
    assert heard.scores == {"u0": (7.0,), "u1": (1.0,)}
    assert len(heard.trials) == 2


def test_a_slot_that_comes_back_is_used():
    def answer(ticket, slot, unit):
        return [Lost(A, "restarts"), Back(A)] if ticket == "u0#1" else [ok(ticket)]

    engine = ScriptedEngine([A], answer)
    _, heard = run(engine, 2, patience_seconds=30)
    assert sorted(heard.scores) == ["u0", "u1"]
    assert engine.submitted[-1][1] == A


def test_with_every_slot_lost_the_run_fails_and_says_why():
    engine = ScriptedEngine([A], lambda ticket, slot, unit: [Lost(A, "power cut")])
    heard = Heard()
    with pytest.raises(RunFailed, match=r"No node is left.*0 of 2 units") as failure:
        run(engine, 2, heard)
    assert "node-a: power cut" in str(failure.value)
    assert heard.trials == []


def test_a_slot_that_was_lost_before_the_work_is_not_used():
    engine = ScriptedEngine([A, B], lambda ticket, slot, unit: [ok(ticket)])
    heard = Heard()
    executor.run(engine, CountingWork(3), limits(), heard.hearers, lost={A})
    assert {slot for _, slot in engine.submitted} == {B}


def test_a_failed_unit_is_a_result_and_its_neighbours_finish():
    def answer(ticket, slot, unit):
        failed = Finished(ticket, Outcome("error", reason="ValueError: no such"))
        return [failed] if unit.unit_id == "u1" else [ok(ticket)]

    _, heard = run(ScriptedEngine([A, B], answer), 3)
    by_id = {result.trial_id: result for result in heard.trials}
    assert by_id["u1"].status == "failed"
    assert by_id["u1"].reason == "ValueError: no such"
    assert [by_id[name].status for name in ("u0", "u2")] == ["ok", "ok"]


def test_the_run_has_a_deadline_and_keeps_what_was_told():
    def answer(ticket, slot, unit):
        return [ok(ticket)] if unit.unit_id == "u0" else []

    heard = Heard()
    with pytest.raises(DeadlineError, match="1 of 3 units done"):
        run(ScriptedEngine([A], answer), 3, heard, run_seconds=0.2)
    assert heard.scores == {"u0": (1.0,)}


def test_a_slot_that_never_answers_is_abandoned_and_its_unit_done_elsewhere(monkeypatch):
    monkeypatch.setattr("workloads.driver.ledger.GRACE_SECONDS", 0.05)

    def answer(ticket, slot, unit):
        return [] if slot == A else [ok(ticket)]

    _, heard = run(ScriptedEngine([A, B], answer), 2, unit_seconds=0.05)
    assert sorted(heard.scores) == ["u0", "u1"]
    assert [node for node, _ in heard.deaths] == ["node-a"]


def test_a_lost_engine_ends_the_run():
    def gone(waits):
        raise EngineLost("The scheduler is gone.")

    engine = ScriptedEngine([A], lambda ticket, slot, unit: [], gone)
    with pytest.raises(EngineLost, match="gone"):
        run(engine, 1)


def test_work_without_units_is_done_at_once():
    totals, heard = run(ScriptedEngine([A], lambda *_: []), 0)
    assert (totals.units, heard.trials) == (0, [])
