"""The shared search as a run's work: any order, failures and restarts, without scikit-learn."""

import dataclasses
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workloads import forest
from workloads.engines import Outcome
from workloads.engines.unit_process import perform
from workloads.forest.exact import run_work, units
from workloads.forest.exact.run_work import SharedForestWork
from workloads.runs import PlannedTrial, RunSpec

GRID = {"n_estimators": [2, 5], "max_depth": [None, 3], "class_weight": [None, "balanced"]}


@pytest.fixture
def spec(tmp_path, monkeypatch):
    """A run on one node whose data are prepared."""
    monkeypatch.setattr(units, "MOST_TREES", 2)
    given = {"dataset": "digits", "rows": 120, "folds": 2, "grid": GRID}
    parameters = forest.validate(given)
    trials = tuple(
        PlannedTrial(f"{number:020x}", one)
        for number, one in enumerate(forest.combinations(parameters))
    )
    made = RunSpec(
        run_id="0" * 20, workload="forest", engine="plain", address="", nodes=("head",),
        addresses={"head": "127.0.0.1"}, slots={"head": 1}, credentials={},
        home=str(tmp_path), repeat=1, seed=5, parameters=parameters, trials=trials,
        run_deadline_seconds=60.0, unit_deadline_seconds=60.0, max_attempts=1,
    )  # fmt: skip
    for unit in (run_work.preparation(made), run_work.warm_up(made)):
        outcome = done_here(unit)
        assert outcome.status == "ok", outcome.reason
    return made


def done_here(unit):
    """Do a unit in this process, as JSON in and out."""
    module, _, name = unit.function.partition(":")
    function = getattr(importlib.import_module(module), name)
    outcome = perform(function, json.loads(json.dumps(unit.arguments)))
    return dataclasses.replace(outcome, value=json.loads(json.dumps(outcome.value)))


def reference(spec):
    found = forest.plain(spec.parameters, spec.seed)
    return {trial.trial_id: one.scores for trial, one in zip(spec.trials, found, strict=True)}


def work_off(work, chosen):
    results = []
    for unit in chosen:
        if work.needed(unit.unit_id):
            outcome = done_here(unit)
            assert outcome.status == "ok", outcome.reason
            results += work.accept(unit.unit_id, outcome, node="head", attempts=1)
    return results


@pytest.mark.parametrize("seed", range(3))
def test_results_are_gridsearchcvs_in_any_order(spec, seed):
    work = SharedForestWork(spec)
    chosen = list(work.units)
    np.random.RandomState(seed).shuffle(chosen)
    results = work_off(work, chosen)
    assert {one.trial_id: one.scores for one in results} == reference(spec)
    assert len(results) == len(spec.trials)
    summary = work.summary(results)
    assert summary["trials_ok"] == 8
    assert summary["trials_sharing_trees"] == 4
    assert summary["trees_grown_at_most"] == 20
    assert summary["trees_asked_for"] == 28
    assert summary["builder"] == "compiled"
    assert "builder_reason" not in summary
    assert sum(one.extra["cpu_seconds"] for one in results) > 0


def test_the_summary_says_which_builder_grew_the_trees_and_why(spec, monkeypatch):
    parameters = {**spec.parameters, "builder": "scikit-learn"}
    asked = dataclasses.replace(spec, parameters=parameters, run_id="1" * 20)
    done_here(run_work.preparation(asked))
    work = SharedForestWork(asked)
    results = work_off(work, work.units)
    told = SharedForestWork(asked).summary(results)  # as the driver asks, of a fresh one
    assert told["builder"] == "scikit-learn"
    assert told["builder_reason"] == "scikit-learn: asked for (head)"
    assert {one.trial_id: one.scores for one in results} == reference(spec)


def test_the_summary_tells_of_nodes_without_kernels_and_of_trees_beyond_them(spec):
    work = SharedForestWork(spec)
    first, second, *_ = (unit for unit in work.units if unit.unit_id.startswith("fold"))
    for unit, node in ((first, "node-1"), (second, "node-2")):
        outcome = done_here(unit)
        if node == "node-2":
            value = {**outcome.value, "builder": "scikit-learn", "reason": "no C compiler"}
            outcome = dataclasses.replace(outcome, value=value)
        work.accept(unit.unit_id, outcome, node=node, attempts=1)
    told = work.summary([])
    assert told["builder"] == "compiled, scikit-learn"
    assert told["builder_reason"] == "scikit-learn: no C compiler (node-2)"


def test_a_damaged_data_file_is_made_again(spec):
    unit = run_work.preparation(spec)
    name = done_here(unit).value["shared"]
    path = next(Path(spec.home).glob(f"data/*/{name}"))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert done_here(unit).value["shared"] == name
    assert path.read_bytes() == content


