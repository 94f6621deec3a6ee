"""The file that tells a driver what to do is checked on both sides."""

import dataclasses
import json

import pytest

from contracts.errors import InvalidDocument, UsageError
from contracts.trial import TrialResult
from workloads import runs
from workloads.runs import PlannedTrial, RunSpec

SPEC = RunSpec(
    run_id="0" * 20,
    workload="forest",
    engine="ray",
    address="10.0.0.2:6379",
    nodes=("head", "worker-1"),
    addresses={"head": "10.0.0.2", "worker-1": "10.0.0.3"},
    slots={"head": 1, "worker-1": 2},
    credentials={"ray_token": "/home/tandem/.tandem/credentials/ray_token"},
    home="/home/tandem/.tandem",
    repeat=1,
    seed=0,
    parameters={"folds": 3},
    trials=(PlannedTrial("a" * 20, {"depth": None}),),
    run_deadline_seconds=600,
    unit_deadline_seconds=60,
    continues=("b" * 20, "a" * 20),
    finished=(
        TrialResult("c" * 20, "ok", {"depth": 3}, (0.5,), 1.0, ("head",), 1, None, {"x": 2}),
    ),
)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "spec.json"
    runs.dump(SPEC, path)
    assert runs.load(path) == SPEC
    assert path.stat().st_mode & 0o777 == 0o600


BROKEN = {
    "run_id": "../../etc",
    "engine": "spark",
    "nodes": [],
    "addresses": {"head": "10.0.0.2"},
    "slots": {"head": 0, "worker-1": 1},
    "credentials": {"token": 7},
    "repeat": 0,
    "seed": 1.5,
    "parameters": [],
    "trials": [{"trial_id": "x", "parameters": {}}],
    "run_deadline_seconds": float("inf"),
    "unit_deadline_seconds": 0,
    "max_attempts": 0,
    "continues": ["a" * 20, "../other"],
    "finished": [{"trial_id": "c" * 20, "status": "perhaps"}],
    "extra": 1,
}


@pytest.mark.parametrize("field", BROKEN)
def test_each_rule(field):
    document = {**runs.as_document(SPEC), field: BROKEN[field]}
    text = json.dumps(document).replace("Infinity", "1e999")
    with pytest.raises(InvalidDocument, match=field):
        runs.parse(text)


def test_every_problem_is_told_at_once():
    with pytest.raises(InvalidDocument) as raised:
        runs.parse(json.dumps({**BROKEN, "schema": 1, "run_deadline_seconds": -1}))
    assert len(raised.value.problems) >= len(BROKEN)


def test_no_trial_twice():
    twice = dataclasses.replace(SPEC, trials=SPEC.trials * 2)
    with pytest.raises(InvalidDocument, match="twice"):
        runs.parse(json.dumps(runs.as_document(twice)))


def test_a_newer_schema_is_refused():
    with pytest.raises(UsageError, match="schema 2"):
        runs.parse(json.dumps({**runs.as_document(SPEC), "schema": 2}))
