"""A study is a function of its results: the same on any number of slots, and after a kill."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pytest

from tests.doubles.run_specs import workload_spec, write_run
from workloads import xgboost as workload
from workloads.driver import run as driver
from workloads.driver.ledger import Ledger
from workloads.engines import Outcome, Slot, Unit
from workloads.sweeps.driver_output import DriverOutput
from workloads.xgboost import study
from workloads.xgboost.study import Study

ROOT = Path(__file__).resolve().parents[2]
TINY = {"preset": "tiny"}
OPTIONS = {"seed": 5, "parallel": 3, "sampler": "tpe", "constant_liar": True}


def value_of(chosen):
    return -((chosen["eta"] - 0.2) ** 2) - (chosen["max_depth"] - 5) ** 2 / 50


def evaluate(chosen):
    return {"scores": [value_of(chosen)], "chosen": chosen}


def in_any_order(parallel_slots, seed, count=25):
    """Do a study with trials that take any time on several slots; return what was chosen."""
    generator, found = np.random.default_rng(seed), Study(**OPTIONS)
    chosen, under_way, waiting = {}, [], list(range(count))
    while waiting or under_way:
        while waiting and len(under_way) < parallel_slots and found.ready(waiting[0]):
            number = waiting.pop(0)
            chosen[number] = found.chosen(number)
            under_way.append(number)
        number = under_way.pop(int(generator.integers(len(under_way))))
        found.tell(number, value_of(chosen[number]))
    return [chosen[number] for number in range(count)]


@pytest.mark.parametrize(("slots", "seed"), [(1, 0), (2, 1), (3, 2), (3, 3), (9, 4)])
def test_the_trials_are_the_same_on_any_number_of_slots(slots, seed):
    wanted = [one["chosen"] for one in study.sequence(Study(**OPTIONS), 25, evaluate)]
    assert in_any_order(slots, seed) == wanted


def test_a_trial_waits_for_those_that_it_is_chosen_from():
    found = Study(**OPTIONS)
    assert [found.ready(number) for number in range(4)] == [True, True, True, False]
    found.tell(1, 0.0)
    assert not found.ready(3)
    found.tell(0, None)  # a failure is an end, too
    assert found.ready(3)
    assert found.ready(4)
    assert not found.ready(5)


def test_trials_that_are_told_again_change_nothing():
    whole = study.sequence(Study(**OPTIONS), 20, evaluate)
    again = Study(**OPTIONS)
    for number in (*range(12), 13):
        kept = json.loads(json.dumps({**whole[number]["chosen"], "cpu_seconds": 1.0}))
        again.told_again(number, whole[number]["scores"][0], kept)
    left = [12, *range(14, 20)]
    for number in left:
        assert again.ready(number)
        assert again.chosen(number) == whole[number]["chosen"]
        again.tell(number, whole[number]["scores"][0])


def test_one_at_a_time_is_optunas_own_study_and_learns():
    options = {**OPTIONS, "parallel": 1}
    ours = study.sequence(Study(**options), 40, evaluate)
    drawn = study.sequence(Study(**{**options, "sampler": "random"}), 40, evaluate)
    late, early = (
        sum(one["scores"][0] for one in ours[first : first + 10]) for first in (30, 0)
    )
    assert late > early
    assert [one["chosen"] for one in drawn] != [one["chosen"] for one in ours]
    theirs = optuna.create_study(direction="maximize")
    for one in ours[:39]:
        theirs.add_trial(
            optuna.create_trial(
                params=one["chosen"], distributions=dict(study.SPACE), value=one["scores"][0]
            )
        )
    theirs.sampler = optuna.samplers.TPESampler(seed=5 * (1 << 12) + 39, constant_liar=True)
    assert theirs.ask(dict(study.SPACE)).params == ours[39]["chosen"]


def test_a_liar_keeps_away_from_what_is_under_way():
    honest = study.sequence(Study(**{**OPTIONS, "constant_liar": False}), 25, evaluate)
    liar = study.sequence(Study(**OPTIONS), 25, evaluate)
    assert [one["chosen"] for one in honest] != [one["chosen"] for one in liar]


def test_a_unit_that_is_not_ready_waits_and_others_pass_it():
    slots = [Slot("head", 0), Slot("head", 1)]
    ledger = Ledger([Unit("a", "f"), Unit("b", "f")], slots, max_attempts=3, unit_seconds=9)
    (made,) = ledger.assign(0.0, lambda name: True, lambda name: name == "b")
    assert made.unit.unit_id == "b"
    ledger.report(made.ticket, Outcome("ok", 1))
    assert not ledger.finished
    (made,) = ledger.assign(0.0, lambda name: True, lambda name: True)
    assert made.unit.unit_id == "a"


def read_results(folder, spec):
    path = folder / "results.jsonl"
    output = DriverOutput(spec.trials)
    found = output.feed(path.read_bytes()) if path.exists() else []
    return {one.trial_id: one for one in found}, output.observed


@pytest.mark.slow
@pytest.mark.parametrize("reuse", [True, False])
def test_a_run_on_two_slots_is_the_reference(reuse, tmp_path):
    parameters = {**TINY, "reuse": reuse, "format": "parquet" if reuse else "numpy"}
    spec = workload_spec("xgboost", tmp_path / "home", parameters, slots={"head": 2})
    assert driver.main([str(write_run(tmp_path, spec))]) == 0
    found, seen = read_results(tmp_path, spec)
    plain = workload.plain(spec.parameters, spec.seed)
    assert [found[one.trial_id].scores for one in spec.trials] == [one.scores for one in plain]
    for trial, reference in zip(spec.trials, plain, strict=True):
        ours = found[trial.trial_id].extra
        assert [ours[name] for name in study.SPACE] == [
            reference.extra[name] for name in study.SPACE
        ]
        assert ours["fit seconds"] > 0
    assert seen.summary["best_rmse"] == min(-one.scores[0] for one in plain)
    reads = sum(one.extra["read seconds"] > 0 for one in found.values())
    assert 1 <= reads <= 2  # once a process


@pytest.mark.slow
def test_a_study_whose_driver_was_killed_goes_on_where_it_was(tmp_path):
    """Its next attempt, in a folder and a process of its own, knows the journal's trials."""
    parameters = {**TINY, "rows": 20_000, "rounds": [40, 80], "trials": 10}
    spec = workload_spec("xgboost", tmp_path / "home", parameters)
    path = write_run(tmp_path / "first", spec)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    first = subprocess.Popen(
        [sys.executable, "-m", "workloads.driver", str(path)], env=environment
    )
    give_up = time.monotonic() + 120
    done = {}
    while len(done) < 4:
        assert first.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < give_up
        time.sleep(0.02)
        done, _ = read_results(tmp_path / "first", spec)
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=10)
    done, _ = read_results(tmp_path / "first", spec)
    assert 4 <= len(done) < 10
    later = dataclasses.replace(
        spec,
        run_id="1" * 20,
        trials=tuple(one for one in spec.trials if one.trial_id not in done),
        finished=tuple(done.values()),
    )
    assert driver.main([str(write_run(tmp_path / "second", later))]) == 0
    rest, seen = read_results(tmp_path / "second", later)
    assert seen.ended == "finished"
    both = {**done, **rest}
    plain = workload.plain(spec.parameters, spec.seed)
    assert [both[one.trial_id].scores for one in spec.trials] == [one.scores for one in plain]
    assert seen.summary["trials_ok"] == 10