def test_what_other_libraries_noted_is_made_again(spec, monkeypatch):
    unit = run_work.preparation(spec)
    note = next(Path(spec.home).glob("data/*/codes-*.json"))
    first = json.loads(note.read_text())
    note.write_text(json.dumps({**first, "base": {"n_estimators": 7}}))
    done_here(unit)
    assert json.loads(note.read_text())["base"] == {"n_estimators": 7}
    monkeypatch.setattr(forest, "libraries", lambda: {"scikit-learn": "1.10.0"})
    done_here(unit)
    assert json.loads(note.read_text())["base"] == first["base"]


def test_the_times_of_the_trials_add_up_to_what_was_spent(spec):
    work = SharedForestWork(spec)
    results, spent = [], 0.0
    for unit in work.units:
        outcome = dataclasses.replace(done_here(unit), seconds=2.0, cpu_seconds=1.0)
        results += work.accept(unit.unit_id, outcome, node="head", attempts=1)
        spent += 1.0
    assert sum(one.seconds for one in results) == pytest.approx(2 * spent)
    assert sum(one.extra["cpu_seconds"] for one in results) == pytest.approx(spent)


def test_a_driver_that_starts_again_goes_on(spec):
    first = SharedForestWork(spec)
    chosen = first.units[:4]
    told = work_off(first, chosen)
    done = {one.trial_id for one in told}
    left = tuple(trial for trial in spec.trials if trial.trial_id not in done)
    second = SharedForestWork(dataclasses.replace(spec, trials=left))
    names = [unit.unit_id for unit in second.units]
    assert not {unit.unit_id for unit in chosen} & set(names)
    told += work_off(second, second.units)
    assert {one.trial_id: one.scores for one in told} == reference(spec)
    assert len(told) == len(spec.trials)


def test_another_attempt_takes_up_what_was_kept_and_says_so(spec):
    first = SharedForestWork(spec)
    work_off(first, first.units[:4])
    assert "kept_parts_taken_up" not in first.summary([])
    later = dataclasses.replace(spec, run_id="1" * 20, continues=(spec.run_id,))
    second = SharedForestWork(later)
    assert not {unit.unit_id for unit in first.units[:4]} & {u.unit_id for u in second.units}
    results = work_off(second, second.units)
    assert {one.trial_id: one.scores for one in results} == reference(spec)
    assert SharedForestWork(later).summary(results)["kept_parts_taken_up"] == 2
    fresh = dataclasses.replace(spec, run_id="2" * 20)
    assert len(SharedForestWork(fresh).units) == len(first.units)


def test_what_was_kept_is_taken_up_past_attempts_that_never_began(spec):
    first = SharedForestWork(spec)
    work_off(first, first.units[:4])
    earlier = ("3" * 20, "2" * 20, spec.run_id)
    later = dataclasses.replace(spec, run_id="4" * 20, continues=earlier)
    second = SharedForestWork(later)
    assert not {unit.unit_id for unit in first.units[:4]} & {u.unit_id for u in second.units}


def test_trials_that_were_kept_but_not_told_are_told(spec):
    first = SharedForestWork(spec)
    work_off(first, first.units)
    second = SharedForestWork(spec)
    assert second.units[0].unit_id == "kept"
    results = work_off(second, second.units)
    assert {one.trial_id: one.scores for one in results} == reference(spec)


def test_a_unit_that_fails_fails_the_trials_that_have_its_trees(spec):
    work = SharedForestWork(spec)
    late = next(unit for unit in work.units if unit.unit_id == "fold1-group0-trees2-4")
    failed = work.give_up(late.unit_id, "no memory", nodes=["head"], attempts=3)
    assert [one.parameters["n_estimators"] for one in failed] == [5, 5]
    assert {one.reason for one in failed} == {"no memory"}
    assert not work.needed("fold0-group0-trees2-4")
    results = work_off(work, work.units)
    wanted = reference(spec)
    assert all(one.scores == wanted[one.trial_id] for one in results)
    assert len(results) + len(failed) == len(spec.trials)


def test_a_damaged_value_is_refused(spec):
    work = SharedForestWork(spec)
    with pytest.raises(ValueError, match="votes of a unit"):
        work.accept(
            work.units[0].unit_id, Outcome("ok", {"votes": "?"}), node="head", attempts=1
        )


def test_the_driver_needs_no_scikit_learn():
    code = (
        "import sys; from workloads.forest.exact import run_work, work; "
        "sys.exit('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=120)
    assert done.returncode == 0
