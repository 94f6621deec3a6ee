"""Pruning maps nodes exactly as scikit-learn's pruned trees do, and certificates never lie."""

import shutil

import numpy as np
import pytest
from exact_cases import NAMES, data_set
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier

from workloads.forest.exact import kernel_build, native
from workloads.forest.exact.certificate import certified, first_leaves
from workloads.forest.exact.growth import bootstrap_weights
from workloads.forest.exact.pruning import plain_survivors, survivors
from workloads.forest.exact.sklearn_builder import node_depths

ALPHAS = [1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 0.05, 0.3, 1.0]


def grown(x, y, weights, **parameters):
    model = DecisionTreeClassifier(max_features="sqrt", random_state=1, **parameters)
    tree = model.fit(x, y, sample_weight=weights).tree_
    return tree, tree.children_left.astype(np.int32), tree.children_right.astype(np.int32)


def assert_pruned_as_scikit_learn_does(x, y, weights, alphas, **parameters):
    tree, left, right = grown(x, y, weights, **parameters)
    numbers = left, right, tree.impurity, tree.weighted_n_node_samples
    leaves = tree.apply(x.astype(np.float32))
    for alpha, one, other in zip(
        alphas, survivors(*numbers, alphas), plain_survivors(*numbers, alphas), strict=True
    ):
        assert np.array_equal(one, other)
        model = DecisionTreeClassifier(
            max_features="sqrt", random_state=1, ccp_alpha=alpha, **parameters
        ).fit(x, y, sample_weight=weights)
        assert np.array_equal(model.predict_proba(x), tree.value[one[leaves], 0, :])
        assert model.get_n_leaves() == len(np.unique(one[left < 0]))


@pytest.mark.parametrize("criterion", ["gini", "entropy"])
@pytest.mark.parametrize("name", NAMES)
def test_pruning_is_scikit_learns(name, criterion):
    x, y = data_set(name, 400)
    weights = bootstrap_weights(2, np.arange(len(y)), len(y), len(y))
    assert_pruned_as_scikit_learn_does(x, y, weights, ALPHAS, criterion=criterion)
    assert_pruned_as_scikit_learn_does(x, y, weights, ALPHAS, max_depth=4)


def tied(seed):
    """A small data set, and the very alphas at which links of its tree are cut."""
    random = np.random.RandomState(seed)
    n = random.randint(8, 40)
    x, y = random.randint(0, 6, (n, 3)), random.randint(0, 2, n)
    model = DecisionTreeClassifier(max_features="sqrt", random_state=1).fit(x, y)
    found = model.cost_complexity_pruning_path(x, y).ccp_alphas
    return x, y, sorted({float(alpha) for alpha in found} - {0.0})


def pruned(seed, prune):
    x, y, alphas = tied(seed)
    tree, left, right = grown(x, y, None)
    return prune(left, right, tree.impurity, tree.weighted_n_node_samples, alphas)


# equal links whose order of cutting decides the rounding, and so what an alpha cuts next
TIED = (4, 15, 105, 107, 136, 147, 158)


@pytest.mark.parametrize("seed", [*TIED, *range(200, 212)])
def test_equal_links_are_cut_in_scikit_learns_order(seed):
    x, y, alphas = tied(seed)
    assert_pruned_as_scikit_learn_does(x, y, None, alphas)


MUTANTS = {
    "the last of equal links": ("a->node < b->node", "a->node > b->node"),
    "an alpha that spares the link it equals": ("alphas[a] < alpha", "alphas[a] <= alpha"),
    "leaves that are not taken off": ("p->leaves[up] -= gone;", ""),
}


@pytest.mark.parametrize(("before", "after"), MUTANTS.values(), ids=MUTANTS)
def test_equal_links_tell_wrong_kernels(before, after, monkeypatch, tmp_path):
    expected = [pruned(seed, plain_survivors) for seed in TIED]
    mutant = tmp_path / "kernel"
    shutil.copytree(kernel_build.SOURCE, mutant)
    text = (mutant / "prune.c").read_text()
    assert before in text
    (mutant / "prune.c").write_text(text.replace(before, after))
    flags = tuple(flag.replace("-O3", "-O0") for flag in kernel_build.FLAGS)
    for name, value in (("SOURCE", mutant), ("SHIPPED", tmp_path), ("FLAGS", flags)):
        monkeypatch.setattr(kernel_build, name, value)
    kernel_build.build(tmp_path)
    native.library.cache_clear()
    try:
        found = [pruned(seed, survivors) for seed in TIED]
    finally:
        native.library.cache_clear()
    assert any(
        not np.array_equal(one, other) for one, other in zip(found, expected, strict=True)
    )


def test_alpha_zero_prunes_nothing():
    x, y = data_set("iris")
    tree, left, right = grown(x, y, None)
    numbers = left, right, tree.impurity, tree.weighted_n_node_samples
    first, second = survivors(*numbers, [0.0, 1e-300])
    assert np.array_equal(first, np.arange(len(left)))
    assert len(second) == len(left)


def test_a_tree_that_is_one_leaf_stays_one():
    leaf = np.array([-1], dtype=np.int32)
    for found in (survivors, plain_survivors):
        (only,) = found(leaf, leaf, np.array([0.5]), np.array([3.0]), [0.1])
        assert only.tolist() == [0]


@pytest.mark.parametrize("name", NAMES)
def test_fewer_leaves_are_the_first_expansions(name):
    x, y = data_set(name, 300)
    large, left, right = grown(x, y, None, max_leaf_nodes=60)
    leaves = large.apply(x.astype(np.float32))
    for limit in (2, 3, 7, 30, 60, 500):
        small, _, _ = grown(x, y, None, max_leaf_nodes=min(limit, 60))
        kept = first_leaves(left, right, limit)
        ours = large.value[kept[leaves], 0, :]
        assert np.array_equal(ours, small.value[small.apply(x.astype(np.float32)), 0, :])


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 60), st.integers(1, 3), st.integers(1, 5), st.integers(0, 10**6))
def test_a_certificate_is_never_wrong(n, n_features, distinct, seed):
    random = np.random.RandomState(seed)
    x = random.randint(0, distinct, (n, n_features))
    y = random.randint(0, 3, n)
    split = int(random.choice([2, 5]))
    best_first = {"max_leaf_nodes": 10} if seed % 2 else {}
    deep, left, right = grown(x, y, None, min_samples_split=split, **best_first)
    depth = node_depths(left, right)
    for limit in range(1, int(depth.max()) + 2):
        shallow, *_ = grown(x, y, None, min_samples_split=split, max_depth=limit, **best_first)
        same = (
            np.array_equal(shallow.children_left, deep.children_left)
            and np.array_equal(shallow.threshold, deep.threshold)
            and np.array_equal(shallow.feature, deep.feature)
        )
        if certified(left, depth, deep.impurity, deep.n_node_samples, limit, split):
            assert same


def test_a_limit_that_a_shallow_tree_never_meets_is_certified():
    x, y = data_set("iris")
    tree, left, right = grown(x, y, None)
    depth = node_depths(left, right)
    deepest = int(depth.max())
    numbers = left, depth, tree.impurity, tree.n_node_samples
    assert [certified(*numbers, limit, 2) for limit in (deepest - 1, deepest, 99)] == [
        False, True, True,
    ]  # fmt: skip
