"""Trees grown by the compiled kernels over rank codes."""

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from workloads.forest.exact import native
from workloads.forest.exact.codes import CodedMatrix
from workloads.forest.exact.growth import (
    BeyondBuilder,
    Grown,
    GrownTree,
    GrowthRule,
    bootstrap_weights,
    splitter_seed,
)

MOST_CLASSES = 256
MOST_BOOTSTRAP = 2**26  # squares of class sums stay below 2**53, so doubles hold them exactly
LOCAL_BYTES = 256 * 1024  # packed rows of a small node: they stay in the second-level cache
MOST_LOCAL = 16384


class NativeBuilder:
    """Grows the trees that scikit-learn would grow, bit for bit, from codes.

    Parameters
    ----------
    matrix : CodedMatrix
        All rows of all folds.
    classes : ndarray of shape (n_rows,), uint8
        Class numbers.
    n_classes : int
    most_local : int
        Nodes of at most so many samples are split on copies of their packed rows.

    Raises
    ------
    KernelUnavailable
        If there are no kernels for this machine, or the data is beyond them.
    """

    name = "compiled"

    def __init__(
        self,
        matrix: CodedMatrix,
        classes: np.ndarray,
        n_classes: int,
        most_local: int = MOST_LOCAL,
    ) -> None:
        if n_classes > MOST_CLASSES:
            raise native.KernelUnavailable(f"{n_classes} classes; at most {MOST_CLASSES} fit")
        if matrix.n_rows >= 2**31:
            raise native.KernelUnavailable(f"{matrix.n_rows} rows are too many")
        self._library = native.library()
        self._n_rows = matrix.n_rows
        self._n_classes = n_classes
        self._arrays = _Workspace(matrix, classes, n_classes, most_local)

    def supports(self, rule: GrowthRule) -> bool:
        """Return whether the kernels grow trees of this kind: depth first, weights not huge."""
        return not rule.best_first and rule.n_bootstrap < MOST_BOOTSTRAP

    def grow(
        self,
        rule: GrowthRule,
        train: np.ndarray,
        seed: int,
        depths: Sequence[int],
        most_leaves: int,
    ) -> Iterator[Grown]:
        """Yield trees with the depth limits they serve; see `growth.Builder`.

        Raises
        ------
        BeyondBuilder
            If a row was drawn more than 255 times.
        """
        weights = bootstrap_weights(seed, train, rule.n_bootstrap, self._n_rows)
        if weights.dtype != np.uint8:
            raise BeyondBuilder("a row was drawn more than 255 times")
        n_samples = int(np.count_nonzero(weights))
        state = self._arrays.state(weights, n_samples, rule, seed, depths)
        forest = state.forest
        self._check(self._library.tandem_grow(ctypes.byref(forest)))
        pending = [i for i in range(len(depths) - 1) if state.snapshots[i].taken]
        same = [depths[0], *(depths[i + 1] for i in range(len(depths) - 1) if i not in pending)]
        yield tuple(same), self._tree(forest)
        for which in pending:
            self._check(self._library.tandem_resume(ctypes.byref(forest), which))
            yield (depths[which + 1],), self._tree(forest)

    def _check(self, outcome: int) -> None:
        if outcome:
            raise RuntimeError("the compiled builder ran out of the nodes it may have")

    def _tree(self, forest: native.Forest) -> GrownTree:
        arrays, count = self._arrays, forest.node_count
        counts = arrays.sums[: count * self._n_classes].reshape(count, self._n_classes)
        weight = counts.sum(axis=1, dtype=np.int64).astype(np.float64)

        def apply(rows: np.ndarray) -> np.ndarray:
            leaves = np.empty(len(rows), dtype=np.int32)
            rows = np.ascontiguousarray(rows, dtype=np.uint32)
            steps = np.empty(count * native.STEP_BYTES, dtype=np.uint8)
            self._library.tandem_apply(
                ctypes.byref(forest),
                rows.ctypes.data,
                len(rows),
                leaves.ctypes.data,
                steps.ctypes.data,
            )
            return leaves

        return GrownTree(
            left=arrays.left[:count],
            right=arrays.right[:count],
            impurity=arrays.impurity[:count],
            weight=weight,
            n_samples=arrays.node_samples[:count],
            depth=arrays.depth[:count],
            counts=lambda nodes: counts[nodes],
            apply=apply,
        )


class _State:
    def __init__(self, forest: native.Forest, snapshots: Any, keep: list[Any]) -> None:
        self.forest = forest
        self.snapshots = snapshots
        self.keep = keep  # arrays that the structures point into


