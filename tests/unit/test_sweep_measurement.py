"""A sweep is carried out on machines that exist in memory only: what is asked of them, in
which order, and what is in the journal after every way in which a run can end."""

import dataclasses
import itertools
import json

import pytest

from contracts.errors import TandemError
from contracts.progress import tell_nobody
from workloads.deadlines import PROFILE_BEGIN_SECONDS, PROFILE_SECONDS, driver_seconds
from workloads.driver import run as driver
from workloads.sweeps.cluster import Footing, clipped
from workloads.sweeps.history import planned_runs, read_history
from workloads.sweeps.journal import Journal, JournalWriteError
from workloads.sweeps.measurement import Limits, Measurement
from workloads.sweeps.plan import Subject, Variation, Work, plan
from workloads.sweeps.records import PlanRecord

WORK = Work(
    workload="forest",
    parameters={"grid": {"depth": [1, 2, 3]}},
    combinations=({"depth": 1}, {"depth": 2}, {"depth": 3}),
    seed=0,
    data_version="digits-1",
    sources="0123456789abcdef",
)
PLANNED = PlanRecord(WORK, ("ray", "plain"), (1, 2), 1, ())
RUNS = plan(Subject(WORK), engines=("ray", "plain"), node_counts=(1, 2), repeats=1)


class Machines:
    """Machines whose drivers write all at once; `hold` keeps lines back or breaks in.

    A driver lives on when the sweep is gone, as the real one does.
    """

    def __init__(self):
        self.asked = []
        self.told_again = []
        self.files = {}
        self.hold = {}
        self.seconds = {}

    def start(self, cell):
        self.asked.append(("start", cell.engine, cell.nodes))
        names = tuple(f"node-{index}" for index in range(1, cell.nodes + 1))
        return Footing("10.0.0.1:1", names, dict.fromkeys(names, "10.0.0.1"),
                       dict.fromkeys(names, 1), {}, "/home/x/.tandem",
                       {"seconds": 1.0, "changed": [], "phases": {}})  # fmt: skip

    def launch(self, spec):
        self.asked.append(("launch", spec.engine, len(spec.nodes), len(spec.trials)))
        self.told_again.append([one.trial_id for one in spec.finished])
        lines = [{"kind": "started", "pid": 1, "versions": {"python": "3.11"}},
                 {"kind": "phase", "name": "work", "seconds": 2.0}]  # fmt: skip
        lines += [
            {"kind": "trial", "trial_id": trial.trial_id, "status": "ok",
             "parameters": trial.parameters, "scores": [0.5], "seconds": 1.0,
             "nodes": ["node-1"], "attempts": 1}
            for trial in spec.trials
        ]  # fmt: skip
        lines.append({"kind": "finished", "wall_seconds": 2.0, "units": len(spec.trials),
                      "retries": 0, "cpu_seconds": 2.0, "summary": {}})  # fmt: skip
        self.files[spec.run_id] = lines

    def follow(self, folder):
        for index, line in enumerate(self.files.get(folder, ())):
            if index in self.hold:
                event = self.hold.pop(index)
                if event == "vanish":
                    del self.files[folder][index:]
                    return
                raise event
            yield json.dumps(line).encode() + b"\n"
            yield b""

    def stop(self, folder):
        self.asked.append(("stop", folder))

    def timeline(self, nodes, since_seconds):
        return {node: {"seconds": [0, 1, 99], "cpu": [0, 1, 1], "memory": [1, 2, 3]}
                for node in nodes}  # fmt: skip


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal.jsonl")


def opened(journal, machines, **options):
    history = read_history(journal.repair().records)
    names = (f"folder-{len(machines.files)}-{index}" for index in itertools.count())
    options = {"limits": Limits(), "tell": tell_nobody, "folder": names.__next__, **options}
    measurement = Measurement(journal, history, machines, **options)
    if not history.plans:
        measurement.record(PLANNED)
    return measurement, history


def carry_on(journal, machines, runs=RUNS):
    """What `sweep.run` does each time."""
    measurement, history = opened(journal, machines)
    measurement.take_up(runs)
    measurement.measure(runs)
    return history


def acknowledged(journal):
    return [record["result"]["trial_id"] for record in journal.read().records
            if record["kind"] == "trial"]  # fmt: skip


