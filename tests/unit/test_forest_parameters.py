"""What a user may ask of the forest, and what they are told when they ask for too much."""

import pytest

from contracts.errors import InvalidDocument, TandemError
from contracts.trial import canonical
from workloads import forest
from workloads.data import datasets
from workloads.runs import PlannedTrial, RunSpec

GOOD = {"dataset": "digits", "folds": 3, "grid": {"n_estimators": [5]}}


def problems_of(**changes):
    with pytest.raises(InvalidDocument) as failure:
        forest.validate({**GOOD, **changes})
    return failure.value.problems


def test_nothing_typed_gives_the_default_grid_on_digits():
    complete = forest.validate({})
    assert complete["dataset"] == "digits"
    assert complete["rows"] == 1797
    assert complete["data_version"].startswith("digits-")
    assert len(forest.combinations(complete)) == 24


def test_complete_parameters_are_left_as_they_are():
    complete = forest.validate({})
    assert forest.validate(complete) == complete


def test_how_scores_are_computed_changes_neither_trials_nor_data():
    usual = forest.validate(GOOD)
    assert (usual["reuse"], usual["builder"]) == (True, "auto")
    for how in ({"reuse": False}, {"builder": "scikit-learn"}, {"builder": "compiled"}):
        other = forest.validate({**GOOD, **how})
        assert forest.combinations(other) == forest.combinations(usual)
        assert forest.data_version(other) == forest.data_version(usual)


def test_every_file_of_either_form_decides_the_scores():
    names = {f"{path.parent.name}/{path.name}" for path in forest.sources()}
    one_of_each = {"forest/fits.py", "exact/votes.py", "kernel/grow.c", "kernel/cuts.h"}
    assert one_of_each | {"data/datasets.py"} <= names
    assert all(path.is_file() for path in forest.sources())
    assert not any(name.endswith(".so") for name in names)


def no_download(downloads):
    raise TandemError("no network")


@pytest.mark.parametrize("name", forest.PRESETS)
def test_every_preset_is_valid_and_canonical(name, monkeypatch):
    monkeypatch.setattr(datasets.covtype, "fetch", no_download)
    complete = forest.validate({"preset": name})
    assert "preset" not in complete
    assert canonical(complete)


def test_cover_type_like_is_settled_once_and_named(monkeypatch):
    monkeypatch.setattr(datasets.covtype, "fetch", no_download)
    complete = forest.validate({"preset": "cover-type"})
    assert complete["dataset"] == "synthetic-covtype-v1"
    assert complete["data_version"].startswith("synthetic-covtype-v1-n8000-")


def test_real_cover_type_is_never_replaced(monkeypatch):
    complete = forest.validate({**GOOD, "dataset": "covtype"})
    assert complete["dataset"] == "covtype"
    assert complete["data_version"].startswith("covtype-")


def test_what_is_given_goes_over_the_preset():
    complete = forest.validate({"preset": "scaling", "folds": 2, "seed": 7})
    assert (complete["folds"], complete["seed"]) == (2, 7)
    assert complete["grid"]["n_estimators"] == [100]


def test_the_scaling_preset_has_many_units_of_one_size(tmp_path):
    complete = forest.validate({"preset": "scaling"})
    combinations = forest.combinations(complete)
    trials = tuple(PlannedTrial(f"{at:020x}", one) for at, one in enumerate(combinations))
    spec = RunSpec(
        run_id="0" * 20, workload="forest", engine="ray", address="x", nodes=("head",),
        addresses={"head": "127.0.0.1"}, slots={"head": 1}, credentials={},
        home=str(tmp_path), repeat=1, seed=0, parameters=complete, trials=trials,
        run_deadline_seconds=60.0, unit_deadline_seconds=60.0, max_attempts=1,
    )  # fmt: skip
    assert len(forest.open_work(spec).units) >= 60
    assert len({(c["n_estimators"], c["max_features"]) for c in combinations}) == 1


