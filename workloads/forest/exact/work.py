"""The work of a search elsewhere: units out, values in any order in, finished trials out."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contracts.trial import canonical
from workloads.engines import Unit
from workloads.forest.exact.kept import Early, Kept, Key
from workloads.forest.exact.plan import Plan
from workloads.forest.exact.sharing import ForestData
from workloads.forest.exact.tallies import GroupTally, Judge, Score, SumsMemory
from workloads.forest.exact.units import TreeRange, cut_units, fit_for_units, unit_name
from workloads.forest.exact.votes import Tally, Vote, decode_votes


@dataclass(frozen=True)
class FinishedTrial:
    """A trial whose last fold was scored; `scores` are in fold order."""

    trial: int
    scores: tuple[Any, ...]


class ExactWork:
    """Commits the values of units in tree order, whatever order they come in.

    Parameters
    ----------
    plan : Plan
    data : ForestData
    folder, name : str
        Where each node finds the data file, and its name.
    kept : Path, optional
        A folder for what units gave back. A later `ExactWork` of the same plan takes it up,
        and only what is missing is left to do: a killed driver costs the units under way.
        Values that come before their turn wait there, not in memory. Scores must then be
        JSON.
    builder : str
        As in `ForestBuilder`.
    judge : callable, optional
        `judge(fold)` gives what scores a tally of that fold; accuracy if left out.
    slots : int, optional
        As in `cut_units`.
    early : Path, optional
        A folder for values that come before their turn, where `kept` is not wanted.
    """

    def __init__(
        self,
        plan: Plan,
        data: ForestData,
        folder: str,
        name: str,
        *,
        kept: Path | None = None,
        builder: str = "auto",
        judge: Callable[[int], Judge] | None = None,
        slots: int | None = None,
        early: Path | None = None,
    ) -> None:
        plan = fit_for_units(plan, data, builder)
        self.plan = self._plan = plan
        self._data = data
        self._name = name
        self._judge = judge or (lambda fold: accuracy_judge(data, fold))
        self._ranges: dict[str, TreeRange] = {}
        self._waiting: dict[Key, list[TreeRange]] = {}
        for part in cut_units(plan, data, folder, name, builder, slots):
            self._ranges[part.unit.unit_id] = part
            self._waiting.setdefault((part.fold, part.group), []).append(part)
        self._early = Early(early)
        self._memory = SumsMemory(kept or early)
        self._tallies: dict[Key, GroupTally] = {}
        self._scores: dict[Key, dict[tuple[int, int], Any]] = {}
        self._told: set[int] = set()
        self._committed: set[str] = set()
        self._kept = Kept(kept / _digest(plan, name)) if kept else None
        self._resumed = self._take_up()

    @property
    def units(self) -> tuple[Unit, ...]:
        """What is still to do, in the order in which the values are needed."""
        return tuple(part.unit for name, part in self._ranges.items() if self.needed(name))

    def tree_range(self, unit_id: str) -> TreeRange:
        """Return the fold, the group and the trees of a unit."""
        return self._ranges[unit_id]

    def needed(self, unit_id: str) -> bool:
        """Return whether the value of this unit is still missing."""
        if unit_id not in self._ranges:
            raise KeyError(unit_id)
        return unit_id not in self._committed and not self._has(unit_id)

    def resumed(self) -> list[FinishedTrial]:
        """Return the trials that were complete from the start, by what was kept."""
        return list(self._resumed)

    def accept(self, unit_id: str, value: Mapping[str, Any]) -> list[FinishedTrial]:
        """Take the value of a unit; return the trials that it completed.

        A value that comes twice is dropped.

        Raises
        ------
        KeyError
            If there is no such unit.
        ValueError
            If the value is not what such a unit gives; the unit is still needed then.
        """
        part = self._ranges[unit_id]
        if not self.needed(unit_id):
            return []
        trees = decode_votes(value)
        group = part.unit.arguments["group"]
        if value.get("of") != unit_name(self._name, part.fold, group, part.first, part.last):
            raise ValueError(f"what came for {unit_id} is the value of another unit")
        if len(trees) != part.last - part.first:
            raise ValueError(f"{unit_id} has another number of trees")
        key = (part.fold, part.group)
        if self._kept:
            self._kept.put(unit_id, value)
        else:
            self._early.put(unit_id, value, due=self._waiting[key][0] is part)
        self._commit(key, {unit_id: trees})
        return self._finished()

    def _has(self, unit_id: str) -> bool:
        return unit_id in self._early or bool(self._kept and self._kept.has(unit_id))

    def _commit(self, key: Key, decoded: Mapping[str, list[list[Vote]]]) -> None:
        queue = self._waiting[key]
        while queue and self._has(queue[0].unit.unit_id):
            unit_id = queue[0].unit.unit_id
            trees = self._trees(unit_id, decoded)
            if trees is None:
                return
            for votes in trees:
                self._note(key, self._tally(key).add_tree(votes))
            self._committed.add(unit_id)
            queue.pop(0)
        if not queue:
            self._close(key)

    def _trees(
        self, unit_id: str, decoded: Mapping[str, list[list[Vote]]]
    ) -> list[list[Vote]] | None:
        early = self._early.pop(unit_id) if unit_id in self._early else None
        if unit_id in decoded:
            return decoded[unit_id]
        if early is not None:
            return decode_votes(early)
        return self._kept.get(unit_id) if self._kept else None

    def _note(self, key: Key, scores: list[Score]) -> None:
        for variant, size, score in scores:
            self._scores.setdefault(key, {})[variant, size] = score

    def _close(self, key: Key) -> None:
        del self._waiting[key]
        self._tallies.pop(key, None)
        if self._kept:
            names = [name for name, part in self._ranges.items() if _key(part) == key]
            self._kept.close(key, self._scores[key], names)

    def _take_up(self) -> list[FinishedTrial]:
        if self._kept is None:
            return []
        for key in list(self._waiting):
            scores = self._kept.scores(key)
            if scores is None:
                self._commit(key, {})
            else:
                self._scores[key] = scores
                self._committed.update(part.unit.unit_id for part in self._waiting.pop(key))
        return self._finished()

    def _finished(self) -> list[FinishedTrial]:
        found = []
        for trial in self._plan.folds[0].places if self._plan.folds else ():
            if trial in self._told:
                continue
            places = [part.places[trial] for part in self._plan.folds]
            tables = [self._scores.get((f, place[0]), {}) for f, place in enumerate(places)]
            if all(place[1:] in table for place, table in zip(places, tables, strict=True)):
                self._told.add(trial)
                scores = (t[place[1:]] for place, t in zip(places, tables, strict=True))
                found.append(FinishedTrial(trial, tuple(scores)))
        return found

    def _tally(self, key: Key) -> GroupTally:
        if key not in self._tallies:
            fold, group = key
            rows = len(self._data.folds[fold][1])
            one = self._plan.folds[fold].groups[group]
            classes, judge = self._data.n_classes, self._judge(fold)
            self._tallies[key] = GroupTally(one, rows, classes, judge, self._memory)
        return self._tallies[key]


def accuracy_judge(data: ForestData, fold: int) -> Judge:
    """Return what scores a tally of this fold by its accuracy."""
    truth = np.ascontiguousarray(data.classes[data.folds[fold][1]], dtype=np.int32)

    def judge(tally: Tally) -> float:
        return tally.accuracy(truth)

    return judge


def _key(part: TreeRange) -> Key:
    return part.fold, part.group


def _digest(plan: Plan, name: str) -> str:
    groups = [[group.as_json() for group in fold.groups] for fold in plan.folds]
    return hashlib.sha256(canonical([groups, name]).encode()).hexdigest()[:16]
