"""Trees grown by scikit-learn itself, on one matrix for all folds."""

from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from workloads.forest.exact.certificate import certified
from workloads.forest.exact.growth import (
    NO_LIMIT,
    Grown,
    GrownTree,
    GrowthRule,
    bootstrap_weights,
)


class SklearnBuilder:
    """Grows trees with `DecisionTreeClassifier.fit`, a fold being a set of zero weights.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_features), float32
        All rows of all folds. Fortran order is faster: the splitter reads by column.
    classes : ndarray of shape (n_rows,)
        Class numbers.
    n_classes : int
    """

    name = "scikit-learn"

    def __init__(self, matrix: np.ndarray, classes: np.ndarray, n_classes: int) -> None:
        self._matrix = np.asfortranarray(matrix, dtype=np.float32)
        self._classes = np.asarray(classes, dtype=np.float64).reshape(-1, 1)
        self._n_classes = n_classes

    def supports(self, rule: GrowthRule) -> bool:
        """Return True: scikit-learn grows whatever scikit-learn defines."""
        return True

    def grow(
        self,
        rule: GrowthRule,
        train: np.ndarray,
        seed: int,
        depths: Sequence[int],
        most_leaves: int,
    ) -> Iterator[Grown]:
        """Yield trees with the depth limits they serve; see `growth.Builder`."""
        weights = bootstrap_weights(seed, train, rule.n_bootstrap, len(self._matrix))
        left = list(depths)
        while left:
            tree = self._fit(rule, weights, seed, left[0], most_leaves)
            served = [
                depth
                for depth in left
                if depth == left[0]
                or certified(
                    tree.left,
                    tree.depth,
                    tree.impurity,
                    tree.n_samples,
                    depth,
                    rule.min_samples_split,
                )
            ]
            yield tuple(served), tree
            left = [depth for depth in left if depth not in served]

    def _fit(
        self, rule: GrowthRule, weights: np.ndarray, seed: int, depth: int, most_leaves: int
    ) -> GrownTree:
        model = DecisionTreeClassifier(
            criterion=rule.criterion,
            max_depth=None if depth == NO_LIMIT else depth,
            min_samples_split=rule.min_samples_split,
            min_samples_leaf=rule.min_samples_leaf,
            min_weight_fraction_leaf=rule.min_weight_fraction_leaf,
            max_features=rule.max_features,
            max_leaf_nodes=most_leaves if rule.best_first else None,
            min_impurity_decrease=rule.min_impurity_decrease,
            random_state=seed,
        )
        # the whole matrix holds every class, so class numbers mean the same in every fold
        model.fit(self._matrix, self._classes, sample_weight=weights, check_input=False)
        tree = model.tree_
        matrix, values, weight = self._matrix, tree.value, tree.weighted_n_node_samples

        def apply(rows: np.ndarray) -> np.ndarray:
            leaves = np.empty(len(rows), dtype=np.int32)
            for first in range(0, len(rows), 16384):
                part = rows[first : first + 16384]
                leaves[first : first + 16384] = tree.apply(matrix[part])
            return leaves

        def counts(nodes: np.ndarray) -> np.ndarray:
            # shares of whole numbers: the products are within half of the numbers
            found = np.rint(values[nodes, 0, :] * weight[nodes, np.newaxis])
            whole: np.ndarray = found.astype(np.uint32)
            return whole

        return GrownTree(
            left=tree.children_left.astype(np.int32),
            right=tree.children_right.astype(np.int32),
            impurity=tree.impurity,
            weight=weight,
            n_samples=tree.n_node_samples,
            depth=node_depths(tree.children_left, tree.children_right),
            counts=counts,
            apply=apply,
        )


def node_depths(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the depth of each node of a tree whose children are numbered after parents."""
    depth = np.zeros(len(left), dtype=np.int32)
    level = np.zeros(1, dtype=np.intp)
    while len(level):
        inner = level[left[level] >= 0]
        for child in (left, right):
            depth[child[inner]] = depth[inner] + 1
        level = np.concatenate([left[inner], right[inner]])
    return depth
