"""What happens on every node before the clock starts, and the log that a driver writes."""

import json

import pytest

from contracts.errors import DeadlineError
from contracts.trial import TrialResult
from tests.doubles.scripted_engine import ScriptedEngine, ok
from workloads.driver import run as driver
from workloads.driver.phases import PhaseFailed, check_same, do_everywhere
from workloads.driver.run_log import RunLog
from workloads.engines import Back, Finished, Lost, Outcome, Slot, Unit

A, B = Slot("node-a", 0), Slot("node-b", 0)


def lines(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def everywhere(answer, slots=(A, B), seconds=5.0):
    deaths = []
    engine = ScriptedEngine(slots, answer)
    tell = lambda node, seconds, detail: deaths.append((node, detail))  # noqa: E731
    return do_everywhere(engine, Unit("data", "m:f"), slots, seconds, tell), deaths


def test_a_phase_asks_every_slot():
    found, deaths = everywhere(lambda ticket, slot, unit: [ok(ticket, slot.node)])
    assert found.values == {A: "node-a", B: "node-b"}
    assert deaths == []


def test_a_phase_names_the_node_that_failed():
    def answer(ticket, slot, unit):
        wrong = Finished(ticket, Outcome("error", reason="no space left"))
        return [wrong] if slot == B else [ok(ticket)]

    with pytest.raises(PhaseFailed, match="failed on node-b: no space left"):
        everywhere(answer)


def test_a_phase_goes_on_without_a_lost_node_and_takes_it_back():
    def lose(ticket, slot, unit):
        return [Lost(B, "gone")] if slot == B else [ok(ticket)]

    found, deaths = everywhere(lose)
    assert (set(found.values), found.lost) == ({A}, {B})
    assert deaths == [("node-b", "gone")]

    def lose_once(ticket, slot, unit):
        return [Lost(B, "gone"), Back(B)] if ticket == "data/node-b#1" else [ok(ticket)]

    found, _ = everywhere(lose_once, slots=(B, A))
    assert (set(found.values), found.lost) == ({A, B}, set())


def test_a_phase_repeats_what_was_killed_once():
    def answer(ticket, slot, unit):
        killed = Finished(ticket, Outcome("killed", reason="SIGKILL"))
        return [killed] if ticket.startswith("data/node-b") else [ok(ticket)]

    with pytest.raises(PhaseFailed, match="failed on node-b: SIGKILL"):
        everywhere(answer)


def test_a_phase_has_a_deadline_that_names_who_is_silent():
    with pytest.raises(DeadlineError, match="on node-b for the data to end"):
        everywhere(lambda ticket, slot, unit: [ok(ticket)] if slot == A else [], seconds=0.1)


def test_a_phase_without_any_node_left_fails():
    with pytest.raises(PhaseFailed, match="No node is left"):
        everywhere(lambda ticket, slot, unit: [Lost(slot, "gone")])


def test_every_node_that_differs_is_named_with_the_difference():
    same = {"version": "digits-1", "sha256": {"X.npy": "aa"}}
    other = {"version": "digits-1", "sha256": {"X.npy": "bb"}}
    check_same({A: same, B: dict(same)}, head="node-a")
    with pytest.raises(PhaseFailed, match="node-b: sha256") as failure:
        check_same({A: same, B: other}, head="node-a")
    assert "node-a:" not in str(failure.value)


def test_a_log_cuts_a_torn_tail_and_keeps_every_whole_line(tmp_path):
    path = tmp_path / "results.jsonl"
    log = RunLog(path)
    log.trial(TrialResult("0" * 20, "ok", {"a": 1}, (0.5,)))
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole + whole[:cut])
        again = RunLog(path)
        assert path.read_bytes() == whole
        assert list(again.results) == ["0" * 20]


def test_a_damaged_line_is_a_trial_to_do_again(tmp_path):
    path = tmp_path / "results.jsonl"
    RunLog(path).trial(TrialResult("0" * 20, "ok", {"a": 1}, (0.5,)))
    path.write_bytes(path.read_bytes().replace(b"0.5", b"x.5") + b"[1]\n\xff\n")
    assert RunLog(path).results == {}


def test_progress_is_rare_but_always_told_at_the_end(tmp_path):
    log = RunLog(tmp_path / "results.jsonl")
    for done in range(101):
        log.progress(done, 100)
    log.progress(100, 100)
    told = lines(tmp_path)
    assert told[-1] == {"kind": "progress", "done": 100, "total": 100}
    assert len(told) <= 3


def test_the_deadlines_of_the_phases_are_generous_and_finite():
    assert 60 <= driver.CONNECT_SECONDS <= driver.DATA_SECONDS < 3600
