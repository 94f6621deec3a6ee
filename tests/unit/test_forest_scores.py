"""Scores to the last bit: what the units compute is what GridSearchCV computes."""

import dataclasses

import numpy as np
import pytest
from sklearn import datasets as bundled
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from contracts.trial import TrialResult, canonical
from tests.doubles.run_specs import run_spec
from workloads import forest
from workloads.data import synthetic_covtype
from workloads.driver import executor
from workloads.driver.executor import Hearers, Limits
from workloads.engines import Outcome
from workloads.engines.plain_engine import PlainEngine
from workloads.engines.unit_process import find
from workloads.forest.exact.run_work import SharedForestWork
from workloads.forest.fits import fit_folds
from workloads.forest.work import ForestWork, fit_seconds, open_work, scores_digest

pytestmark = pytest.mark.slow

GRID = {
    "n_estimators": [3, 8],
    "max_depth": [None, 4],
    "ccp_alpha": [0.0, 0.01],
    "max_features": ["sqrt", 0.5],
}
CASES = {
    "digits": {"dataset": "digits", "rows": 400, "folds": 2},
    "digits-whole": {"dataset": "digits", "folds": 3, "grid": {"n_estimators": [10]}},
    "iris": {"dataset": "iris", "folds": 5},
    "wine": {"dataset": "wine", "folds": 3},
    "breast_cancer": {"dataset": "breast_cancer", "folds": 3},
    "generator": {"dataset": "synthetic-covtype-v1", "rows": 700, "folds": 2, "seed": 11},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def engine(home):
    engine = PlainEngine(run_spec(home, CASES["iris"]))
    yield engine
    engine.close()


FORMS = {
    "shared": ({}, SharedForestWork),
    "scikit-learn's builder": ({"builder": "scikit-learn"}, SharedForestWork),
    "one fit each": ({"reuse": False}, ForestWork),
}


def run(engine, spec) -> list[TrialResult]:
    unit = forest.preparation(spec)
    find(unit.function)(**unit.arguments)
    found = {}
    hearers = Hearers(
        lambda result: found.update({result.trial_id: result}),
        lambda *death: pytest.fail(f"something died: {death}"),
        lambda done, total: None,
    )
    executor.run(engine, forest.open_work(spec), Limits(120, 300), hearers)
    return [found[trial.trial_id] for trial in spec.trials]


def reference(parameters):
    """Return scores of GridSearchCV per combination and fold, with nothing of ours in it."""
    if parameters["dataset"] == "synthetic-covtype-v1":
        x, y = next(synthetic_covtype.blocks(parameters["rows"]))
        x = x.astype(np.float64)
    elif parameters["dataset"] == "digits" and parameters["rows"] == 400:
        return None
    else:
        x, y = getattr(bundled, f"load_{parameters['dataset']}")(return_X_y=True)
    seed, folds = parameters["seed"], parameters["folds"]
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    model = RandomForestClassifier(random_state=seed, n_jobs=1)
    search = GridSearchCV(model, parameters["grid"], cv=split, n_jobs=1, refit=False)
    search.fit(x, y)
    columns = [search.cv_results_[f"split{fold}_test_score"] for fold in range(folds)]
    return [tuple(map(float, row)) for row in zip(*columns, strict=True)], search


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize(("how", "kind"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_grid_search(case, how, kind, engine, home):
    spec = run_spec(home, {"grid": GRID, **CASES[case], **how})
    results = run(engine, spec)
    assert all(result.status == "ok" for result in results)
    ours = [result.scores for result in results]
    assert ours == [one.scores for one in forest.plain(spec.parameters, spec.seed)]
    theirs = reference(spec.parameters)
    if theirs is not None:
        scores, search = theirs
        assert ours == scores
        work = forest.open_work(spec)
        assert type(work) is kind
        summary = work.summary(results)
        assert summary["best_score"] == search.best_score_
        best = search.cv_results_["params"][search.best_index_]
        assert summary["best_parameters"] == canonical(best)


def test_a_score_that_differs_in_its_last_bit_is_noticed(engine, home):
    spec = run_spec(home, {"dataset": "iris", "folds": 2, "grid": {"n_estimators": [2, 3]}})
    results = run(engine, spec)
    first = results[0].scores
    changed = (float(np.nextafter(first[0], 0)), *first[1:])
    mutant = [dataclasses.replace(results[0], scores=changed), *results[1:]]
    plain = forest.plain(spec.parameters, spec.seed)
    assert [one.scores for one in results] == [one.scores for one in plain]
    assert [one.scores for one in mutant] != [one.scores for one in plain]
    assert scores_digest(results) == scores_digest(plain)
    assert scores_digest(mutant) != scores_digest(plain)


def test_another_seed_gives_other_scores(engine, home):
    given = {"dataset": "digits", "rows": 300, "folds": 2, "grid": {"n_estimators": [3]}}
    scores = {run(engine, run_spec(home, {**given, "seed": s}))[0].scores for s in (0, 1)}
    assert len(scores) == 2


def test_scores_do_not_depend_on_a_context_of_joblib(home):
    """A forest whose n_jobs is None takes the context's; ours is 1 and stays 1."""
    import joblib

    spec = run_spec(home, {"dataset": "digits", "rows": 300, "grid": {"n_estimators": [20]}})
    (unit, *_) = open_work(spec).units
    alone = fit_folds(**unit.arguments)
    with joblib.parallel_config("threading", n_jobs=4):
        assert fit_folds(**unit.arguments) == alone


@pytest.mark.parametrize("reuse", [True, False])
def test_a_combination_that_cannot_be_fitted_fails_alone(reuse, engine, home):
    grid = {"bootstrap": [True, False], "oob_score": [True, False], "n_estimators": [3]}
    spec = run_spec(home, {"dataset": "iris", "folds": 2, "grid": grid, "reuse": reuse})
    results = run(engine, spec)
    failed = [result for result in results if result.status == "failed"]
    assert [dict(one.parameters)["bootstrap"] for one in failed] == [False]
    assert "Out of bag estimation only available if bootstrap=True" in failed[0].reason
    plain = forest.plain(spec.parameters, spec.seed)
    assert [one.status for one in plain] == [one.status for one in results]


def test_a_failed_fold_spares_the_trial_its_other_folds(home):
    spec = run_spec(home, {"dataset": "iris", "folds": 5, "grid": {"n_estimators": [500]}})
    work = open_work(spec)
    assert len(work.units) == 5
    first, *others = (unit.unit_id for unit in work.units)
    (result,) = work.give_up(first, "no luck", nodes=["a"], attempts=2)
    assert (result.status, result.reason, result.attempts) == ("failed", "no luck", 2)
    assert not any(work.needed(name) for name in others)
    outcome = Outcome("ok", [0.5])
    assert work.accept(others[0], outcome, node="b", attempts=1) == []


def test_folds_of_a_trial_may_come_in_any_order(home):
    spec = run_spec(home, {"dataset": "iris", "folds": 3, "grid": {"n_estimators": [500]}})
    work = open_work(spec)
    results = []
    for index in (2, 0, 1):
        outcome = Outcome("ok", [index / 10], seconds=1.0, cpu_seconds=0.5)
        name = work.units[index].unit_id
        results += work.accept(name, outcome, node=f"n{index}", attempts=1 + index)
    (result,) = results
    assert result.scores == (0.0, 0.1, 0.2)
    assert result.nodes == ("n2", "n0", "n1")
    assert (result.seconds, result.attempts) == (3.0, 3)
    assert result.extra["cpu_seconds"] == 1.5


def test_tiny_fits_share_a_unit_and_large_ones_do_not(home):
    many = [round(step / 1000, 3) for step in range(60)]
    tiny = run_spec(home, {"folds": 5, "grid": {"n_estimators": [5], "ccp_alpha": many}})
    assert len(open_work(tiny).units) < 60 * 5
    large = run_spec(home, {"folds": 5, "grid": {"n_estimators": [200], "ccp_alpha": many}})
    assert len(open_work(large).units) == 60 * 5


def test_the_guess_of_a_fit_grows_with_what_it_costs():
    facts = {"rows": 1797}
    order = [
        {"n_estimators": 10, "max_depth": 3},
        {"n_estimators": 10},
        {"n_estimators": 100},
        {"n_estimators": 100, "max_features": 0.5},
        {"n_estimators": 200, "max_features": None},
    ]
    guesses = [fit_seconds(one, facts, 3) for one in order]
    assert guesses == sorted(guesses)


def test_the_driver_can_load_the_workload_without_scikit_learn():
    import subprocess
    import sys
    from pathlib import Path

    program = (
        "import sys, workloads.driver.run, workloads.forest;print('sklearn' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"