def assert_complete_and_once(journal):
    expected = [trial.trial_id for run in RUNS for trial in run.trials]
    assert sorted(acknowledged(journal)) == sorted(expected)
    history = read_history(journal.read().records)
    assert history.todo(planned_runs(history.plans)) == []
    assert history.open_attempts() == []
    assert history.conflicts == []


def test_a_sweep_without_trouble(journal):
    machines = Machines()
    history = carry_on(journal, machines)
    assert_complete_and_once(journal)
    assert [ask[:3] for ask in machines.asked] == [
        ("start", "plain", 1), ("launch", "plain", 1),
        ("start", "ray", 1), ("launch", "ray", 1),
        ("start", "ray", 2), ("launch", "ray", 2),
    ]  # fmt: skip
    row = history.rows[-1]
    assert (row.status, row.ok, row.trials, row.starts) == ("finished", 3, 3, 1)
    assert not row.reattached
    assert row.timeline["node-1"]["seconds"] == [0, 1]


def test_a_timeline_is_cut_thinned_and_holds_numbers_only():
    bad, long = float("nan"), range(1000)
    found = clipped(
        {
            "a": {"seconds": [-1, 0, bad, 2, 9], "cpu": [0, 1, 1, bad, 1], "memory": [1] * 5},
            "b": {"seconds": long, "cpu": [0.5] * 1000, "memory": [float("inf"), *long]},
        },
        8.0,
    )
    assert found["a"] == {"seconds": [0], "cpu": [1], "memory": [1]}
    assert found["b"]["seconds"] == list(range(1, 9))
    series = {"seconds": long, "cpu": long, "memory": long}
    assert len(clipped({"c": series}, 1000.0)["c"]["cpu"]) == 200


def test_neither_a_peak_nor_a_sum_is_lost_where_a_timeline_is_thinned():
    memory = [100.0] * 1000
    memory[501] = 900.0
    series = {
        "seconds": range(1000),
        "cpu": [0.5] * 1000,
        "memory": memory,
        "sent": range(1000),
    }
    found = clipped({"a": series}, 2000.0)["a"]
    assert (max(found["memory"]), found["sent"][-1]) == (900.0, 999.0)
    assert len(found["sent"]) == len(found["memory"]) == 200


def test_the_second_time_nothing_is_asked_of_the_machines(journal):
    carry_on(journal, Machines())
    before = journal.path.read_bytes()
    again = Machines()
    carry_on(journal, again)
    assert again.asked == []
    assert journal.path.read_bytes() == before


class Killed(BaseException):
    """The operator is gone in the middle of a statement; nothing of ours runs any more."""


@pytest.mark.parametrize("line", range(6))
def test_the_operator_is_killed_and_the_driver_goes_on(journal, line):
    machines = Machines()
    machines.hold = {line: Killed()}
    with pytest.raises(Killed):
        carry_on(journal, machines)
    before = acknowledged(journal)
    machines.asked.clear()
    history = carry_on(journal, machines)
    assert_complete_and_once(journal)
    assert acknowledged(journal)[: len(before)] == before
    assert [ask for ask in machines.asked if ask[0] == "launch"] == [
        ("launch", "ray", 1, 3), ("launch", "ray", 2, 3)
    ]  # fmt: skip
    assert history.rows[0].reattached
    assert (history.rows[0].status, history.rows[0].starts) == ("finished", 1)


def test_the_operator_is_killed_before_the_driver_began(journal):
    machines = Machines()
    machines.launch = lambda spec: (_ for _ in ()).throw(Killed())
    with pytest.raises(Killed):
        carry_on(journal, machines)
    history = carry_on(journal, Machines())
    assert_complete_and_once(journal)
    assert [row.status for row in history.rows] == ["interrupted", *["finished"] * 3]
    assert (history.rows[1].attempt, history.rows[1].ok) == (2, 3)


@pytest.mark.parametrize("line", range(6))
def test_the_driver_vanishes_with_the_head(journal, line):
    machines = Machines()
    machines.hold = {line: "vanish"}
    carry_on(journal, machines)
    history = carry_on(journal, machines)
    assert_complete_and_once(journal)
    assert history.rows[0].status == "interrupted"
    assert "nothing" in history.rows[0].reason or "last word" in history.rows[0].reason


