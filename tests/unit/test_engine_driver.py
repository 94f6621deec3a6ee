"""The driver of a run, from its specification to the last line of its log."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contracts.errors import DeadlineError, TandemError
from contracts.files import single_writer
from contracts.trial import TrialResult
from tests.doubles.run_specs import run_spec, write_run
from tests.doubles.scripted_engine import ScriptedEngine, ok
from workloads import driver, forest, phases
from workloads.driver_output import DriverOutput
from workloads.engines import Back, EngineLost, Finished, Lost, Outcome, Slot, Unit
from workloads.phases import PhaseFailed, check_same, do_everywhere
from workloads.run_log import RunLog

ROOT = Path(__file__).resolve().parents[2]
TINY = {"dataset": "iris", "folds": 2, "grid": {"n_estimators": [2, 3], "max_depth": [2, 3]}}
A, B = Slot("node-a", 0), Slot("node-b", 0)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def lines(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def kinds(folder):
    return [line["kind"] for line in lines(folder)]


def start(spec_path):
    return subprocess.Popen(
        [sys.executable, "-m", "workloads.driver", str(spec_path)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def whole_run(home, tmp_path_factory):
    """A run that was driven to its end: its specification and its folder."""
    folder = tmp_path_factory.mktemp("run")
    spec = run_spec(home, TINY)
    assert driver.main([str(write_run(folder, spec))]) == 0
    return spec, folder


def test_a_run_from_end_to_end(whole_run):
    spec, folder = whole_run
    told = lines(folder)
    assert told[0]["kind"] == "started"
    assert told[0]["pid"] == os.getpid()
    assert {"python", "scikit-learn", "numpy"} <= set(told[0]["versions"])
    names = [line["name"] for line in told if line["kind"] == "phase"]
    assert names == ["connect", "data", "warmup", "work"]
    assert told[-1]["kind"] == "finished"
    assert told[-1]["summary"]["data"] == spec.parameters["data_version"]
    assert told[-1]["units"] == 8
    assert told[-1]["cpu_seconds"] > 0
    assert told[-1]["wall_seconds"] > 0


def test_the_operator_understands_every_line(whole_run):
    spec, folder = whole_run
    output = DriverOutput(spec.trials)
    results = list(output.feed((folder / "results.jsonl").read_bytes()))
    by_id = {result.trial_id: result.scores for result in results}
    plain = forest.plain(spec.parameters, spec.seed)
    assert [by_id[t.trial_id] for t in spec.trials] == [one.scores for one in plain]
    seen = output.observed
    assert (seen.rejected, seen.ended, seen.starts) == ([], "finished", 1)
    assert (seen.units_done, seen.units_total) == (8, 8)
    assert set(seen.phases) == {"connect", "data", "warmup", "work"}


def test_a_second_start_repeats_no_trial(whole_run, tmp_path):
    spec, folder = whole_run
    first = (folder / "results.jsonl").read_bytes()
    (tmp_path / "results.jsonl").write_bytes(first)
    driver.main([str(write_run(tmp_path, spec))])
    assert (tmp_path / "results.jsonl").read_bytes().startswith(first)
    assert kinds(tmp_path).count("trial") == 4
    last = lines(tmp_path)[-1]
    assert (last["kind"], last["units"]) == ("finished", 0)
    assert last["summary"]["trials_ok"] == 4


def test_a_driver_that_was_killed_goes_on_where_it_stopped(tmp_path, home):
    grid = {"n_estimators": [60], "ccp_alpha": [n / 1000 for n in range(12)]}
    spec = run_spec(home, {"dataset": "digits", "folds": 2, "grid": grid})
    path = write_run(tmp_path, spec)
    log = tmp_path / "results.jsonl"
    with start(path) as process:
        give_up = time.monotonic() + 120
        while not log.exists() or log.read_text().count('"kind": "trial"') < 3:
            assert time.monotonic() < give_up, "the driver finished no trial"
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    kept = log.read_bytes()
    assert b'"finished"' not in kept
    with open(log, "ab") as stream:
        stream.write(b'{"kind": "trial", "trial_id": "half a li')
    with start(path) as process:
        assert process.wait(timeout=120) == 0
    assert log.read_bytes().startswith(kept)
    told = lines(tmp_path)
    trials = [line["trial_id"] for line in told if line["kind"] == "trial"]
    assert sorted(trials) == sorted(trial.trial_id for trial in spec.trials)
    assert [line["kind"] for line in told].count("started") == 2
    scores = {line["trial_id"]: line["scores"] for line in told if line["kind"] == "trial"}
    plain = forest.plain(spec.parameters, spec.seed)
    assert [scores[t.trial_id] for t in spec.trials] == [list(p.scores) for p in plain]


def test_a_driver_that_is_asked_to_stop_says_so_and_leaves_no_process(tmp_path, home):
    spec = run_spec(home, {"dataset": "digits", "folds": 2, "grid": {"n_estimators": [20000]}})
    path = write_run(tmp_path, spec)
    with start(path) as process:
        give_up = time.monotonic() + 120
        while (
            "warmup" not in (tmp_path / "results.jsonl").read_text()
            if (tmp_path / "results.jsonl").exists()
            else True
        ):
            assert time.monotonic() < give_up
            time.sleep(0.05)
        children = _children(process.pid)
        assert children
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 130
    assert lines(tmp_path)[-1] == {"kind": "failed", "reason": "The driver was stopped."}
    for child in children:
        assert not Path(f"/proc/{child}").exists()


def _children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_a_unit_that_hangs_fails_its_trial_and_the_others_finish(tmp_path, home):
    grid = {"n_estimators": [3, 200_000]}
    spec = run_spec(
        home,
        {"dataset": "iris", "folds": 2, "grid": grid},
        unit_deadline_seconds=1.0,
    )
    driver.main([str(write_run(tmp_path, spec))])
    by_status = {line["status"]: line for line in lines(tmp_path) if line["kind"] == "trial"}
    assert by_status["ok"]["parameters"] == {"n_estimators": 3}
    assert by_status["failed"]["reason"] == "did not end within 1 s (tried 2 times)"
    assert kinds(tmp_path)[-1] == "finished"
    assert kinds(tmp_path).count("death") == 2


def test_a_run_past_its_deadline_ends_with_the_reason(tmp_path, home):
    grid = {"n_estimators": [100_000]}
    spec = run_spec(
        home, {"dataset": "iris", "folds": 2, "grid": grid}, run_deadline_seconds=0.5
    )
    code = driver.main([str(write_run(tmp_path, spec))])
    assert code == 5
    assert lines(tmp_path)[-1]["kind"] == "failed"
    assert "0 of 2 units done" in lines(tmp_path)[-1]["reason"]


def test_a_node_with_other_data_is_named(tmp_path, home):
    spec = run_spec(home, TINY)
    other = {**spec.parameters, "data_version": "iris-0123456789ab"}
    spec = dataclasses.replace(spec, parameters=other)
    assert driver.main([str(write_run(tmp_path, spec))]) == 1
    reason = lines(tmp_path)[-1]["reason"]
    assert "data failed on head" in reason
    assert "other data than iris-0123456789ab" in reason


def test_two_drivers_of_one_run_are_refused(tmp_path, home):
    path = write_run(tmp_path, run_spec(home, TINY))
    with (
        single_writer(tmp_path / "driver.lock", purpose="the first"),
        pytest.raises(TandemError, match="already under way"),
    ):
        driver.main([str(path)])
    assert not (tmp_path / "results.jsonl").exists()


def test_an_engine_that_is_gone_is_the_last_line(tmp_path, home, monkeypatch):
    class Gone(ScriptedEngine):
        def connect(self, timeout):
            raise EngineLost("Nobody answers at 10.0.0.2:6379.")

    engine = Gone([A], lambda *_: [])
    monkeypatch.setattr(driver, "open_engine", lambda spec: engine)
    assert driver.main([str(write_run(tmp_path, run_spec(home, TINY)))]) == 1
    assert lines(tmp_path)[-1] == {
        "kind": "failed",
        "reason": "Nobody answers at 10.0.0.2:6379.",
    }
    assert engine.closed


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
    assert phases.TRIES == 2
