"""What a sweep varies: how it is typed, what is wrong with it, and what is to compute."""

import pytest

from contracts.errors import InvalidDocument
from workloads import forest
from workloads.sweeps.plan import PLAIN
from workloads.sweeps.request import subject_of
from workloads.sweeps.variations import MOST_VARIATIONS, varied


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("reuse=true,false", [True, False]),
        ("rows=1000, 10000", [1000, 10000]),
        ("dataset=iris,digits", ["iris", "digits"]),
        ("limit=null,0.5,1e3", [None, 0.5, 1000.0]),
        ("grid.max_depth=[null,10],[5]", [[None, 10], [5]]),
        ('grid={"a": [1, 2]},{"a": [3]}', [{"a": [1, 2]}, {"a": [3]}]),
        ('text="a,b",c', ["a,b", "c"]),
        ('text="[",x', ["[", "x"]),
    ],
)
def test_values_are_read_as_settings_are(option, values):
    name = option.partition("=")[0]
    assert varied([option], []) == [{name: value} for value in values]


def test_several_options_multiply_and_the_last_changes_fastest():
    found = varied(["rows=10,20", "reuse=true,false"], ["folds"])
    assert found == [
        {"rows": 10, "reuse": True}, {"rows": 10, "reuse": False},
        {"rows": 20, "reuse": True}, {"rows": 20, "reuse": False},
    ]  # fmt: skip


def test_nothing_varied():
    assert varied([], ["rows"]) == []


WRONG = {
    "no values": (["rows"], [], "'rows': must be NAME=V1,V2"),
    "no name": (["=1,2"], [], "'=1,2': must be NAME=V1,V2"),
    "a gap in the name": (["grid..x=1,2"], [], "must be NAME=V1,V2"),
    "one value": (["rows=10"], [], "rows: must have at least two values, has 10"),
    "a value twice": (["rows=10,20,10"], [], "rows: has a value twice: 10, 20, 10"),
    "texts alike": (['x="true",true'], [], "x: has a value twice"),
    "an empty value": (["rows=10,"], [], "rows: has an empty value"),
    "varied twice": (["rows=1,2", "rows=3,4"], [], "rows: is given twice with --vary"),
    "varied and set": (["rows=1,2"], ["rows"], "rows: is given with --set and --vary"),
    "a part of what is set": (["grid.a=[1],[2]"], ["grid"], "overwrite a part of grid (--set)"),
    "around what is set": (["grid={},1"], ["grid.a"], "overwrite a part of grid.a (--set)"),
    "a part of what is varied": (["g={},1", "g.a=1,2"], [], "overwrite a part of g (--vary)"),
    "too many": (["a=1,2,3,4", "b=1,2,3,4"], [], f"a x b: makes 16 variations, the most is "
                 f"{MOST_VARIATIONS}"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "fixed", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_named(options, fixed, words):
    with pytest.raises(InvalidDocument) as raised:
        varied(options, fixed)
    assert words in str(raised.value)
    assert "Next: --vary rows=1000,10000" in str(raised.value)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(InvalidDocument) as raised:
        varied(["rows", "folds=3", "seed=1,2"], ["seed"])
    assert len(raised.value.problems) == 3


def asked(*vary, preset="tiny", settings=()):
    return subject_of("forest", preset=preset, grid=None, settings=settings, vary=vary)


def test_each_variation_is_work_of_its_own():
    subject = asked("folds=2,3", "dataset=iris,digits", settings=["rows=150"])
    assert [one.names for one in subject.variations] == [
        ("dataset=iris", "folds=2"), ("dataset=digits", "folds=2"),
        ("dataset=iris", "folds=3"), ("dataset=digits", "folds=3"),
    ]  # fmt: skip
    last = subject.variations[-1].work
    assert (last.parameters["folds"], last.parameters["rows"]) == (3, 150)
    assert last.data_version.startswith("digits")
    assert len({one.work.fingerprint for one in subject.variations}) == 4
    assert subject.work == subject.variations[0].work


def test_a_varied_grid_has_its_own_combinations():
    subject = asked("grid.n_estimators=[5],[5,10,20]")
    assert [len(one.work.combinations) for one in subject.variations] == [1, 3]


def test_a_varied_parameter_means_what_it_means_when_it_is_set():
    (_, three) = asked("folds=2,3").variations
    assert three.work == asked(settings=["folds=3"]).work


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        (["magic=1,2"], ["magic: unknown field"]),
        (["folds=2,1,99"], ["is 1 (with folds=1)", "is 99 (with folds=99)"]),
        (["folds=1,2", "dataset=digits,wood"], ["with folds=1, dataset=", "dataset: must be"]),
        (["rows=null,1797"], ["rows=1797: is the same work as rows=null"]),
        (["preset=tiny,demo"], ["preset: is given with --set and --vary"]),
    ],
)
def test_every_variation_is_checked_before_anything_runs(vary, words):
    with pytest.raises(InvalidDocument) as raised:
        asked(*vary, settings=[] if "rows" in vary[0] or "preset" in vary[0] else ["rows=150"],
              preset="" if "rows" in vary[0] else "tiny")  # fmt: skip
    for one in words:
        assert one in str(raised.value)


def test_a_problem_of_every_variation_is_told_once():
    with pytest.raises(InvalidDocument) as raised:
        asked("folds=2,3", settings=["seed=-1"])
    assert len(raised.value.problems) == 1


def test_plain_computes_each_variation_that_matters_to_it():
    subject = asked("folds=2,3")
    assert [one.names for one in subject.of(PLAIN)] == [("folds=2",), ("folds=3",)]
    for baseline, one in zip(subject.of(PLAIN), subject.of("ray"), strict=True):
        assert baseline.work.parameters == forest.plain_parameters(one.work.parameters)
        assert baseline.work.combinations == one.work.combinations


@pytest.fixture
def deaf_to_seeds(monkeypatch):
    """A forest whose baseline has one seed: what `reuse` and `builder` are to the forest."""
    monkeypatch.setattr(forest, "plain_parameters", lambda given: {**given, "seed": 0})


def test_plain_computes_once_what_does_not_matter_to_it(deaf_to_seeds):
    subject = asked("seed=0,1", "folds=2,3")
    assert len(subject.variations) == 4
    assert [one.names for one in subject.of(PLAIN)] == [("folds=2",), ("folds=3",)]
    assert [one.work.seed for one in subject.of(PLAIN)] == [0, 0]
    (only,) = asked("seed=1,2").of(PLAIN)
    assert (only.names, only.work) == ((), asked().work)


def test_the_baseline_is_the_same_whatever_is_set_that_does_not_matter_to_it(deaf_to_seeds):
    subject = asked(settings=["seed=5"])
    (variation,), (baseline,) = subject.of("ray"), subject.of(PLAIN)
    assert (variation.names, variation.work.seed) == ((), 5)
    assert (baseline.names, baseline.work) == ((), asked().work)


def test_how_trees_are_grown_does_not_matter_to_the_baseline_of_the_forest():
    assert forest.plain_parameters({"reuse": True, "builder": "compiled", "folds": 2}) == {
        "reuse": False, "builder": "auto", "folds": 2
    }  # fmt: skip
    assert forest.plain_parameters({"folds": 2}) == {"folds": 2}
