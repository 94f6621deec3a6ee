"""A machine that loses power in the middle of a sweep: what its user is told and left with."""

import json
import subprocess

import pytest

from contracts.errors import DONE, PARTIAL
from tests.command_line import fab
from tests.integration.sweep_at_work import DEADLINE, acknowledged, journal, under_way
from workloads.report.evidence import gather
from workloads.sweeps.history import read_history

pytestmark = pytest.mark.timeout(900)
TREES = list(range(40, 112, 4))
WORK = ("--preset", "tiny", "--set", f"grid.n_estimators={json.dumps(TREES)}",
        "--set", "rows=1797", "--set", "reuse=false",
        "--nodes", "3", "--no-baseline")  # fmt: skip


@pytest.mark.parametrize("which", ["dask", pytest.param("ray", marks=pytest.mark.long)])
def test_a_node_dies_and_the_sweep_ends_with_every_score(make_machines, tmp_path, which):
    machines = make_machines(3)
    lost = machines.inventory.node("node-3").instance_id
    results = tmp_path / "results"
    arguments = ("sweep.run", *WORK, "--results", str(results), "--engines", which, "--json")
    once = (*arguments, "--repeats", "1")
    with under_way(machines, results, once, trials=3) as sweep:
        subprocess.run(["docker", "kill", lost], check=True, capture_output=True)
        assert sweep.wait(DEADLINE) == DONE, results.with_suffix(".log").read_text()
    history = read_history(journal(results).read().records)
    (row,) = history.rows
    assert {death["node"] for death in row.deaths} == {"node-3"}
    assert len(acknowledged(results)) == len(set(acknowledged(results))) == len(TREES)
    scores = {trial: result.scores for trial, result in history.results.items()}
    (left_out,) = gather(history).left_out
    assert "lost node-3" in left_out.reason

    told = fab(*arguments, "--repeats", "2", state=machines.state, timeout=DEADLINE)
    assert told.code == PARTIAL, told.err
    assert "node-3" in told.err
    name = machines.inventory.cluster_id
    repaired = fab("local.up", "--name", name, "--nodes", "3", state=machines.state)
    assert repaired.code == DONE, repaired.err
    ended = fab(*arguments, "--repeats", "2", state=machines.state, timeout=DEADLINE)
    assert ended.code == DONE, ended.err
    history = read_history(journal(results).read().records)
    assert [row.deaths for row in history.rows if row.status == "finished"][1:] == [()]
    assert scores.items() <= {t: r.scores for t, r in history.results.items()}.items()
