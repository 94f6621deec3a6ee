"""What every builder of trees is asked for and gives back."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

MOST_WEIGHT = 255
NO_LIMIT = 2**31 - 1  # scikit-learn's own stand-in for max_depth=None
EPSILON = np.finfo("double").eps  # as in sklearn/tree/_tree.pyx


class BeyondBuilder(ValueError):
    """A builder cannot grow this tree; another one can."""


@dataclass(frozen=True)
class GrowthRule:
    """All that decides how a tree grows from a seed, its limits apart; every value resolved."""

    criterion: str
    max_features: int
    min_samples_split: int
    min_samples_leaf: int
    min_weight_fraction_leaf: float
    min_impurity_decrease: float
    n_bootstrap: int
    best_first: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the rule as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class GrownTree:
    """A tree before pruning; the arrays are good until the builder grows the next one.

    `left` and `right` are -1 for leaves; a parent's number is below its children's. `counts`
    of some nodes are their weighted class counts, whole numbers of shape (len(nodes),
    n_classes).
    """

    left: np.ndarray
    right: np.ndarray
    impurity: np.ndarray
    weight: np.ndarray
    n_samples: np.ndarray
    depth: np.ndarray
    counts: Callable[[np.ndarray], np.ndarray]
    apply: Callable[[np.ndarray], np.ndarray]


Grown = tuple[tuple[int, ...], GrownTree]


class Builder(Protocol):
    """Grows the trees of one training part after another."""

    @property
    def name(self) -> str:
        """The builder as people read it."""

    def grow(
        self,
        rule: GrowthRule,
        train: np.ndarray,
        seed: int,
        depths: Sequence[int],
        most_leaves: int,
    ) -> Iterator[Grown]:
        """Yield trees with the depth limits that each of them serves.

        Parameters
        ----------
        rule : GrowthRule
        train : ndarray of shape (n_train,)
            The rows of the training part.
        seed : int
            The tree's own seed.
        depths : sequence of int
            The depth limits wanted, all different, deepest first.
        most_leaves : int
            Where a best-first tree stops; 0 for depth-first trees.
        """

    def supports(self, rule: GrowthRule) -> bool:
        """Return whether this builder grows trees of that kind."""


def bootstrap_weights(
    seed: int, train: np.ndarray, n_bootstrap: int, n_rows: int
) -> np.ndarray:
    """Return how often each row of the whole matrix is drawn; rows outside `train` never are.

    The draw is scikit-learn's (`_generate_sample_indices`): positions within the training
    part. A row's weight decides alone, so a fold needs no matrix of its own.

    Returns
    -------
    ndarray of shape (n_rows,)
        uint8, or int64 where a row was drawn more than 255 times.
    """
    drawn = np.random.RandomState(seed).randint(0, len(train), n_bootstrap)
    counts = np.bincount(drawn, minlength=len(train))
    dtype = np.uint8 if counts.max() <= MOST_WEIGHT else np.int64
    weights = np.zeros(n_rows, dtype=dtype)
    weights[train] = counts
    return weights


def splitter_seed(seed: int) -> int:
    """Return the state that scikit-learn's splitter starts its own generator with."""
    return int(np.random.RandomState(seed).randint(0, 2**31 - 1))


@functools.lru_cache(maxsize=64)
def tree_seeds(random_state: int, n_trees: int) -> tuple[int, ...]:
    """Return the seeds of a forest's trees, in order; fewer trees have the first of them."""
    drawn = np.random.RandomState(random_state).randint(np.iinfo(np.int32).max, size=n_trees)
    return tuple(int(seed) for seed in drawn)
