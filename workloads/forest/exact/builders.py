"""The choice of a builder: the compiled one if it proves itself here, else scikit-learn's."""

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from workloads.forest.exact import native
from workloads.forest.exact.codes import CodedMatrix, encode
from workloads.forest.exact.growth import (
    NO_LIMIT,
    BeyondBuilder,
    Builder,
    Grown,
    GrownTree,
    GrowthRule,
)
from workloads.forest.exact.native_builder import NativeBuilder
from workloads.forest.exact.sharing import ForestData

CHOICES = ("auto", "compiled", "scikit-learn")


class NotExact(RuntimeError):
    """The compiled builder grew another tree than scikit-learn on this machine."""


class ForestBuilder:
    """Grows trees with the best builder there is, and can say which and why.

    Parameters
    ----------
    data : ForestData
    choice : {"auto", "compiled", "scikit-learn"}
        "compiled" raises where "auto" steps back to scikit-learn's trees.

    Raises
    ------
    KernelUnavailable, NotExact
        If "compiled" was asked for and cannot be had.
    """

    def __init__(self, data: ForestData, choice: str = "auto") -> None:
        if choice not in CHOICES:
            raise ValueError(f"builder must be one of {', '.join(CHOICES)}, is {choice!r}")
        self._data = data
        self._compiled: NativeBuilder | None = None
        self.reason = "asked for"
        if choice != "scikit-learn":
            try:
                self._compiled = self._proved()
                self.reason = "compared with scikit-learn's trees at start, bit for bit"
            except (native.KernelUnavailable, NotExact) as error:
                if choice == "compiled":
                    raise
                self.reason = str(error)

    @property
    def name(self) -> str:
        """The builder that most trees come from."""
        return "compiled" if self._compiled else "scikit-learn"

    def supports(self, rule: GrowthRule) -> bool:
        """Return True: what the compiled builder cannot grow, scikit-learn can."""
        return True

    def maker(self, rule: GrowthRule) -> tuple[str, str]:
        """Return the name of what grows trees of this kind, and why that."""
        if self._compiled is None or self._compiled.supports(rule):
            return self.name, self.reason
        kind = "best-first trees" if rule.best_first else "bootstraps of that size"
        return "scikit-learn", f"{kind} are beyond the compiled builder"

    def grow(
        self,
        rule: GrowthRule,
        train: np.ndarray,
        seed: int,
        depths: Sequence[int],
        most_leaves: int,
    ) -> Iterator[Grown]:
        """Yield trees with the depth limits they serve; see `growth.Builder`."""
        if self._compiled and self._compiled.supports(rule):
            try:
                yield from self._compiled.grow(rule, train, seed, depths, most_leaves)
            except BeyondBuilder:  # raised before the first tree
                pass
            else:
                return
        yield from self._plain.grow(rule, train, seed, depths, most_leaves)

    @functools.cached_property
    def _plain(self) -> Builder:
        from workloads.forest.exact.sklearn_builder import SklearnBuilder

        return SklearnBuilder(self._data.values(), self._data.classes, self._data.n_classes)

    def _proved(self) -> NativeBuilder:
        if not isinstance(self._data.matrix, CodedMatrix):
            raise native.KernelUnavailable("a column has more than 65,535 distinct values")
        prove()
        return NativeBuilder(self._data.matrix, self._data.classes, self._data.n_classes)


def promise(choice: str) -> str:
    """Return in plain words what will grow trees on this machine, before any data is coded."""
    if choice == "scikit-learn":
        return "Trees come from scikit-learn's builder: asked for."
    try:
        prove()
    except (native.KernelUnavailable, NotExact) as error:
        outcome = "a fit will fail" if choice == "compiled" else "scikit-learn's is taken"
        return f"The compiled builder cannot be had, {outcome}: {error}."
    return "Trees come from the compiled builder, and from scikit-learn's what is beyond it."


@functools.cache
def prove() -> None:
    """Grow a few trees with both builders and compare every bit; once per process.

    Raises
    ------
    KernelUnavailable
        Without compiled kernels.
    NotExact
        If any number differs.
    """
    from workloads.forest.exact.sklearn_builder import SklearnBuilder

    native.library()
    matrix, classes = _specimen()
    coded = encode(matrix)
    if coded is None:
        raise NotExact("the specimen cannot be coded")
    theirs: Builder = SklearnBuilder(matrix, classes, 3)
    # once with every node on copied rows, once with large nodes on the columns
    ours: list[Builder] = [NativeBuilder(coded, classes, 3, most) for most in (400, 40)]
    rows = np.arange(len(matrix))
    for criterion, leaf, share in (("gini", 1, 0.0), ("entropy", 1, 0.0), ("gini", 3, 0.02)):
        rule = GrowthRule(criterion, 3, max(2, 2 * leaf), leaf, share, 0.0, len(rows) - 20)
        for seed in (1, 2):
            depths = (NO_LIMIT, 6, 3)
            found = [
                _signature(builder.grow(rule, rows[:-20], seed, depths, 0), rows)
                for builder in (theirs, *ours)
            ]
            if found[1] != found[0] or found[2] != found[0]:
                raise NotExact("the compiled builder differs from scikit-learn on this machine")


def _specimen() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(7)
    n = 400
    wide = random.randint(0, 2000, n)
    matrix = np.column_stack(
        [wide, random.randint(0, 40, n), random.standard_normal(n).round(2)]
        + [random.randint(0, 2, n) for _ in range(4)]
        + [np.ones(n)]
    ).astype(np.float32)
    score = matrix[:, 0] / 700 + matrix[:, 3] + random.standard_normal(n) * 0.4
    return matrix, np.digitize(score, [1.0, 2.2]).astype(np.uint8)


def _signature(grown: Iterator[Grown], rows: np.ndarray) -> dict[int, list[bytes]]:
    found = {}
    for depths, tree in grown:
        for depth in depths:
            found[depth] = _bits(tree, rows)
    return found


def _bits(tree: GrownTree, rows: np.ndarray) -> list[bytes]:
    nodes = np.arange(len(tree.left))
    return [
        np.asarray(tree.left, dtype=np.int32).tobytes(),
        np.asarray(tree.right, dtype=np.int32).tobytes(),
        np.asarray(tree.impurity, dtype=np.float64).tobytes(),
        np.asarray(tree.weight, dtype=np.float64).tobytes(),
        np.asarray(tree.counts(nodes), dtype=np.uint32).tobytes(),
        np.asarray(tree.apply(rows), dtype=np.int32).tobytes(),
    ]
