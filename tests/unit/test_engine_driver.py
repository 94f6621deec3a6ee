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

from contracts.errors import TandemError
from contracts.files import single_writer
from tests.chaos.checker import faults, mutants
from tests.doubles.run_specs import chaos_spec, run_spec, write_run
from tests.doubles.scripted_engine import ScriptedEngine
from workloads import forest, registry
from workloads.driver import run as driver
from workloads.engines import EngineLost, Slot
from workloads.sweeps.driver_output import DriverOutput

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TINY = {"dataset": "iris", "folds": 2, "grid": {"n_estimators": [2, 3], "max_depth": [2, 3]}}
A = Slot("node-a", 0)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def lines(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def kinds(folder):
    return [line["kind"] for line in lines(folder)]


CHAOS = """
import sys
from workloads import registry
from workloads.driver import run as driver
registry._MODULES["chaos"] = "tests.chaos.chaos_workload"
sys.exit(driver.main(sys.argv[1:]))
"""


def start(spec_path):
    """Start a driver that knows the workload of the fault tests as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", CHAOS, str(spec_path)], cwd=ROOT, stdout=subprocess.DEVNULL
    )


@pytest.fixture
def chaos(monkeypatch):
    monkeypatch.setitem(registry._MODULES, "chaos", "tests.chaos.chaos_workload")


def wait_for(log, words):
    give_up = time.monotonic() + 120
    while not log.exists() or words not in log.read_text():
        assert time.monotonic() < give_up, f"the driver did not write {words!r}"
        time.sleep(0.02)


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
    assert told[-1]["units"] == 2
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
    assert (seen.units_done, seen.units_total) == (2, 2)
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
    spec = chaos_spec(home, [{"kind": "sleep", "seconds": 0.05}] * 12)
    path = write_run(tmp_path, spec)
    log = tmp_path / "results.jsonl"
    with start(path) as process:
        wait_for(log, '"number": 2')
        assert process.poll() is None
        process.kill()
    kept = log.read_bytes()
    assert b'"finished"' not in kept
    with open(log, "ab") as stream:
        stream.write(b'{"kind": "trial", "trial_id": "half a li')
    with start(path) as process:
        assert process.wait(timeout=120) == 0
    assert log.read_bytes().startswith(kept)
    assert kinds(tmp_path).count("started") == 2
    assert faults(spec, lines(tmp_path)) == []
    for name, mutant in mutants(lines(tmp_path)).items():
        assert faults(spec, mutant) != [], f"the checker does not see {name}"


def test_a_driver_that_is_asked_to_stop_says_so_and_leaves_no_process(tmp_path, home):
    path = write_run(tmp_path, chaos_spec(home, [{"kind": "hang"}]))
    with start(path) as process:
        wait_for(tmp_path / "results.jsonl", "warmup")
        children = _children(process.pid)
        assert children
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 130
    assert lines(tmp_path)[-1] == {"kind": "failed", "reason": "The driver was stopped."}
    for child in children:
        assert not Path(f"/proc/{child}").exists()


def _children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_units_that_hang_die_or_raise_fail_alone(tmp_path, home, chaos):
    kinds_of_trial = ["hang", "die", "raise", "sleep", "sleep"]
    trials = [{"kind": kind} for kind in kinds_of_trial]
    spec = chaos_spec(home, trials, unit_deadline_seconds=0.5)
    assert driver.main([str(write_run(tmp_path, spec))]) == 0
    assert faults(spec, lines(tmp_path)) == []
    told = [line for line in lines(tmp_path) if line["kind"] == "trial"]
    found = {line["parameters"]["number"]: line["reason"] for line in told}
    assert found == {
        0: "did not end within 0 s (tried 2 times)",
        1: "its process was ended by SIGKILL (tried 3 times)",
        2: "ValueError: as it was told to",
        3: None,
        4: None,
    }
    assert kinds(tmp_path).count("death") == 5


def test_a_run_past_its_deadline_ends_with_the_reason(tmp_path, home, chaos):
    spec = chaos_spec(home, [{"kind": "hang"}], run_deadline_seconds=0.3)
    assert driver.main([str(write_run(tmp_path, spec))]) == 5
    assert lines(tmp_path)[-1]["kind"] == "failed"
    assert "0 of 1 units done" in lines(tmp_path)[-1]["reason"]


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


def test_the_last_line_does_not_wait_for_an_engine_that_is_slow_to_leave(
    tmp_path, home, monkeypatch
):
    told = []

    class Slow(ScriptedEngine):
        def connect(self, timeout):
            raise EngineLost("Nobody answers.")

        def close(self):
            told.extend(kinds(tmp_path))

    monkeypatch.setattr(driver, "open_engine", lambda spec: Slow([A], lambda *_: []))
    driver.main([str(write_run(tmp_path, run_spec(home, TINY)))])
    assert told == ["started", "failed"]


def test_a_specification_that_is_wrong_is_told_as_the_reason(tmp_path):
    (tmp_path / "spec.json").write_text('{"schema": 1, "engine": "spark"}')
    assert driver.main([str(tmp_path / "spec.json")]) == 2
    (line,) = lines(tmp_path)
    assert line["kind"] == "failed"
    assert "engine: must be one of ray, dask, plain, is 'spark'" in line["reason"]
