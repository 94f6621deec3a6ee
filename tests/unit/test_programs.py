"""Programs beside the driver: deadlines, failures, losses and resumption, as for units."""

import dataclasses
import json
import time

import pytest

from tests.doubles.drill import drill_spec
from tests.doubles.run_specs import write_run
from tests.doubles.scripted_engine import ScriptedEngine, ok
from workloads import registry
from workloads.driver import run as driver
from workloads.engines import Back, EngineLost, Finished, Lost, Outcome, Slot, Unit
from workloads.engines.program_engine import PROGRAM, ProgramEngine
from workloads.programs import ProgramWork
from workloads.sweeps.driver_output import DriverOutput

pytestmark = pytest.mark.slow
HEAD, WORKER = Slot("head", 0), Slot("worker-1", 0)
DRILL = "tests.doubles.drill"
TWO = {
    "nodes": ("head", "worker-1"),
    "addresses": {"head": "a", "worker-1": "b"},
    "slots": {"head": 1, "worker-1": 1},
}


@pytest.fixture(autouse=True)
def drill(monkeypatch):
    monkeypatch.setitem(registry._MODULES, "drill", DRILL)


def lines(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def results(folder):
    return {one["parameters"]["number"]: one for one in lines(folder) if one["kind"] == "trial"}


def drive(folder, spec):
    return driver.main([str(write_run(folder, spec))])


def test_a_run_of_programs_from_end_to_end(tmp_path):
    spec = drill_spec(tmp_path / "home", [{}, {"kind": "burn", "seconds": 0.3}])
    assert drive(tmp_path, spec) == 0
    told = lines(tmp_path)
    names = [line["name"] for line in told if line["kind"] == "phase"]
    assert names == ["connect", "data", "warmup", "work"]
    output = DriverOutput(spec.trials)
    found = list(output.feed((tmp_path / "results.jsonl").read_bytes()))
    assert [one.scores for one in found] == [(0.0,), (1 / 7,)]
    assert found[0].extra["slots"] == 1
    assert (output.observed.rejected, output.observed.ended) == ([], "finished")
    last = told[-1]
    assert 0.3 <= last["cpu_seconds"] < 5
    assert last["summary"]["data"] == "drill-1"
    assert last["summary"]["best_score"] == 1 / 7
    pids = {(tmp_path / "home" / f"attempts-{number}").read_text() for number in (0, 1)}
    assert len(pids) == 1, "one process serves all programs, connected once"


def test_programs_that_fail_are_results_with_reasons(tmp_path):
    kinds = ["hang", "die", "raise", "reason", "short", "score", "odd", "nan"]
    trials = [{"kind": kind} for kind in kinds]
    spec = drill_spec(tmp_path / "home", trials, unit_deadline_seconds=0.5)
    assert drive(tmp_path, spec) == 0
    found = results(tmp_path)
    reasons = {number: one["reason"] for number, one in found.items()}
    # Python 3.12 adds the value.
    assert reasons.pop(7).startswith("ValueError: Out of range float values are not JSON")
    assert reasons == {
        0: "did not end within 0 s (tried 2 times)",
        1: "its process was ended by SIGKILL (tried 3 times)",
        2: "ValueError: as it was told to",
        3: "it found nothing",
        4: "the program returned [] for 1 trials",
        5: None,
        6: "the program returned {'score': 1}, which has no scores",
    }
    deaths = {line["node"] for line in lines(tmp_path) if line["kind"] == "death"}
    assert deaths == {"program"}


def test_a_second_start_repeats_no_trial(tmp_path):
    spec = drill_spec(tmp_path / "home", [{}, {}])
    assert drive(tmp_path, spec) == 0
    assert drive(tmp_path, spec) == 0
    assert [line["kind"] for line in lines(tmp_path)].count("trial") == 2
    assert lines(tmp_path)[-1]["summary"]["trials_ok"] == 2
    assert len((tmp_path / "home" / "attempts-0").read_text().splitlines()) == 1


def test_plain_programs_may_use_every_core_of_the_machine_and_others_one(tmp_path):
    spec = drill_spec(tmp_path / "home", [{"kind": "threads"}], slots={"head": 2})
    assert drive(tmp_path, spec) == 0
    assert results(tmp_path)[0]["scores"] == [2.0]


def test_a_run_past_its_deadline_ends_the_program(tmp_path):
    spec = drill_spec(tmp_path / "home", [{"kind": "hang"}], run_deadline_seconds=1.0)
    assert drive(tmp_path, spec) == 5
    assert "0 of 1 units done" in lines(tmp_path)[-1]["reason"]


class Losing(ScriptedEngine):
    """Loses a node once the program has begun, and again."""

    def __init__(self, home):
        super().__init__([HEAD, WORKER], lambda *_: [])
        self._home, self.released = home, False

    def submit(self, ticket, slot, unit, deadline_seconds):
        self._reports.append(Finished(ticket, Outcome("ok", {"version": "drill-1"})))

    def release(self):
        self.released = True

    def wait(self, timeout):
        begun = (self._home / "attempts-0").exists()
        if self.released and begun and self.waits < 100:
            self.waits = 100
            return [Lost(WORKER, "its worker left")]
        return super().wait(timeout) if not self.released else []


def test_a_lost_node_ends_the_program_which_is_tried_again(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    engine = Losing(home)
    monkeypatch.setattr(driver, "open_engine", lambda spec: engine)
    spec = drill_spec(home, [{"kind": "hang once"}], **TWO)
    begin = time.monotonic()
    assert drive(tmp_path, spec) == 0
    assert time.monotonic() - begin < 60
    assert engine.released
    assert engine.closed
    deaths = [(line["node"], line["detail"]) for line in lines(tmp_path)
              if line["kind"] == "death"]  # fmt: skip
    assert deaths[0] == ("worker-1", "its worker left")
    assert deaths[1][0] == "program"
    assert deaths[1][1].endswith("it was ended because worker-1 was lost meanwhile")
    found = results(tmp_path)[0]
    assert (found["status"], found["attempts"]) == ("ok", 2)


def test_a_node_is_told_lost_once_until_it_is_back(tmp_path):
    reports = [Lost(WORKER, "a"), Lost(Slot("worker-1", 1), "b"), Back(WORKER),
               Lost(WORKER, "c")]  # fmt: skip
    engine = ScriptedEngine([HEAD], lambda *_: [], lambda waits: reports[waits - 1 : waits])
    engine.release = lambda: None
    programs = ProgramEngine(drill_spec(tmp_path, [{}], **TWO), engine)
    told = [one for _ in range(6) for one in programs.wait(0.01)]
    assert [one.detail for one in told] == ["a", "c"]
    programs.close()


def test_a_program_without_any_node_left_is_not_waited_for(tmp_path):
    lost = [Lost(HEAD, "a"), Lost(WORKER, "b")]
    engine = ScriptedEngine(
        [HEAD, WORKER], lambda *_: [], lambda waits: lost[waits - 1 : waits]
    )
    engine.release = lambda: None
    programs = ProgramEngine(drill_spec(tmp_path, [{}], **TWO), engine)
    assert [one.detail for one in programs.wait(0.01)] == ["a"]
    with pytest.raises(EngineLost, match="No node is left to compute on: head, worker-1 lost"):
        programs.wait(0.01)
    programs.close()


def test_results_of_a_program_belong_to_its_trials_in_order():
    spec = drill_spec("/nowhere", [{}, {}, {}], **TWO)
    unit = Unit("all", f"{DRILL}:perform", program=True)
    work = ProgramWork(spec, [(unit, spec.trials)], lambda done: {"rounds": len(done)})
    values = [{"scores": [1.0]}, {"reason": "no"}, {"scores": [3], "extra": {"k": 2.0}}]
    outcome = dataclasses.replace(ok("t").outcome, value=values)
    found = work.accept("all", outcome, node=PROGRAM.node, attempts=1)
    assert [one.trial_id for one in found] == [trial.trial_id for trial in spec.trials]
    assert [one.status for one in found] == ["ok", "failed", "ok"]
    assert found[2].extra == {"k": 2.0, "cpu_seconds": pytest.approx(0.25 / 3)}
    assert {one.nodes for one in found} == {("head", "worker-1")}
    summary = work.summary(found)
    assert (summary["trials_ok"], summary["trials_failed"], summary["rounds"]) == (2, 1, 2)
