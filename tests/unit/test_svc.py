"""SVC from shared kernel matrices: GridSearchCV's scores and report, whatever the kernel."""

import json

import numpy as np
import pytest
from sklearn.metrics import classification_report
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from contracts.errors import InvalidDocument
from tests.doubles.run_specs import workload_spec, write_run
from workloads import svc
from workloads.driver import run as driver
from workloads.engines import Outcome
from workloads.engines.unit_process import find
from workloads.svc.classification_report import report
from workloads.svc.parameters import data
from workloads.svc.samples import prepare, rows_of

TINY = {"preset": "tiny"}
CASES = {
    "tiny": TINY,
    "every kernel": {**TINY, "kernels": ["rbf", "linear", "poly", "sigmoid"]},
    "two classes, many features": {**TINY, "features": 60, "classes": 2, "gamma": ["auto", 1]},
    "great C, much noise": {**TINY, "rows": 400, "C": [100, 1000], "noise": 0.3, "folds": 4},
}


def shared(tmp_path, parameters, slots=1):
    """Do every unit here, in the order of the work; return the results by trial."""
    spec = workload_spec("svc", tmp_path, parameters, slots={"head": slots})
    work = svc.open_work(spec)
    found = {}
    for unit in work.units:
        value = json.loads(json.dumps(find(unit.function)(**unit.arguments)))
        done = work.accept(unit.unit_id, Outcome("ok", value), node="head", attempts=1)
        found.update((one.trial_id, one) for one in done)
    return [found[trial.trial_id] for trial in spec.trials], work


@pytest.mark.parametrize("case", CASES)
def test_one_kernel_matrix_for_every_c_scores_as_grid_search_does(case, tmp_path):
    parameters = svc.validate(CASES[case])
    ours, _ = shared(tmp_path, CASES[case])
    theirs = svc.plain(parameters, parameters["seed"])
    assert [one.parameters for one in ours] == [one.parameters for one in theirs]
    assert [one.scores for one in ours] == [one.scores for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert {key: value for key, value in one.extra.items() if key in other.extra} == (
            dict(other.extra)
        )


def test_the_report_is_scikit_learns_over_the_rows_of_every_fold():
    parameters = svc.validate({**TINY, "kernels": ["rbf"], "C": [5], "gamma": [0.2]})
    x, y = rows_of(data(parameters))
    guessed = np.empty_like(y)
    folds = StratifiedKFold(3, shuffle=True, random_state=0).split(x, y)
    for train, test in folds:
        guessed[test] = SVC(C=5, gamma=0.2).fit(x[train], y[train]).predict(x[test])
    theirs = classification_report(y, guessed, output_dict=True)
    (trial,) = svc.plain(parameters, 0)
    for name, column in (("precision",) * 2, ("recall",) * 2, ("f1", "f1-score")):
        assert trial.extra[f"{name} macro"] == pytest.approx(theirs["macro avg"][column])
        for label in range(3):
            wanted = theirs[str(label)][column]
            assert trial.extra[f"{name} of class {label}"] == pytest.approx(wanted)


def test_a_class_that_nobody_predicts_has_shares_of_0_and_not_of_nothing():
    found = report([[[3, 0], [2, 0]]])
    assert (found["precision of class 1"], found["recall of class 1"]) == (0.0, 0.0)


def test_a_unit_is_a_kernel_matrix_and_more_slots_deal_out_its_cs(tmp_path):
    few, one_slot = shared(tmp_path, TINY)
    many, four_slots = shared(tmp_path, TINY, slots=4)
    assert len(one_slot.units) == 3 * 3  # linear, and rbf with two gammas, in three folds
    assert len(four_slots.units) == 2 * 3 * 3  # of each of the two Cs alone
    assert [one.scores for one in few] == [one.scores for one in many]
    assert not one_slot.needed(one_slot.units[0].unit_id)


def test_a_failed_unit_fails_its_trials_once(tmp_path):
    spec = workload_spec("svc", tmp_path, TINY)
    work = svc.open_work(spec)
    first = work.units[0].unit_id
    failed = work.give_up(first, "out of memory", nodes=["head"], attempts=2)
    assert [one.status for one in failed] == ["failed", "failed"]
    assert work.give_up(work.units[1].unit_id, "again", nodes=["head"], attempts=1) == []
    assert not work.needed(work.units[2].unit_id)


def test_other_data_than_the_operators_is_refused_on_a_node():
    given = data(svc.validate(TINY))
    assert prepare(given)["version"] == given["version"]
    with pytest.raises(Exception, match="makes other data than"):
        prepare({**given, "version": given["version"][:-1] + "x"})


@pytest.mark.slow
@pytest.mark.parametrize("reuse", [True, False])
def test_a_plain_run_is_the_reference(reuse, tmp_path):
    spec = workload_spec("svc", tmp_path / "home", {**TINY, "reuse": reuse, "jobs": -1})
    assert driver.main([str(write_run(tmp_path, spec))]) == 0
    told = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    found = {one["trial_id"]: tuple(one["scores"]) for one in told if one["kind"] == "trial"}
    plain = svc.plain(spec.parameters, spec.seed)
    assert [found[trial.trial_id] for trial in spec.trials] == [one.scores for one in plain]
    assert told[-1]["units"] == (9 if reuse else 1)
    assert told[-1]["summary"]["best_score"] > 0.5


@pytest.mark.parametrize("name", svc.PRESETS)
def test_complete_parameters_stay_as_they_are(name):
    complete = svc.validate({"preset": name})
    assert svc.validate(complete) == complete
    assert svc.plain_parameters(complete)["reuse"] is False


REFUSED = {
    "rows": [10, 1_000_000, "all"],
    "features": [1, 2.5],
    "informative": [1, 9],
    "classes": [1, 17],
    "noise": [1, -0.1],
    "separation": [0],
    "kernels": [[], ["rbf", "rbf"], ["cosine"], "rbf"],
    "C": [[0], [], [True], [[1]], "1"],
    "gamma": [[0], ["median"], [None]],
    "folds": [1],
    "reuse": [1],
    "jobs": [0, -2],
    "seed": [-1],
    "data_version": ["make_classification-n300x8-c3-0"],
    "degree": [3],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in REFUSED for value in REFUSED[name]]
)
def test_a_wrong_parameter_is_named_with_what_to_type(name, value):
    with pytest.raises(InvalidDocument) as refused:
        svc.validate({**TINY, name: value})
    assert any(problem.startswith(f"{name}:") for problem in refused.value.problems)
    assert refused.value.next_step


def test_every_problem_is_told_at_once():
    with pytest.raises(InvalidDocument) as refused:
        svc.validate({"rows": 1, "C": [], "kernels": ["x"], "folds": 0})
    assert len(refused.value.problems) >= 4
