"""A sweep on real machines whose operator dies, is interrupted, or runs out of disk space.

Acknowledged is what is on the operator's disk. Whatever happens to the operator, the same
command ends with every planned trial done once, and no acknowledged line was lost or changed.
"""

import json
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from contracts.errors import DONE, FAILED, INTERRUPTED, PARTIAL
from tests.command_line import Answered, fab
from tests.integration.sweep_at_work import (
    DEADLINE,
    acknowledged,
    journal,
    sweep_started,
    under_way,
)
from workloads.report.evidence import gather
from workloads.sweeps.history import History, planned_runs, read_history

# Some 8 s of work on one small machine: long enough to be caught in the middle. Every trial is
# fitted for itself, so that results come one by one.
TREES = list(range(40, 88, 4))
WORK = ("--preset", "tiny", "--set", f"grid.n_estimators={json.dumps(TREES)}",
        "--set", "rows=1797", "--set", "reuse=false",
        "--engines", "dask", "--nodes", "1,2", "--repeats", "1",
        "--no-baseline")  # fmt: skip
TRIALS = len(TREES) * 2


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def arguments(results: Path) -> tuple[str, ...]:
    return ("sweep.run", *WORK, "--results", str(results), "--json")


def again(machines, results: Path) -> Answered:
    """The same command, to its end."""
    return fab(*arguments(results), state=machines.state, timeout=DEADLINE)


def assert_whole(results: Path, before: bytes) -> History:
    """Nothing lost, nothing twice, nothing else (I1 to I3)."""
    content = journal(results).path.read_bytes()
    assert content.startswith(before), "an acknowledged line was lost or changed"
    history = read_history(journal(results).read().records)
    runs = planned_runs(history.plans)
    planned = [trial.trial_id for run in runs for trial in run.trials]
    done = acknowledged(results)
    assert len(done) == len(set(done)), "a trial was recorded twice"
    assert set(done) == set(planned), "a planned trial is missing, or an unplanned one there"
    assert history.conflicts == []
    assert history.open_attempts() == []
    return history


def test_the_operator_is_killed_and_the_same_command_goes_on(machines, results):
    with under_way(machines, results, arguments(results), trials=3) as sweep:
        sweep.send_signal(signal.SIGKILL)
        assert sweep.wait(DEADLINE) == -signal.SIGKILL
    before = journal(results).path.read_bytes()
    assert len(acknowledged(results)) < TRIALS
    with pytest.raises(AssertionError, match="planned trial is missing"):
        assert_whole(results, before)
    report = fab("report.build", "--results", str(results), state=machines.state)
    assert (report.code, "INCOMPLETE" in report.out) == (PARTIAL, True)
    assert "<strong>Incomplete.</strong>" in (results / "forest/report.html").read_text()

    ended = again(machines, results)
    assert ended.code == DONE, ended.err
    assert ended.document["complete"]
    assert "take up dask x 1" in ended.err
    history = assert_whole(results, before)
    first, second = history.rows
    # The driver never noticed, so even the timing of the run is a clean measurement.
    assert (first.reattached, first.starts, first.status) == (True, 1, "finished")
    assert (second.reattached, second.nodes) == (False, 2)
    assert gather(history).left_out == ()
    assert {len(result.scores) for result in history.results.values()} == {2}
    assert set(second.timeline) == set(second.machines)

    whole = journal(results).path.read_bytes()
    ended = again(machines, results)
    assert (ended.code, journal(results).path.read_bytes()) == (DONE, whole)
    report = fab("report.build", "--results", str(results), state=machines.state)
    assert report.code == DONE, report.err
    assert_a_lost_line_is_noticed(results, whole)
    damaged = bytearray(whole)
    damaged[whole.index(b'"scores":[') + 12] ^= 1
    journal(results).path.write_bytes(damaged)
    ended = again(machines, results)
    assert (ended.code, ended.document["quarantined"]) == (DONE, 1)
    assert assert_whole(results, b"").rows[-1].trials == 1


def assert_a_lost_line_is_noticed(results: Path, whole: bytes) -> None:
    """The check can fail: without one acknowledged line it must."""
    lines = whole.splitlines(keepends=True)
    position = next(index for index, line in enumerate(lines) if b'"kind":"trial"' in line)
    journal(results).path.write_bytes(b"".join(lines[:position] + lines[position + 1 :]))
    with pytest.raises(AssertionError, match="lost or changed"):
        assert_whole(results, whole)
    with pytest.raises(AssertionError, match="planned trial is missing"):
        assert_whole(results, b"")


def test_control_c_ends_the_driver_and_the_same_command_goes_on(machines, results):
    with under_way(machines, results, arguments(results), trials=3) as sweep:
        sweep.send_signal(signal.SIGINT)
        assert sweep.wait(DEADLINE) == INTERRUPTED
    before = journal(results).path.read_bytes()
    history = read_history(journal(results).read().records)
    assert [row.status for row in history.rows] == ["interrupted"]
    assert history.open_attempts() == []
    ended = again(machines, results)
    assert ended.code == DONE, ended.err
    history = assert_whole(results, before)
    reasons = [(one.row.nodes, one.reason) for one in gather(history).left_out]
    assert reasons[0] == (1, "interrupted: interrupted by the user")
    assert reasons[1][0] == 1
    assert "the others were done before" in reasons[1][1]


def test_a_full_disk_ends_the_sweep_and_costs_nothing(machines, tmp_path, results):
    results.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12k", "tmpfs", str(results)],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        ended = again(machines, results)
        assert ended.code == FAILED, ended.err
        assert "could not be written" in ended.document["problem"]
        before = journal(results).path.read_bytes()
        assert 0 < len(acknowledged(results)) < 2 * TRIALS
        assert journal(results).read().damaged == ()
        subprocess.run(["mount", "-o", "remount,size=8m", str(results)], check=True)
        ended = again(machines, results)
        assert ended.code == DONE, ended.err
        assert_whole(results, before)
    finally:
        subprocess.run(["umount", "--lazy", str(results)], check=True)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again_at_any_moment(machines, results, seed):
    """Ten kills, wherever they fall: in a bring-up, between runs, in the middle of a line."""
    random = Random(seed)  # noqa: S311  moments to kill at, no secret
    before = b""
    for _ in range(10):
        until = suppress(subprocess.TimeoutExpired)
        with sweep_started(machines, results, arguments(results)) as sweep, until:
            sweep.wait(random.uniform(0.5, 12.0))
        if journal(results).path.exists():
            content = journal(results).path.read_bytes()
            assert content.startswith(before), f"lost at seed={seed}"
            before = content[: content.rfind(b"\n") + 1]
    ended = again(machines, results)
    assert ended.code == DONE, f"seed={seed}: {ended.err}"
    assert_whole(results, before)
