"""The process in which a slot runs its units: real processes, ended in every way."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from workloads.engines import slot_process
from workloads.engines.slot_process import SlotProcess

ROOT = Path(__file__).resolve().parents[2]
UNITS = "tests.doubles.unit_functions"


@pytest.fixture(scope="module")
def shared():
    process = SlotProcess()
    yield process
    process.close()


def call(process, function, deadline=60.0, /, **arguments):
    return process.call(f"{UNITS}:{function}", arguments, deadline)


def test_a_value_comes_back_with_its_time(shared):
    outcome = call(shared, "add", a=1, b=2)
    assert (outcome.status, outcome.value) == ("ok", 3)
    outcome = call(shared, "burn", cpu_seconds=0.05)
    assert outcome.cpu_seconds >= 0.05
    assert outcome.seconds >= 0.05


def test_sleep_takes_wall_time_and_no_processor_time(shared):
    outcome = call(shared, "sleep", seconds=0.2)
    assert outcome.seconds >= 0.2
    assert outcome.cpu_seconds < 0.1


def test_one_process_serves_one_unit_after_the_other(shared):
    first, second = (call(shared, "sleep", seconds=0).value for _ in range(2))
    assert first == second != os.getpid()


@pytest.mark.parametrize(
    ("name", "arguments", "status", "reason"),
    [
        ("fail", {"words": "no such thing"}, "error", "ValueError: no such thing"),
        ("leave", {"code": 3}, "error", "SystemExit: 3"),
        ("absent", {}, "error", "AttributeError"),
        ("add", {"a": 1}, "error", "TypeError"),
        ("not_json", {}, "error", "ValueError"),
        ("lack_memory", {}, "memory", "out of memory"),
    ],
)
def test_a_failure_is_told_and_the_process_stays(shared, name, arguments, status, reason):
    before = call(shared, "sleep", seconds=0).value
    outcome = call(shared, name, **arguments)
    assert outcome.status == status
    assert reason in outcome.reason
    assert call(shared, "sleep", seconds=0).value == before


def test_a_module_that_is_not_there_is_an_error(shared):
    outcome = shared.call("no_such_module:f", {}, 60.0)
    assert "ModuleNotFoundError" in outcome.reason


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("vanish", {"code": 7}, "exit code 7"),
        ("end_oneself", {"name": "SIGSEGV"}, "SIGSEGV"),
        ("end_oneself", {"name": "SIGKILL"}, "SIGKILL"),
    ],
)
def test_a_process_that_died_is_told_and_replaced(shared, name, arguments, reason):
    outcome = call(shared, name, **arguments)
    assert outcome.status == "killed"
    assert reason in outcome.reason
    assert call(shared, "add", a=1, b=1).value == 2


@pytest.mark.parametrize("name", ["sleep", "hang_holding_the_interpreter"])
def test_a_unit_that_overruns_is_ended(shared, name):
    before = call(shared, "sleep", seconds=0).value
    outcome = call(shared, name, 0.3, **({"seconds": 600} if name == "sleep" else {}))
    assert outcome.status == "timeout"
    assert outcome.reason == "did not end within 0 s"
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert call(shared, "add", a=1, b=1).value == 2


def test_sigkill_is_out_of_memory_only_where_the_kernel_counted_one(shared, monkeypatch):
    counts = iter([4, 5])
    monkeypatch.setattr(slot_process, "out_of_memory_kills", lambda: next(counts))
    outcome = call(shared, "end_oneself", name="SIGKILL")
    assert outcome.status == "memory"
    assert "out of memory" in outcome.reason


def test_the_kernel_is_to_end_the_unit_first_and_no_engine(shared):
    assert call(shared, "oom_score").value == 1000


def test_a_unit_has_one_thread(shared):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        assert call(shared, "environment", name=name).value == "1"


def test_interrupt_from_another_thread_ends_the_call():
    process = SlotProcess()
    try:
        call(process, "add", a=1, b=1)
        timer = threading.Timer(0.3, process.interrupt)
        timer.start()
        outcome = call(process, "sleep", seconds=600)
        timer.join()
        assert outcome.status == "killed"
    finally:
        process.close()


def test_a_process_does_not_outlive_its_slot():
    """The slot's own process is killed while a unit runs: the unit's process goes too."""
    program = (
        "from workloads.engines.slot_process import SlotProcess\n"
        "slot = SlotProcess()\n"
        f"print(slot.call('{UNITS}:sleep', {{'seconds': 0}}, 60).value, flush=True)\n"
        f"slot.call('{UNITS}:sleep', {{'seconds': 600}}, 600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT
    ) as slot:
        unit = int(slot.stdout.readline())
        os.kill(unit, 0)
        slot.kill()
    give_up = time.monotonic() + 20
    while not _is_gone(unit):
        assert time.monotonic() < give_up, f"the unit's process {unit} is still there"
        time.sleep(0.05)


def _is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
