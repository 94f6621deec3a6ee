"""From votes to scores: one tally per variant, scored at each number of trees asked for."""

import tempfile
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from workloads.forest.exact.plan import Group
from workloads.forest.exact.votes import Tally, Vote

SPILL_BYTES = 128 * 1024 * 1024

Judge = Callable[[Tally], Any]
Score = tuple[int, int, Any]  # variant, n_estimators, what the judge said


class GroupTally:
    """Takes the trees of a group in order and gives scores as they fall due.

    Parameters
    ----------
    group : Group
    n_rows, n_classes : int
        Of the rows voted on.
    judge : callable
        Gives the score of a tally.

    Notes
    -----
    The sums of all variants together may be large; beyond 128 MB they lie in an unnamed
    temporary file that the system writes out under pressure.
    """

    def __init__(self, group: Group, n_rows: int, n_classes: int, judge: Judge) -> None:
        self._group = group
        self._shape = n_rows, n_classes
        self._judge = judge
        self._tallies: dict[int, Tally] = {}
        size = len(group.variants) * n_rows * n_classes * 8
        self._spill = size > SPILL_BYTES
        self.next_tree = 0

    @property
    def complete(self) -> bool:
        """Whether every tree has voted."""
        return self.next_tree >= self._group.n_trees

    def add_tree(self, votes: Iterable[Vote]) -> list[Score]:
        """Add all votes of the next tree; return the scores that this completes."""
        tree = self.next_tree
        scores = []
        for vote in votes:
            points = self._group.checkpoints[vote.variant]
            tally = self._tally(vote.variant)
            if tally.n_trees != tree:
                raise ValueError(f"tree {tree} votes twice or out of order")
            tally.add(vote)
            if tally.n_trees in points:
                scores.append((vote.variant, tally.n_trees, self._judge(tally)))
            if tally.n_trees == points[-1]:
                del self._tallies[vote.variant]
        self.next_tree += 1
        return scores

    def _tally(self, variant: int) -> Tally:
        if variant not in self._tallies:
            tally = Tally(*self._shape)
            if self._spill:
                with tempfile.TemporaryFile() as file:
                    tally.sums = np.memmap(file, np.float64, "w+", shape=self._shape)
            self._tallies[variant] = tally
        return self._tallies[variant]