def test_control_c_stops_the_driver_and_keeps_what_it_wrote(journal):
    machines = Machines()
    machines.hold = {3: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        carry_on(journal, machines)
    assert machines.asked[-1] == ("stop", "folder-0-0")
    assert len(acknowledged(journal)) == 3
    history = carry_on(journal, machines)
    assert history.rows[0].status == "interrupted"
    assert history.rows[0].reason == "interrupted by the user"
    assert_complete_and_once(journal)


@pytest.mark.parametrize("written", [False, True], ids=["before the write", "after it"])
def test_control_c_in_the_middle_of_a_record(journal, monkeypatch, written):
    append = Journal.append

    def interrupted(self, record):
        if record["kind"] == "trial" and len(acknowledged(journal)) == 1:
            monkeypatch.undo()
            if written:
                append(self, record)
            raise KeyboardInterrupt
        append(self, record)

    machines = Machines()
    monkeypatch.setattr(Journal, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        carry_on(journal, machines)
    carry_on(journal, machines)
    assert_complete_and_once(journal)


def test_the_head_cannot_be_reached_and_later_it_can(journal):
    machines = Machines()
    machines.hold = {3: TandemError("No answer from the head.")}
    with pytest.raises(TandemError, match="No answer"):
        carry_on(journal, machines)
    history = carry_on(journal, machines)
    assert history.rows[0].status == "finished"
    assert_complete_and_once(journal)


def test_a_full_disk_ends_the_sweep_and_stops_the_driver(journal, monkeypatch):
    machines, append = Machines(), Journal.append

    def full(self, record):
        if record["kind"] == "trial" and len(acknowledged(journal)) == 2:
            raise JournalWriteError("No room.")
        append(self, record)

    monkeypatch.setattr(Journal, "append", full)
    with pytest.raises(JournalWriteError):
        carry_on(journal, machines)
    assert machines.asked[-1] == ("stop", "folder-0-0")
    assert len(acknowledged(journal)) == 2
    monkeypatch.undo()
    carry_on(journal, machines)
    assert_complete_and_once(journal)


def test_a_damaged_result_is_done_again(journal):
    carry_on(journal, Machines())
    content = journal.path.read_bytes()
    lost = acknowledged(journal)[4]
    position = content.index(f'"trial_id":"{lost}'.encode())
    journal.path.write_bytes(content[:position] + b"#" + content[position + 1 :])
    machines = Machines()
    history = carry_on(journal, machines)
    assert_complete_and_once(journal)
    assert [ask[0] for ask in machines.asked] == ["start", "launch"]
    assert machines.asked[1][3] == 1
    assert history.rows[-1].trials == 1
    assert journal.quarantined() == 1
    (run,) = (run for run in RUNS if lost in {trial.trial_id for trial in run.trials})
    assert machines.told_again == [
        [trial.trial_id for trial in run.trials if trial.trial_id != lost]
    ]


@pytest.mark.parametrize("kind", ["run", "attempt", "plan"])
def test_any_damaged_line_still_leads_to_a_whole_sweep(journal, kind):
    machines = Machines()
    carry_on(journal, machines)
    content = journal.path.read_bytes()
    position = content.index(f'"kind":"{kind}"'.encode())
    journal.path.write_bytes(content[:position] + b"#" + content[position + 1 :])
    machines.asked.clear()
    carry_on(journal, machines)
    assert_complete_and_once(journal)
    assert [ask for ask in machines.asked if ask[0] == "launch"] == []


def test_a_failed_trial_is_tried_again_and_its_success_counts(journal):
    machines = Machines()
    launch = machines.launch

    def fail_one(spec):
        launch(spec)
        machines.files[spec.run_id][3].update(status="failed", reason="no memory", scores=[])

    machines.launch = fail_one
    history = carry_on(journal, machines)
    assert len(history.todo(RUNS)) == 3
    machines.launch = launch
    machines.asked.clear()
    history = carry_on(journal, machines)
    assert history.todo(RUNS) == []
    assert [ask[3] for ask in machines.asked if ask[0] == "launch"] == [1, 1, 1]
    assert len(history.done) == 9


def test_a_run_outside_the_plan_is_stopped_and_closed(journal):
    machines = Machines()
    machines.hold = {3: Killed()}
    with pytest.raises(Killed):
        carry_on(journal, machines)
    machines.asked.clear()
    measurement, history = opened(journal, machines)
    measurement.take_up(RUNS[1:])
    assert machines.asked == [("stop", "folder-0-0")]
    assert history.open_attempts() == []


def test_a_driver_that_never_ends_is_stopped_at_its_deadline(journal):
    machines, moments = Machines(), iter(range(0, 10**6, 1000))
    launch = machines.launch
    machines.launch = lambda spec: (launch(spec), machines.files[spec.run_id].pop())
    measurement, history = opened(journal, machines, clock=lambda: float(next(moments)))
    measurement.measure(RUNS[:1])
    assert ("stop", "folder-0-0") in machines.asked
    assert history.rows[0].reason == "no end within 1 h 28 min, getting ready included"


def test_a_driver_may_use_up_every_deadline_of_its_own(journal):
    """Data that take long to prepare are no reason to end a run: the driver allows it."""
    ready = driver.CONNECT_SECONDS + driver.DATA_SECONDS + driver.WARM_UP_SECONDS
    profile = PROFILE_BEGIN_SECONDS + 2 * PROFILE_SECONDS
    longest = ready + Limits().run_seconds + profile + driver.LEAVE_SECONDS
    assert longest < driver_seconds(Limits().run_seconds) < longest + 300
    machines, clock = Machines(), Clock()
    measurement, history = opened(journal, machines, clock=clock)
    follow = machines.follow

    def slowly(folder):
        yield from itertools.islice(follow(folder), 2)
        clock.now += longest
        yield from itertools.islice(follow(folder), 2, None)

    machines.follow = slowly
    measurement.measure(RUNS[:1])
    assert (history.rows[0].status, history.rows[0].reason) == ("finished", None)
    assert [ask for ask in machines.asked if ask[0] == "stop"] == []


class Clock:
    """A clock that stands still until it is put on."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_each_variation_is_launched_with_its_own_parameters(journal):
    works = [dataclasses.replace(WORK, parameters={"depth": depth}) for depth in (1, 2)]
    variations = tuple(Variation(work.parameters, work) for work in works)
    subject = Subject(works[0], variations, (Variation({}, WORK),))
    record = PlanRecord(
        works[0], ("ray", "plain"), (1,), 1, (), {}, variations, subject.baselines
    )
    runs = plan(subject, engines=("ray", "plain"), node_counts=(1,), repeats=1)
    machines, specs, told = Machines(), [], []
    launch = machines.launch
    machines.launch = lambda spec: (specs.append(spec), launch(spec))
    measurement = Measurement(
        journal, read_history([]), machines, limits=Limits(), tell=told.append
    )
    measurement.record(record)
    measurement.measure(runs)
    assert [dict(spec.parameters) for spec in specs] == [
        WORK.parameters, {"depth": 1}, {"depth": 2}
    ]  # fmt: skip
    steps = [event.step for event in told if event.state == "started"]
    assert steps[1:] == ["2/3 ray x 1, repeat 1, depth=1", "3/3 ray x 1, repeat 1, depth=2"]
    history = read_history(journal.read().records)
    assert history.rejected == []
    assert history.plans == [record]
    assert [row.work for row in history.rows] == [
        WORK.fingerprint, *(work.fingerprint for work in works)
    ]  # fmt: skip
    assert planned_runs(history.plans)
    assert history.todo(planned_runs(history.plans)) == []


def test_progress_says_how_far_how_fast_and_how_long(journal):
    moments, told, machines = iter(range(10**6)), [], Machines()
    launch = machines.launch

    def slow(spec):
        launch(spec)
        more = [{"kind": "progress", "done": done, "total": 40} for done in range(0, 41, 4)]
        death = {"kind": "death", "node": "node-2", "after_seconds": 1.0, "detail": "gone"}
        machines.files[spec.run_id][2:2] = [*more[:5], death, *more[5:]]

    machines.launch = slow
    measurement, history = opened(
        journal, machines, clock=lambda: float(next(moments)), tell=told.append
    )
    measurement.measure(RUNS)
    running = [event for event in told if event.state == "running"]
    assert any("units" in event.detail and "/s" in event.detail for event in running)
    assert any("left" in event.detail for event in running)
    assert any("lost: node-2" in event.detail for event in running)
    assert history.rows[0].deaths[0]["node"] == "node-2"
