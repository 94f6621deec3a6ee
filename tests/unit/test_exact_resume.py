"""A driver of a shared search that is killed costs the units under way and nothing else."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.doubles.run_specs import run_spec, write_run
from workloads import forest
from workloads.driver import run as driver

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = {
    "dataset": "synthetic-covtype-v1",
    "rows": 1200,
    "folds": 2,
    "grid": {"n_estimators": [10, 200], "max_depth": [None, 8], "ccp_alpha": [0.0, 0.001]},
}
UNITS = 2 * 200 // 20
DEADLINE = 120.0


@pytest.fixture
def run(tmp_path):
    """The specification of a run and the folder that its driver works in."""
    spec = run_spec(tmp_path, PARAMETERS)
    folder = tmp_path / "runs" / spec.run_id
    write_run(folder, spec)
    return spec, folder


def lines(folder):
    text = (folder / "results.jsonl").read_text()
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def kept(folder):
    return {path.name for path in folder.glob("shared/*/fold*.json")}


def killed_after(folder, units):
    """Start a driver, kill it once so many units are kept, and return their names."""
    command = [sys.executable, "-m", "workloads.driver", str(folder / "spec.json")]
    with subprocess.Popen(command, cwd=ROOT) as process:
        give_up = time.monotonic() + DEADLINE
        while len(kept(folder)) < units:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < give_up, f"{len(kept(folder))} units in {DEADLINE:.0f} s"
            time.sleep(0.01)
        process.kill()
    return kept(folder)


def check(spec, folder):
    """Every trial once, with the scores of GridSearchCV; return the last line."""
    told = lines(folder)
    scores = {line["trial_id"]: line["scores"] for line in told if line["kind"] == "trial"}
    names = [line["trial_id"] for line in told if line["kind"] == "trial"]
    assert len(names) == len(set(names)) == len(spec.trials)
    plain = forest.plain(spec.parameters, spec.seed)
    assert [tuple(scores[t.trial_id]) for t in spec.trials] == [one.scores for one in plain]
    assert told[-1]["kind"] == "finished"
    return told[-1]


def test_a_driver_that_was_killed_twice_does_only_what_is_missing(run):
    spec, folder = run
    first = killed_after(folder, 4)
    done = killed_after(folder, len(first) + 3)
    assert len(done) > len(first)
    assert not any(line["kind"] == "finished" for line in lines(folder))
    assert driver.main([str(folder / "spec.json")]) == 0
    last = check(spec, folder)
    assert last["units"] <= UNITS - len(done) + 1  # one tells of trials that were complete
    assert last["summary"]["trees_grown_at_most"] == 2 * 2 * 200
