"""The planner: equal forests have one canonical form, and every forest finds its trees."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from workloads.forest.exact.growth import NO_LIMIT, tree_seeds
from workloads.forest.exact.parameters import OutsideTheRules, canonical_forest
from workloads.forest.exact.plan import Group, plan_search

DEFAULTS = RandomForestClassifier(random_state=0).get_params()
ROWS, FEATURES = 1000, 54


def canonical(**parameters):
    return canonical_forest({**DEFAULTS, **parameters}, ROWS, FEATURES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"criterion": "entropy"}, {"criterion": "log_loss"}),
        ({"max_features": "sqrt"}, {"max_features": 7}),
        ({"max_features": "sqrt"}, {"max_features": 0.13}),
        ({"max_features": "log2"}, {"max_features": 5}),
        ({"max_features": None}, {"max_features": 1.0}),
        ({"max_samples": None}, {"max_samples": 1.0}),
        ({"max_samples": None}, {"max_samples": ROWS}),
        ({"min_samples_leaf": 3}, {"min_samples_leaf": 3, "min_samples_split": 6}),
        ({"min_samples_leaf": 0.01}, {"min_samples_leaf": 10}),
        ({"min_samples_split": 0.0001}, {"min_samples_split": 2}),
        ({"ccp_alpha": 0}, {"ccp_alpha": 0.0}),
        ({"n_jobs": 4}, {}),
    ],
    ids=str,
)
def test_aliases_are_one_forest(one, other):
    assert canonical(**one) == canonical(**other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"criterion": "gini"}, {"criterion": "entropy"}),
        ({"min_samples_split": 2}, {"min_samples_split": 3}),
        ({"max_leaf_nodes": None}, {"max_leaf_nodes": 10**6}),
        ({"max_samples": None}, {"max_samples": 0.999}),
        ({"random_state": 0}, {"random_state": 1}),
        ({"min_impurity_decrease": 0.0}, {"min_impurity_decrease": 1e-12}),
    ],
    ids=str,
)
def test_different_forests_share_no_tree(one, other):
    first, second = canonical(**one), canonical(**other)
    assert (first.rule, first.random_state) != (second.rule, second.random_state)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"random_state": None}, "random_state=None"),
        ({"random_state": -1}, "random_state"),
        ({"bootstrap": False}, "bootstrap"),
        ({"oob_score": True}, "out-of-bag"),
        ({"class_weight": "balanced"}, "class weights"),
        ({"class_weight": {0: 1}}, "class weights"),
        ({"warm_start": True}, "warm_start"),
        ({"monotonic_cst": [0, 1]}, "monotonic"),
        ({"verbose": 2}, "verbose"),
        ({"criterion": "squared"}, "criterion"),
        ({"max_features": 0}, "max_features"),
        ({"max_features": 55}, "max_features"),
        ({"max_features": 1.5}, "max_features"),
        ({"max_features": "auto"}, "max_features"),
        ({"max_features": True}, "max_features"),
        ({"max_depth": 0}, "max_depth"),
        ({"max_depth": 2.0}, "max_depth"),
        ({"max_leaf_nodes": 1}, "max_leaf_nodes"),
        ({"min_samples_leaf": 0}, "min_samples_leaf"),
        ({"min_samples_leaf": 1.0}, "min_samples_leaf"),
        ({"min_samples_split": 1}, "min_samples_split"),
        ({"n_estimators": 0}, "n_estimators"),
        ({"ccp_alpha": -1e-9}, "ccp_alpha"),
        ({"ccp_alpha": float("nan")}, "ccp_alpha"),
        ({"ccp_alpha": float("inf")}, "ccp_alpha"),
        ({"max_samples": 0.001}, "warns"),
        ({"max_samples": 0}, "max_samples"),
        ({"min_weight_fraction_leaf": 0.6}, "min_weight_fraction_leaf"),
        ({"depth": 3}, "depth"),
    ],
    ids=str,
)
def test_what_is_outside_the_rules_says_why(parameters, reason):
    with pytest.raises(OutsideTheRules, match=reason):
        canonical(**parameters)


def test_fewer_trees_have_the_first_seeds():
    assert tree_seeds(7, 60)[:20] == tree_seeds(7, 20)


VALUES = {
    "n_estimators": st.integers(1, 40),
    "max_depth": st.sampled_from([None, 1, 3, 10]),
    "ccp_alpha": st.sampled_from([0.0, 0.001, 0.1]),
    "max_features": st.sampled_from(["sqrt", 7, 0.13, None, 1.0, 3]),
    "min_samples_leaf": st.sampled_from([1, 2, 0.01]),
    "max_leaf_nodes": st.sampled_from([None, 5, 9]),
    "criterion": st.sampled_from(["gini", "entropy", "log_loss"]),
    "bootstrap": st.sampled_from([True, True, False]),
}
TRIALS = st.lists(st.fixed_dictionaries(VALUES), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(TRIALS)
def test_every_trial_has_its_place_and_every_tree_is_wanted(grid):
    trials = [{**DEFAULTS, **one} for one in grid]
    plan = plan_search(trials, [ROWS, ROWS - 1], FEATURES)
    for rows, fold in zip((ROWS, ROWS - 1), plan.folds, strict=True):
        assert sorted([*fold.places, *plan.plain]) == list(range(len(trials)))
        for trial, (number, variant, size) in fold.places.items():
            forest = canonical_forest(trials[trial], rows, FEATURES)
            group = fold.groups[number]
            assert (group.rule, group.random_state) == (forest.rule, forest.random_state)
            assert group.variants[variant] == forest.variant
            assert size == forest.n_estimators
            assert size in group.checkpoints[variant]
            assert all(variant in group.wanted(tree) for tree in range(size))
        forests = [canonical_forest(trials[trial], rows, FEATURES) for trial in fold.places]
        brute = {
            (one.rule, one.random_state, one.variant.max_depth, tree)
            for one in forests
            for tree in range(one.n_estimators)
        }
        assert sum(group.builds for group in fold.groups) == len(brute)
    assert plan.reused_trees == sum(
        2 * one["n_estimators"] for number, one in enumerate(trials) if number not in plan.plain
    )


@settings(max_examples=30, deadline=None)
@given(TRIALS)
def test_groups_cross_machines_as_json(grid):
    plan = plan_search([{**DEFAULTS, **one} for one in grid], [ROWS], FEATURES)
    for group in plan.folds[0].groups:
        assert Group.from_json(json.loads(json.dumps(group.as_json()))) == group


def test_depths_come_deepest_first_and_only_where_wanted():
    grid = [
        {**DEFAULTS, "n_estimators": 10, "max_depth": None},
        {**DEFAULTS, "n_estimators": 20, "max_depth": 3},
        {**DEFAULTS, "n_estimators": 5, "max_depth": 8},
    ]
    (group,) = plan_search(grid, [ROWS], FEATURES).folds[0].groups
    assert group.depths(0) == (NO_LIMIT, 8, 3)
    assert group.depths(7) == (NO_LIMIT, 3)
    assert group.depths(15) == (3,)
    assert group.builds == 35


def test_fractions_are_resolved_for_each_fold():
    trial = {**DEFAULTS, "max_samples": 0.5, "min_samples_leaf": 0.01}
    plan = plan_search([trial], [1000, 2000], FEATURES)
    rules = [fold.groups[0].rule for fold in plan.folds]
    assert [rule.n_bootstrap for rule in rules] == [500, 1000]
    assert [rule.min_samples_leaf for rule in rules] == [10, 20]
