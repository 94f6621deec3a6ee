"""What a program tells while it works: on its way to the terminal, and at no cost to it."""

import os
import time

import pytest

from contracts.progress import Event
from tests.doubles.drill import drill_spec
from tests.doubles.run_specs import write_run
from tests.unit.test_progress import Terminal
from workloads import registry
from workloads.driver import run as driver
from workloads.driver.run_log import RunLog
from workloads.engines.slot_process import SlotProcess
from workloads.engines.telling import Teller
from workloads.sweeps.driver_output import DriverOutput, Observed
from workloads.sweeps.pace import far

UNITS = "tests.doubles.unit_functions"


def test_what_is_told_comes_before_the_answer_and_not_at_each_step():
    process, heard = SlotProcess(), []
    try:
        outcome = process.call(f"{UNITS}:tell_steps", {"seconds": 1.2}, 60.0, heard.append)
        assert process.call(f"{UNITS}:add", {"a": 1, "b": 2}, 60.0).value == 3
    finally:
        process.close()
    assert outcome.value > 20
    assert 1 <= len(heard) <= 3
    assert heard[0] == {"done": 1, "total": 1000, "words": "steps"}


def test_whoever_tells_for_ever_is_ended_at_the_deadline():
    process, begin = SlotProcess(), time.monotonic()
    try:
        outcome = process.call(f"{UNITS}:tell_steps", {"seconds": 600}, 1.5)
    finally:
        process.close()
    assert outcome.status == "timeout"
    assert 1.5 <= outcome.seconds < 5
    assert time.monotonic() - begin < 60


def test_a_child_of_the_process_and_a_late_thread_tell_nobody():
    teller, heard = Teller(), []
    teller.begin(heard.append)
    child = os.fork()
    if not child:
        teller.tell(1, 2, "of a child")
        os._exit(len(heard))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    teller.tell(1, 2, "x" * 1000)
    teller.end()
    teller.tell(2, 2, "late")
    assert heard == [{"done": 1, "total": 2, "words": "x" * 60}]


@pytest.mark.slow
def test_a_driver_writes_it_down_and_the_operator_reads_it(tmp_path, monkeypatch):
    monkeypatch.setitem(registry._MODULES, "drill", "tests.doubles.drill")
    spec = drill_spec(tmp_path / "home", [{"kind": "steps", "seconds": 2.5}, {}])
    assert driver.main([str(write_run(tmp_path, spec))]) == 0
    output, steps, shares = DriverOutput(spec.trials), [], []
    for line in (tmp_path / "results.jsonl").read_bytes().splitlines(keepends=True):
        list(output.feed(line))
        if output.observed.step:
            steps.append(output.observed.step)
            shares.append(far(output.observed, 1.0)[0])
    assert output.observed.rejected == []
    assert 2 <= len(steps) <= 4
    assert {step[1:] for step in steps} == {(10, "iterations")}
    assert 0 < shares[0] < shares[-1] <= 0.5, "a program is a half of two"
    assert output.observed.step is None, "a program that has ended has no steps"


def test_a_log_is_written_once_a_second(tmp_path):
    log = RunLog(tmp_path / "results.jsonl")
    for done in range(1000):
        log.step(done, 1000, "steps")
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("seen", "share", "words"),
    [
        (Observed(), 0.0, ["getting ready"]),
        (Observed(units_done=2, units_total=8), 0.25, ["2/8 units", "0.5/s"]),
        (Observed(units_total=1, step=(9, 20, "iterations")), 0.45, ["9/20 iterations"]),
        (Observed(units_total=2, step=(0, 0, "in GridSearchCV")), 0.0,
         ["in GridSearchCV", "0/2 units"]),
        (Observed(units_done=1, units_total=2, step=(30, 20, "iterations")), 1.0,
         ["30/20 iterations", "1/2 units"]),
    ],
)  # fmt: skip
def test_how_far_it_is_in_words(seen, share, words):
    assert far(seen, 0.5) == (share, words)


def test_it_fits_into_a_terminal_of_80_columns(monkeypatch):
    from tasks.progress import Progress

    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    tell = Progress(stream=out)
    share, words = far(Observed(units_total=3, units_done=1, step=(9, 20, "iterations")), 0)
    detail = ", ".join([*words, "about 2 min 5 s left"])
    tell(Event("sweep", "11/18 dask x 3, repeat 2", "running", 0.0, detail, share))
    tell._show_running()
    line = out.getvalue().rpartition("\x1b[K")[2]
    assert len(line) < 80
    assert "48% 9/20 iterations" in line