def test_combinations_come_in_the_order_of_grid_search():
    complete = forest.validate(
        {**GOOD, "grid": {"n_estimators": [5, 7], "max_depth": [None, 3]}}
    )
    assert forest.combinations(complete) == [
        {"max_depth": None, "n_estimators": 5},
        {"max_depth": None, "n_estimators": 7},
        {"max_depth": 3, "n_estimators": 5},
        {"max_depth": 3, "n_estimators": 7},
    ]


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("unknown field", {"fold": 3}, "fold: unknown field; known fields: builder, data"),
        ("unknown data", {"dataset": "mnist"}, "dataset: must be one of digits"),
        ("one fold", {"folds": 1}, "folds: must be from 2 to 20, is 1"),
        ("text as folds", {"folds": "3"}, "folds: must be int, is str '3'"),
        ("text as reuse", {"reuse": "no"}, "reuse: must be bool, is str 'no'"),
        ("number as reuse", {"reuse": 1}, "reuse: must be bool, is int 1"),
        ("unknown builder", {"builder": "gpu"}, "builder: must be one of auto, compiled, sc"),
        ("negative seed", {"seed": -1}, "seed: must be from 0 to 4294967295, is -1"),
        ("too many rows", {"rows": 5000}, "rows: must be from 30 to 1797 for digits"),
        ("too few rows", {"rows": 3}, "rows: must be from 30 to 1797 for digits"),
        ("no grid", {"grid": {}}, "grid: must name at least one parameter"),
        ("empty list of grids", {"grid": []}, "grid: must name at least one parameter"),
        ("text as grid", {"grid": "all"}, "grid: must be a table of lists"),
        ("value not listed", {"grid": {"max_depth": 3}}, "must be a list of at least one"),
        ("empty values", {"grid": {"max_depth": []}}, "must be a list of at least one"),
        ("unknown parameter", {"grid": {"depth": [3]}}, "grid.depth: unknown parameter"),
        ("no trees", {"grid": {"n_estimators": [0]}}, "int in the range [1, inf), is 0"),
        ("bad text", {"grid": {"criterion": ["x"]}}, "grid.criterion: must be a str among"),
        ("table as value", {"grid": {"class_weight": [{"1": 2}]}}, "must not be a table"),
        ("not a number", {"grid": {"ccp_alpha": [float("nan")]}}, "grid.ccp_alpha: cannot"),
        ("n_jobs", {"grid": {"n_jobs": [4]}}, "cannot be tuned here, it is 1"),
        ("random_state", {"grid": {"random_state": [4]}}, "it is the run's seed"),
        ("twice", {"grid": {"n_estimators": [5, 5]}}, "holds 1 combinations twice"),
        ("second of two grids", {"grid": [{"max_depth": [3]}, {"x": [1]}]}, "grid[1].x: unk"),
        (
            "too many",
            {"grid": {"n_estimators": list(range(1, 200)), "max_depth": list(range(1, 100))}},
            "grid: has 19701 combinations, the most is 10000",
        ),
        ("other data", {"data_version": "digits-x"}, "data_version: is 'digits-x', but is"),
        ("unknown preset", {"preset": "fast"}, "preset: must be one of default, scaling"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_wrong_value_is_named_with_its_rule(name, changes, told):
    assert any(told in problem for problem in problems_of(**changes)), problems_of(**changes)


def test_all_problems_are_told_at_once():
    found = problems_of(
        folds=0, seed=-1, dataset="x", reuse=0, builder="", grid={"n_estimators": [0], "y": [1]}
    )
    assert len(found) == 7


@pytest.mark.parametrize(
    ("changes", "example"),
    [
        ({"folds": 1}, "--set folds=3"),
        ({"grid": {"magic": [1]}}, '--set "grid.n_estimators=[50,100]"'),
        ({"preset": "huge"}, "--preset default"),
        ({"magic": 1, "seed": -1}, "--set seed=0"),
    ],
    ids=str,
)
def test_what_to_type_fits_the_field_that_is_wrong(changes, example):
    with pytest.raises(InvalidDocument) as failure:
        forest.validate({**GOOD, **changes})
    assert failure.value.next_step == example
