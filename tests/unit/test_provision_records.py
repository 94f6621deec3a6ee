"""Processes are known by record: pid and start time, session and era, and nothing else."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provision.node import records

ROOT = Path(__file__).resolve().parents[2]
# Leads a session with a child, records both, and stays.
LEADER = """
import subprocess, sys, time, os
from provision.node import records
home, stubborn = sys.argv[1], sys.argv[2] == "stubborn"
record = records.begin(home, "engine", "spec-1")
child = "import signal, time; " + (
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); " if stubborn else "")
child += "print('on', flush=True); time.sleep(600)"
process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE)
process.stdout.readline()
records.add(record, "child", process.pid)
record["state"] = "ready"
records.save(home, record)
print(process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def started(tmp_path):
    """Give a function that starts a leader with a child and returns both pids."""
    leaders = []

    def start(kind="meek"):
        leader = subprocess.Popen(
            [sys.executable, "-c", LEADER, str(tmp_path), kind],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        leaders.append(leader)
        return leader, int(leader.stdout.readline())

    yield start
    for leader in leaders:
        leader.kill()
        leader.wait()
        leader.stdout.close()


def reaped(leader):
    """Wait for a leader that was ended: its parent is this test."""
    leader.wait(timeout=20)


def gone(pid, seconds=20.0):
    """Wait until a process is gone; say whether it is."""
    give_up = time.monotonic() + seconds
    while records.process(pid) is not None and time.monotonic() < give_up:
        time.sleep(0.02)
    return records.process(pid) is None


def test_a_start_is_complete_while_its_processes_live(started, tmp_path):
    home = str(tmp_path)
    _, child = started()
    record = records.load(home, "engine")
    assert records.complete(record)
    assert records.main_alive(record) == ["child"]
    os.kill(child, signal.SIGKILL)
    give_up = time.monotonic() + 20
    while records.complete(record) and time.monotonic() < give_up:
        time.sleep(0.02)
    assert not records.complete(record)
    assert records.members(record), "the leader is still one of its processes"


@pytest.mark.parametrize("kind", ["meek", "stubborn"])
def test_stopping_ends_the_whole_session_by_force_where_need_be(started, tmp_path, kind):
    home = str(tmp_path)
    leader, child = started(kind)
    ended = records.stop(home, "engine", grace=0.3)
    reaped(leader)
    assert {leader.pid, child} <= set(ended)
    assert gone(child)
    assert records.load(home, "engine") is None
    assert records.names(home) == []


def test_stopping_again_or_what_never_ran_ends_nothing(tmp_path):
    assert records.stop(str(tmp_path), "engine", grace=0) == []


def test_children_left_by_a_dead_leader_are_found(started, tmp_path):
    home = str(tmp_path)
    leader, child = started()
    leader.kill()
    reaped(leader)
    assert [one["pid"] for one in records.members(records.load(home, "engine"))] == [child]
    records.stop(home, "engine", grace=2)
    assert gone(child)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("the machine was started anew", {"era": "another boot"}),
        ("the number belongs to a later session", {"born": 1}),
    ],
)
def test_processes_with_the_same_numbers_of_another_time_are_not_touched(
    started, tmp_path, name, change
):
    home = str(tmp_path)
    _, child = started()
    record = records.load(home, "engine")
    record.update(change)
    record["processes"] = {"child": [child, 1]}
    records.save(home, record)
    assert records.members(record) == []
    assert records.main_alive(record) == []
    assert records.stop(home, "engine", grace=0) == []
    assert records.process(child) is not None, name


def test_a_torn_record_counts_as_none(tmp_path):
    path = Path(records.folder(str(tmp_path)), "engine.json")
    for text in ("", "{", "[]", json.dumps({"name": "engine"})):
        path.write_text(text)
        assert records.load(str(tmp_path), "engine") is None
    assert records.stop(str(tmp_path), "engine", grace=0) == []
    assert not path.exists()
