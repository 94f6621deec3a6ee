"""From votes to scores: one tally per variant, scored at each number of trees asked for."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from workloads.forest.exact.plan import Group
from workloads.forest.exact.votes import Tally, Vote

MEMORY_BYTES = 128 * 1024 * 1024

Judge = Callable[[Tally], Any]
Score = tuple[int, int, Any]  # variant, n_estimators, what the judge said


class SumsMemory:
    """Memory for the sums of every open tally of a search, 128 MB together.

    What is more lies in unnamed files, which the system writes out under pressure.

    Parameters
    ----------
    folder : Path, optional
        Where the files are; the system's folder for temporary files if left out.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.used = 0

    def take(self, shape: tuple[int, int]) -> np.ndarray:
        """Return sums of this shape, all 0."""
        size = 8 * shape[0] * shape[1]
        if self.used + size <= MEMORY_BYTES:
            self.used += size
            return np.zeros(shape, dtype=np.float64)
        with tempfile.TemporaryFile(dir=self._folder) as file:
            return np.memmap(file, np.float64, "w+", shape=shape)

    def give_back(self, sums: np.ndarray) -> None:
        """Count the memory of these sums as free; nobody may use them any more."""
        if not isinstance(sums, np.memmap):
            self.used -= sums.nbytes


class GroupTally:
    """Takes the trees of a group in order and gives scores as they fall due.

    Parameters
    ----------
    group : Group
    n_rows, n_classes : int
        Of the rows voted on.
    judge : callable
        Gives the score of a tally.
    memory : SumsMemory
        One for all groups that are open at the same time.
    """

    def __init__(
        self, group: Group, n_rows: int, n_classes: int, judge: Judge, memory: SumsMemory
    ) -> None:
        self._group = group
        self._shape = n_rows, n_classes
        self._judge = judge
        self._memory = memory
        self._tallies: dict[int, Tally] = {}
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
                self._memory.give_back(self._tallies.pop(vote.variant).sums)
        self.next_tree += 1
        return scores

    def _tally(self, variant: int) -> Tally:
        if variant not in self._tallies:
            self._tallies[variant] = Tally(self._memory.take(self._shape))
        return self._tallies[variant]
