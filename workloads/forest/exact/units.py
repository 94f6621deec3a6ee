"""Units: a few trees of one group on one fold, as plain JSON that any machine can work on."""

import functools
import hashlib
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contracts.trial import canonical
from workloads.engines import Unit
from workloads.forest.exact import native
from workloads.forest.exact.builders import ForestBuilder
from workloads.forest.exact.plan import Group, Plan
from workloads.forest.exact.sharing import ForestData, open_data
from workloads.forest.exact.votes import encode_votes, tree_votes

FUNCTION = "workloads.forest.exact.units:grow_unit"
UNIT_SECONDS = 1.5  # of a whole core: some five seconds on the smallest machines
SMALL_UNIT_SECONDS = 0.1
UNITS_PER_SLOT = 20
MOST_TREES = 20
MOST_VOTES = 24_000_000  # rows x variants x trees of a unit: what its value may weigh


@dataclass(frozen=True)
class TreeRange:
    """The trees `first` to `last - 1` of a group on a fold, and the unit that grows them."""

    fold: int
    group: int
    first: int
    last: int
    unit: Unit


def fit_for_units(plan: Plan, data: ForestData, builder: str = "auto") -> Plan:
    """Return the plan with groups cut by depth where one tree with all its depths is too long.

    What is lost is the proof that a deep tree is the shallow one too; only trees that take
    seconds are concerned.
    """

    def too_long(n_train: int, group: Group) -> bool:
        return tree_seconds(group, n_train, builder) > UNIT_SECONDS

    folds = tuple(
        part.parted(functools.partial(too_long, len(train)))
        for part, (train, _) in zip(plan.folds, data.folds, strict=True)
    )
    return replace(plan, folds=folds)


def cut_units(
    plan: Plan,
    data: ForestData,
    folder: str,
    name: str,
    builder: str = "auto",
    slots: int | None = None,
) -> list[TreeRange]:
    """Return the units of a plan, in the order in which their values are needed.

    Parameters
    ----------
    plan : Plan
    data : ForestData
        Decides how many trees make a unit of a second or two.
    folder, name : str
        Where each node finds the data file, and its name.
    builder : str
        As in `ForestBuilder`.
    slots : int, optional
        How many units are worked on at once: little work is cut finer for many.
    """
    costs = {
        (fold, number): tree_seconds(group, len(train), builder)
        for fold, (part, (train, _)) in enumerate(zip(plan.folds, data.folds, strict=True))
        for number, group in enumerate(part.groups)
    }
    all_seconds = sum(
        cost * plan.folds[fold].groups[number].n_trees for (fold, number), cost in costs.items()
    )
    fair = all_seconds / (UNITS_PER_SLOT * slots) if slots else UNIT_SECONDS
    seconds = min(UNIT_SECONDS, max(fair, SMALL_UNIT_SECONDS))
    ranges = []
    for (fold, number), cost in costs.items():
        group = plan.folds[fold].groups[number]
        size = _trees_per_unit(group, seconds / cost, len(data.folds[fold][1]))
        for first in range(0, group.n_trees, size):
            last = min(first + size, group.n_trees)
            arguments = {
                "folder": folder,
                "data": name,
                "fold": fold,
                "group": group.as_json(),
                "first": first,
                "last": last,
                "builder": builder,
            }
            unit_id = f"fold{fold}-group{number}-trees{first}-{last}"
            unit = Unit(unit_id, FUNCTION, arguments, cost * (last - first))
            ranges.append(TreeRange(fold, number, first, last, unit))
    return ranges


def grow_unit(
    folder: str,
    data: str,
    fold: int,
    group: Mapping[str, Any],
    first: int,
    last: int,
    builder: str = "auto",
) -> dict[str, Any]:
    """Grow the trees `first` to `last - 1` of a group and return their votes as JSON.

    The same arguments give the same value on every machine, so a lost unit can be done again
    anywhere and a value that comes twice is the same twice.
    """
    forest, wanted = _opened(folder, data, builder), Group.from_json(group)
    train, test = forest.data.folds[fold]
    trees = [
        list(tree_votes(forest.builder, wanted, train, test, tree))
        for tree in range(first, last)
    ]
    name, reason = forest.builder.maker(wanted.rule)
    whose = unit_name(data, fold, group, first, last)
    return {**encode_votes(trees), "of": whose, "builder": name, "reason": reason}


def unit_name(data: str, fold: int, group: Mapping[str, Any], first: int, last: int) -> str:
    """Return what tells the trees of a unit from all others: a hash, 16 digits."""
    text = canonical([data, fold, dict(group), first, last])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def warm_up(folder: str, data: str, builder: str = "auto") -> str:
    """Open the data and prove the builder before the clock starts; return its name."""
    return _opened(folder, data, builder).builder.name


def tree_seconds(group: Group, n_train: int, builder: str = "auto") -> float:
    """Guess the CPU seconds of one tree with all its depths: to cut and order units only.

    Read off trees of cover type's shape on one core. Where the kernels are missing here, they
    are taken to be missing everywhere.
    """
    levels = math.log2(max(n_train, 2))
    depths = group.depths(0)
    share = sum(min(1.0, depth / levels) for depth in depths)
    heavy = 6.0 if group.rule.criterion == "entropy" else 1.0
    plain = builder == "scikit-learn" or native.library_or_none() is None
    slow = 8.0 if plain or group.rule.best_first else 1.0
    pace = 3e-9 * heavy * slow
    return 1e-3 * len(depths) + n_train * levels * group.rule.max_features * pace * share


@dataclass(frozen=True)
class _Opened:
    data: ForestData
    builder: ForestBuilder


class _Latest(threading.local):
    """What this thread opened last: a builder has room for the tree of one thread."""

    key: tuple[str, str, str] | None = None
    opened: _Opened


_latest = _Latest()


def _opened(folder: str, data: str, builder: str) -> _Opened:
    key = folder, data, builder
    if _latest.key != key:
        mapped = open_data(Path(folder) / data)
        _latest.opened = _Opened(mapped, ForestBuilder(mapped, builder))
        _latest.key = key
    return _latest.opened


def _trees_per_unit(group: Group, by_time: float, n_test: int) -> int:
    by_size = MOST_VOTES // max(1, n_test * len(group.variants))
    return max(1, min(int(by_time), by_size, MOST_TREES))
