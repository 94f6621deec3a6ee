"""KNN from one neighbour search: GridSearchCV's scores to the last bit, ties and all."""

import json

import numpy as np
import pytest

from contracts.errors import InvalidDocument
from tests.doubles.run_specs import workload_spec, write_run
from workloads import knn
from workloads.data import datasets
from workloads.data.named import data
from workloads.driver import run as driver
from workloads.knn import neighbours as shared
from workloads.programs import Connected

TINY = {"preset": "tiny"}
EVERY = {"neighbours": list(range(1, 21)), "folds": 4}
CASES = {
    "digits": {"dataset": "digits", "rows": 600, **EVERY},
    "iris, full of ties": {"dataset": "iris", **EVERY},
    "wine": {"dataset": "wine", **EVERY},
    "unordered, few": {"dataset": "breast_cancer", "neighbours": [9, 2, 5], "folds": 3},
}


def here(function, parts, **arguments):
    return [function(part, **arguments) for part in parts]


@pytest.mark.parametrize("tasks", [1, 7])
@pytest.mark.parametrize("case", CASES)
def test_one_search_scores_as_grid_search_does(case, tasks, tmp_path):
    parameters = knn.validate(CASES[case])
    described = data(parameters)
    datasets.prepare(str(tmp_path), described)
    connected = Connected("plain", None, ("head",), 1, str(tmp_path))
    options = {name: parameters[name] for name in ("folds", "seed", "neighbours")}
    ours = shared.searched(here, connected, tasks=tasks, data=vars(described), **options)
    theirs = knn.plain(parameters, parameters["seed"])
    assert [tuple(one["scores"]) for one in ours] == [one.scores for one in theirs]


def test_rows_with_ties_are_what_the_library_says():
    """On a grid most neighbours are equally far: the library chooses which of them count."""
    from sklearn.neighbors import KNeighborsClassifier

    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 4, (60, 2)).astype(float), generator.integers(0, 5, 60)
    asked, truth = generator.integers(0, 4, (200, 2)).astype(float), np.arange(200) % 5
    wanted = [1, 2, 3, 5, 7]
    expected = [
        int((KNeighborsClassifier(k).fit(x, y).predict(asked) == truth).sum()) for k in wanted
    ]
    assert shared.right_rows(x, y, asked, truth, wanted) == expected


def test_parts_cover_every_fold_and_are_no_more_than_rows():
    assert shared.parts(1797, 5, 1) == [(fold, 0, 1) for fold in range(5)]
    assert len(shared.parts(1797, 5, 12)) == 15
    assert len(shared.parts(20, 5, 1000)) == 20


@pytest.mark.slow
def test_a_plain_run_is_the_reference(tmp_path):
    spec = workload_spec("knn", tmp_path / "home", TINY)
    assert driver.main([str(write_run(tmp_path, spec))]) == 0
    told = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    found = {one["trial_id"]: tuple(one["scores"]) for one in told if one["kind"] == "trial"}
    plain = knn.plain(spec.parameters, spec.seed)
    assert [found[trial.trial_id] for trial in spec.trials] == [one.scores for one in plain]
    assert told[-1]["units"] == 1


@pytest.mark.parametrize("name", ["default", "tiny"])
def test_complete_parameters_stay_as_they_are(name):
    complete = knn.validate({"preset": name})
    assert knn.validate(complete) == complete
    assert len(knn.combinations(complete)) == len(complete["neighbours"])
    assert knn.plain_parameters(complete)["reuse"] is False


REFUSED = {
    "neighbours": [[], [0], [3, 3], 5, [1.5], [250]],
    "rows": [1, 2000, "all"],
    "folds": [1, 21, "five"],
    "reuse": ["yes", 1],
    "seed": [-1],
    "dataset": ["mnist", None],
    "weights": ["distance"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in REFUSED for value in REFUSED[name]]
)
def test_a_wrong_parameter_is_named_with_what_to_type(name, value):
    with pytest.raises(InvalidDocument) as refused:
        knn.validate({**TINY, name: value})
    wrong = "rows" if (name, value) == ("neighbours", [250]) else name
    assert any(problem.startswith(f"{wrong}:") for problem in refused.value.problems)
    assert refused.value.next_step
