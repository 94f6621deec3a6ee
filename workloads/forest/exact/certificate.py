"""When one tree is also the tree of another parameter: proofs read off the grown nodes."""

import numpy as np

from workloads.forest.exact.growth import EPSILON


def certified(
    left: np.ndarray,
    depth: np.ndarray,
    impurity: np.ndarray,
    n_samples: np.ndarray,
    limit: int,
    min_samples_split: int,
) -> bool:
    """Return whether a tree grown deeper than `limit` equals the one grown with it.

    It does if the limit stops no node that would be searched: searching draws random numbers,
    and one draw less changes all that follow. So a node at the limit must be pure or too
    small to split; a leaf where a split was searched and not found does not do.
    """
    deepest = int(depth.max())
    if deepest > limit:
        return False
    if deepest < limit:
        return True
    at_limit = depth == limit
    idle = (impurity[at_limit] <= EPSILON) | (n_samples[at_limit] < min_samples_split)
    return bool(np.all(idle))


def first_leaves(left: np.ndarray, right: np.ndarray, n_leaves: int) -> np.ndarray:
    """Return which nodes a best-first tree has when it may have `n_leaves` leaves.

    Every expansion adds two nodes, numbered in the order of expansion, so fewer leaves are a
    prefix of the numbering. The result maps each node to itself or to the ancestor that
    stays a leaf.
    """
    kept = min(len(left), 2 * n_leaves - 1)
    fallback = np.arange(len(left), dtype=np.int32)
    for node in range(len(left)):
        for child in (left[node], right[node]):
            if child >= kept:
                fallback[child] = fallback[node]
    return fallback
