"""Trials: equal work has one identity, different work another; results are checked."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InvalidDocument
from contracts.trial import Trial, canonical, parse_result, trial_id

TRIAL = Trial(
    workload="forest",
    engine="ray",
    nodes=3,
    repeat=1,
    parameters={"max_depth": None, "n_estimators": 50},
    seed=0,
    data_version="digits-1",
    sources="abc",
)
RESULT = {
    "trial_id": trial_id(TRIAL),
    "status": "ok",
    "parameters": {"max_depth": None},
    "scores": [0.9, 1.0],
    "seconds": 1.5,
    "nodes": ["node-0"],
    "attempts": 1,
}


def test_the_order_of_parameters_does_not_matter():
    turned = dict(reversed(TRIAL.parameters.items()))
    assert trial_id(dataclasses.replace(TRIAL, parameters=turned)) == trial_id(TRIAL)


@pytest.mark.parametrize(
    "change",
    [
        {"workload": "knn"},
        {"engine": "dask"},
        {"nodes": 2},
        {"repeat": 2},
        {"parameters": {"max_depth": 1, "n_estimators": 50}},
        {"seed": 1},
        {"data_version": "digits-2"},
        {"sources": "abd"},
    ],
    ids=str,
)
def test_any_difference_makes_another_trial(change):
    assert trial_id(dataclasses.replace(TRIAL, **change)) != trial_id(TRIAL)


def test_every_field_of_a_trial_takes_part_in_its_identity():
    assert {f.name for f in dataclasses.fields(Trial)} == {
        "workload", "engine", "nodes", "repeat", "parameters", "seed", "data_version", "sources"
    }  # fmt: skip


def test_the_identity_is_stable_between_versions():
    assert trial_id(TRIAL) == "d6e6b30c945ac80478cc"


@given(
    st.recursive(
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()
        ),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_canonical_text_is_one_line_or_refused(document):
    try:
        text = canonical(document)
    except ValueError:
        return
    assert "\n" not in text


def test_a_good_result_is_kept_whole():
    parsed = parse_result({**RESULT, "extra": {"fit_seconds": 1.0}})
    assert parsed.scores == (0.9, 1.0)
    assert parsed.nodes == ("node-0",)
    assert parsed.extra == {"fit_seconds": 1.0}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"trial_id": "xyz"}, "20 hexadecimal digits"),
        ({"status": "great"}, "ok or failed"),
        ({"scores": [float("nan")]}, "finite"),
        ({"scores": [float("inf")]}, "finite"),
        ({"scores": [True]}, "finite numbers"),
        ({"scores": "0.9"}, "must be list"),
        ({"seconds": float("inf")}, "finite"),
        ({"seconds": "1"}, "must be int or float"),
        ({"nodes": [1]}, "texts"),
        ({"attempts": 1.5}, "must be int"),
        ({"reason": "x" * 2001}, "at most 2000"),
        ({"extra": {"a": "b"}}, "finite numbers"),
        ({"colour": "<b>"}, "unknown field"),
        ({"parameters": []}, "must be dict"),
    ],
    ids=str,
)
def test_a_bad_result_is_refused_with_the_rule(change, problem):
    with pytest.raises(InvalidDocument, match=problem):
        parse_result({**RESULT, **change})


def test_all_problems_of_a_result_come_at_once():
    with pytest.raises(InvalidDocument) as caught:
        parse_result({})
    assert len(caught.value.problems) == 7
