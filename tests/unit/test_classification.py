"""The grid search of classification: scikit-learn's scores from fits, and clear refusals."""

import json

import numpy as np
import pytest

from contracts.errors import InvalidDocument, TandemError, UsageError
from tests.doubles.run_specs import workload_spec, write_run
from workloads import classification, database
from workloads.classification import search
from workloads.data import datasets
from workloads.data.points import data
from workloads.driver import run as driver

TINY = {"preset": "tiny"}
BOOSTED = {**TINY, "classifier": "boosting", "grid": {"max_iter": [2, 4]}}


@pytest.mark.parametrize(
    "asked", [TINY, BOOSTED, {**TINY, "dataset": "iris", "points": None}],
    ids=["logistic", "boosting", "iris"],
)  # fmt: skip
def test_fits_of_blocks_have_the_scores_of_grid_search(asked, tmp_path):
    parameters = classification.validate(asked)
    described = data(parameters)
    x, y = datasets.load(str(tmp_path), described)
    keys = np.arange(len(x))
    half = len(x) // 2
    blocks = [(keys[half:], x[half:], y[half:]), (keys[:half], x[:half], y[:half])]
    rows, labels = search.rows_of(described.version, blocks)
    assert np.array_equal(rows, x)
    folds = parameters["folds"]
    how = {"classifier": parameters["classifier"], "folds": folds, "seed": parameters["seed"]}
    cut = search.parts(classification.combinations(parameters), folds)
    found = search.results([search.score(rows, labels, one, **how) for one in cut], folds)
    plain = classification.plain(parameters, parameters["seed"])
    for ours, theirs in zip(found, plain, strict=True):
        assert tuple(ours["scores"]) == pytest.approx(
            theirs.scores, rel=classification.TOLERANCE
        )
    assert len({one.scores for one in plain}) > 1


@pytest.mark.parametrize("name", classification.PRESETS)
def test_complete_parameters_stay_as_they_are(name):
    complete = classification.validate({"preset": name})
    assert classification.validate(complete) == complete
    assert complete["data_version"] == classification.data_version(complete)
    trials = classification.combinations(complete)
    assert len({json.dumps(one) for one in trials}) == len(trials) > 1


def test_the_baseline_knows_neither_form_nor_pieces():
    one, other = (
        classification.validate({**TINY, "pieces": count, "form": form})
        for count, form in ((1, "joblib"), (9, "tasks"))
    )
    assert classification.plain_parameters(one) == classification.plain_parameters(other)


REFUSED = {
    "points": [5, 0, -1, 10**9, "many"],
    "features": [0, 5000, 2.5],
    "labels": [0, None, 5000],
    "noise": [1, -0.1, "a"],
    "folds": [1, 50, True],
    "classifier": ["forest", 3],
    "grid": [{}, [], "C", {"C": [1] * 2}],
    "grid.C": [{"C": [0]}, {"C": ["a"]}, {"C": []}, {"C": 1}, {"C": [True]}],
    "grid.max_iter": [{"max_iter": [1]}],
    "form": ["queue"],
    "pieces": [0, 1000],
    "seed": [-1],
    "dataset": ["mnist", "covtype-like", 3],
    "speed": [1],
    "data_version": ["blobs-1"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in REFUSED for value in REFUSED[name]]
)
def test_a_wrong_parameter_is_named_with_what_to_type(name, value):
    with pytest.raises(InvalidDocument) as refused:
        classification.validate({**TINY, name.partition(".")[0]: value})
    assert any(problem.startswith(name) for problem in refused.value.problems)
    assert refused.value.next_step


def test_one_label_cannot_be_learnt():
    with pytest.raises(InvalidDocument, match="labels"):
        classification.validate({**TINY, "labels": 1, "noise": 0})


def test_without_a_key_of_the_database_every_trial_says_so(tmp_path):
    spec = workload_spec("classification", tmp_path / "home", TINY)
    assert driver.main([str(write_run(tmp_path, spec))]) == 0
    told = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    trials = [one for one in told if one["kind"] == "trial"]
    assert [one["status"] for one in trials] == ["failed"] * len(spec.trials)
    assert all("no key of a database" in one["reason"] for one in trials)
    assert all("fab data.load" in one["reason"] for one in trials)


def test_a_server_that_is_not_there_is_named(tmp_path):
    (tmp_path / "credentials").mkdir()
    settings = {"host": "127.0.0.1", "port": 9, "authority": "credentials/ca.pem"}
    names = {"database": "tandem", "user": "tandem", "password": "0"}
    (tmp_path / "credentials" / "database.json").write_text(json.dumps({**settings, **names}))
    with pytest.raises(TandemError, match=r"127\.0\.0\.1:9 cannot be reached") as refused:
        database.connect(tmp_path)
    assert refused.value.next_step


def test_an_error_of_ours_is_a_reason_however_it_is_wrapped():
    class Wrapped(Exception):
        def __init__(self, cause):
            self.cause = cause

    def failing(error):
        def work():
            raise error

        return work

    ours = UsageError("There is no table t.", next_step="fab data.load t")
    expected = [{"reason": str(ours)}] * 2
    assert search.reasoned(failing(ours), 2) == expected
    assert search.reasoned(failing(Wrapped(Wrapped(ours))), 2) == expected
    with pytest.raises(ValueError, match="other"):
        search.reasoned(failing(ValueError("other")), 2)
