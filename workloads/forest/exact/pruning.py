"""Weakest-link pruning of a grown tree for many alphas, without building a pruned tree.

The outcome is a map from every node to the node it falls back to. scikit-learn scans all
nodes for each link it cuts; here a heap finds the weakest link, with the same sums in the
same order and the lowest node first among equals (`_cost_complexity_prune` in
sklearn/tree/_tree.pyx, BSD-3-Clause, see LICENSE.scikit-learn).
"""

import ctypes
import heapq
from collections.abc import Sequence

import numpy as np

from workloads.forest.exact import native

_INNER, _LEAF, _GONE = 0, 1, 2


def survivors(
    left: np.ndarray,
    right: np.ndarray,
    impurity: np.ndarray,
    weight: np.ndarray,
    alphas: Sequence[float],
) -> list[np.ndarray]:
    """Return for each alpha the node that every node falls back to, itself if it survives.

    Parameters
    ----------
    left, right : ndarray of shape (n_nodes,), int32
        Children, -1 for leaves; parents come before children.
    impurity, weight : ndarray of shape (n_nodes,), float64
    alphas : sequence of float
        In ascending order. 0.0 means no pruning at all, as in scikit-learn.
    """
    maps = [np.arange(len(left), dtype=np.int32) for alpha in alphas if alpha == 0.0]
    positive = [alpha for alpha in alphas if alpha != 0.0]
    if not positive:
        return maps
    found = _native(left, right, impurity, weight, positive)
    return maps + (found or plain_survivors(left, right, impurity, weight, positive))


def _native(
    left: np.ndarray,
    right: np.ndarray,
    impurity: np.ndarray,
    weight: np.ndarray,
    alphas: Sequence[float],
) -> list[np.ndarray] | None:
    library = native.library_or_none()
    if library is None:
        return None
    n = len(left)
    capacity = 4 * n + 64
    arrays: dict[str, np.ndarray] = {
        "left": np.ascontiguousarray(left, dtype=np.int32),
        "right": np.ascontiguousarray(right, dtype=np.int32),
        "impurity": np.ascontiguousarray(impurity, dtype=np.float64),
        "weight": np.ascontiguousarray(weight, dtype=np.float64),
        **{name: np.empty(n, dtype=np.float64) for name in ("risk", "branch", "key")},
        **{name: np.empty(n, dtype=np.int32) for name in ("parent", "leaves", "waiting")},
        "state": np.empty(n, dtype=np.uint8),
        "heap": np.empty(capacity * 16, dtype=np.uint8),
    }
    state = native.Pruning(
        n=n,
        heap_capacity=capacity,
        **{name: array.ctypes.data for name, array in arrays.items()},
    )
    wanted = np.array(alphas, dtype=np.float64)
    maps = np.empty((len(alphas), n), dtype=np.int32)
    failed = library.tandem_prune(
        ctypes.byref(state), len(alphas), wanted.ctypes.data, maps.ctypes.data
    )
    return None if failed else list(maps)


def plain_survivors(
    left: np.ndarray,
    right: np.ndarray,
    impurity: np.ndarray,
    weight: np.ndarray,
    alphas: Sequence[float],
) -> list[np.ndarray]:
    """Do what `survivors` does for alphas above 0, without the compiled kernels."""
    pruning = _PlainPruning(left, right, impurity, weight)
    maps = []
    for alpha in alphas:
        pruning.cut_up_to(alpha)
        maps.append(pruning.fallback())
    return maps


class _PlainPruning:
    """Keys in the heap are lower bounds: one that rose waits, one that fell enters anew."""

    def __init__(
        self, left: np.ndarray, right: np.ndarray, impurity: np.ndarray, weight: np.ndarray
    ) -> None:
        self._left, self._right = left.tolist(), right.tolist()
        self._risk: list[float] = (weight * impurity / weight[0]).tolist()
        n = len(self._left)
        self._parent = [-1] * n
        self._state = [_LEAF if child < 0 else _INNER for child in self._left]
        self._branch = [0.0] * n
        self._leaves = [0] * n
        for node, child in enumerate(self._left):
            if child >= 0:
                self._parent[child] = self._parent[self._right[node]] = node
        for leaf, state in enumerate(self._state):
            if state == _LEAF:
                self._branch[leaf] = self._risk[leaf]
                self._add_to_ancestors(leaf, self._risk[leaf], 1)
        inner = [node for node in range(n) if self._state[node] == _INNER]
        self._key = {node: self._strength(node) for node in inner}
        self._heap = [(key, node) for node, key in self._key.items()]
        heapq.heapify(self._heap)

    def cut_up_to(self, alpha: float) -> None:
        while (node := self._weakest()) >= 0 and self._heap[0][0] <= alpha:
            self._cut(node)

    def fallback(self) -> np.ndarray:
        found = list(range(len(self._left)))
        for node, parent in enumerate(self._parent):
            if parent >= 0 and self._state[parent] != _INNER:
                found[node] = found[parent]
        return np.array(found, dtype=np.int32)

    def _strength(self, node: int) -> float:
        return (self._risk[node] - self._branch[node]) / (self._leaves[node] - 1)

    def _add_to_ancestors(self, node: int, risk: float, leaves: int) -> None:
        up = self._parent[node]
        while up >= 0:
            self._branch[up] += risk
            self._leaves[up] += leaves
            up = self._parent[up]

    def _weakest(self) -> int:
        while self._heap:
            key, node = self._heap[0]
            if self._state[node] != _INNER:
                heapq.heappop(self._heap)
                continue
            now = self._strength(node)
            if now == key:
                return node
            self._key[node] = now
            heapq.heapreplace(self._heap, (now, node))
        return -1

    def _cut(self, node: int) -> None:
        gone = self._leaves[node] - 1
        difference = self._risk[node] - self._branch[node]
        waiting = [node]
        while waiting:
            at = waiting.pop()
            if self._state[at] == _INNER:
                waiting += (self._left[at], self._right[at])
            self._state[at] = _GONE
        self._state[node] = _LEAF
        self._leaves[node] = 0
        self._branch[node] = self._risk[node]
        self._add_to_ancestors(node, difference, -gone)
        up = self._parent[node]
        while up >= 0:
            now = self._strength(up)
            if now < self._key[up]:
                self._key[up] = now
                heapq.heappush(self._heap, (now, up))
            up = self._parent[up]