class _Workspace:
    """The arrays that the kernels read and write; pages are touched only as they are used."""

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    depth: np.ndarray
    node_samples: np.ndarray

    def __init__(
        self, matrix: CodedMatrix, classes: np.ndarray, n_classes: int, most_local: int
    ) -> None:
        self._matrix = matrix
        self._n_classes = n_classes
        self._classes = np.ascontiguousarray(classes, dtype=np.uint8)
        self._rows = np.ascontiguousarray(matrix.rows)
        self._columns, self._kept = _column_table(matrix)
        row_bytes = matrix.rows.shape[1]
        self._local_limit = min(most_local, LOCAL_BYTES // row_bytes)
        self._lanes = next((n for n in (2, 4, 8, 16) if n_classes <= n), -(-n_classes // 8) * 8)
        most = max(len(column.values) for column in matrix.columns)
        self._histogram = np.zeros(most * self._lanes, dtype=np.uint32)
        self._counts = np.zeros(most, dtype=np.uint32)
        self._present = np.zeros(most // 64 + 1, dtype=np.uint64)
        self._local_rows = np.empty(max(1, self._local_limit) * row_bytes, dtype=np.uint8)
        self._local_samples = np.empty(max(1, self._local_limit), dtype=np.uint32)
        self._keys = np.empty(64, dtype=np.uint32)
        self._features = np.empty(len(matrix.columns), dtype=np.int32)
        self._constants = np.empty(len(matrix.columns), dtype=np.int32)
        self._tags = np.empty(matrix.n_rows, dtype=np.uint16)
        self._capacity = 0

    def state(
        self,
        weights: np.ndarray,
        n_samples: int,
        rule: GrowthRule,
        seed: int,
        depths: Sequence[int],
    ) -> _State:
        self._reserve(n_samples)
        forest = native.Forest(
            columns=ctypes.addressof(self._columns),
            rows=self._rows.ctypes.data,
            classes=self._classes.ctypes.data,
            weights=weights.ctypes.data,
            row_bytes=self._rows.shape[1],
            n_features=len(self._matrix.columns),
            n_classes=self._n_classes,
            lanes=self._lanes,
            n_rows=self._matrix.n_rows,
            entropy=int(rule.criterion == "entropy"),
            max_features=rule.max_features,
            min_samples_split=rule.min_samples_split,
            min_samples_leaf=rule.min_samples_leaf,
            max_depth=depths[0],
            local_limit=self._local_limit,
            min_weight_leaf=rule.min_weight_fraction_leaf * float(rule.n_bootstrap),
            min_impurity_decrease=rule.min_impurity_decrease,
            total_weight=float(rule.n_bootstrap),
            ln=native.natural_logarithm(),
            rng=splitter_seed(seed),
            capacity=self._capacity,
            n_snapshots=len(depths) - 1,
            **{name: getattr(self, f"_{name}").ctypes.data for name in native.PRIVATE},
            **{name: getattr(self, name).ctypes.data for name in native.NODES},
        )
        snapshots, kept = self._snapshots(depths, n_samples)
        forest.snapshots = ctypes.addressof(snapshots)
        return _State(forest, snapshots, [weights, snapshots, *kept])

    def _reserve(self, n_samples: int) -> None:
        nodes = 2 * n_samples - 1
        if nodes <= self._capacity:
            return
        self._capacity = nodes
        for name, dtype in (
            ("samples", "u4"),
            ("spare", "u4"),
            ("labels", "u2"),
            ("spare_labels", "u2"),
            ("locals", "u2"),
            ("codes", "u2"),
        ):
            setattr(self, f"_{name}", np.empty(n_samples, dtype=dtype))
        self._stack = np.empty((n_samples + 1) * ctypes.sizeof(native.Frame), dtype=np.uint8)
        self._stack_sums = np.empty((n_samples + 1) * self._n_classes, dtype=np.uint32)
        for name in ("left", "right", "feature", "threshold", "depth", "node_samples"):
            setattr(self, name, np.empty(nodes, dtype=np.int32))
        self.impurity = np.empty(nodes, dtype=np.float64)
        self.sums = np.empty(nodes * self._n_classes, dtype=np.uint32)

    def _snapshots(self, depths: Sequence[int], n_samples: int) -> tuple[Any, list[np.ndarray]]:
        snapshots = (native.Snapshot * max(1, len(depths) - 1))()
        kept: list[np.ndarray] = []
        for snapshot, depth in zip(snapshots, depths[1:], strict=False):
            # one node a level waits, and the one in hand; no tree has more levels than samples
            waiting = min(depth, n_samples) + 2
            sizes = {
                "frames": waiting * ctypes.sizeof(native.Frame),
                "sums": waiting * self._n_classes * 4,
                "features": len(self._matrix.columns) * 4,
                "constants": len(self._matrix.columns) * 4,
            }
            snapshot.max_depth = depth
            for name, size in sizes.items():
                kept.append(np.empty(size, dtype=np.uint8))
                setattr(snapshot, name, kept[-1].ctypes.data)
        return snapshots, kept


def _column_table(matrix: CodedMatrix) -> tuple[Any, list[np.ndarray]]:
    table = (native.Column * len(matrix.columns))()
    kept: list[np.ndarray] = []
    for entry, column, (offset, bit) in zip(
        table, matrix.columns, matrix.layout.places, strict=True
    ):
        codes = np.ascontiguousarray(column.codes)
        values = np.ascontiguousarray(column.values, dtype=np.float32)
        kept += [codes, values]
        entry.column = codes.ctypes.data
        entry.values = values.ctypes.data
        entry.width = 0 if column.is_bits else codes.dtype.itemsize
        entry.n_values = len(values)
        entry.row_offset = offset
        entry.row_bit = bit
        entry.ties = int(column.ties)
    return table, kept
