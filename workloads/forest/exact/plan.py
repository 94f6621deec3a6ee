"""Which forests of a grid share trees: groups, what each group grows, and why some do not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workloads.forest.exact.growth import NO_LIMIT, GrowthRule
from workloads.forest.exact.parameters import (
    CanonicalForest,
    OutsideTheRules,
    Variant,
    canonical_forest,
)

Place = tuple[int, int, int]  # group, variant within it, n_estimators


@dataclass(frozen=True)
class Group:
    """Forests of one fold that take their trees from one sequence.

    Parameters
    ----------
    rule : GrowthRule
    random_state : int
    variants : tuple of Variant
        In ascending order.
    checkpoints : tuple of tuple of int
        For each variant the numbers of trees at which it is scored, ascending.
    """

    rule: GrowthRule
    random_state: int
    variants: tuple[Variant, ...]
    checkpoints: tuple[tuple[int, ...], ...]

    @property
    def n_trees(self) -> int:
        """How many trees the largest forest has."""
        return max(points[-1] for points in self.checkpoints)

    def wanted(self, tree: int) -> tuple[int, ...]:
        """Return the variants that have a tree of this number, counted from 0."""
        return tuple(i for i, points in enumerate(self.checkpoints) if tree < points[-1])

    def depths(self, tree: int) -> tuple[int, ...]:
        """Return the depth limits that a tree is wanted with, deepest first."""
        return tuple(
            sorted({self.variants[i].max_depth for i in self.wanted(tree)}, reverse=True)
        )

    @property
    def builds(self) -> int:
        """How many trees are grown if no certificate saves one."""
        return sum(len(self.depths(tree)) for tree in range(self.n_trees))

    def as_json(self) -> dict[str, Any]:
        """Return the group as a JSON object."""
        return {
            "rule": self.rule.as_json(),
            "random_state": self.random_state,
            "variants": [[v.max_depth, v.ccp_alpha, v.max_leaf_nodes] for v in self.variants],
            "checkpoints": [list(points) for points in self.checkpoints],
        }

    def by_depth(self) -> list[tuple["Group", tuple[int, ...]]]:
        """Return a group for each depth limit, and which of the variants here are in it."""
        limits = sorted({variant.max_depth for variant in self.variants}, reverse=True)
        members = [
            tuple(i for i, variant in enumerate(self.variants) if variant.max_depth == limit)
            for limit in limits
        ]
        return [
            (
                replace(
                    self,
                    variants=tuple(self.variants[i] for i in those),
                    checkpoints=tuple(self.checkpoints[i] for i in those),
                ),
                those,
            )
            for those in members
        ]

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> "Group":
        """Return the group that `as_json` described."""
        return Group(
            rule=GrowthRule(**document["rule"]),
            random_state=document["random_state"],
            variants=tuple(Variant(*values) for values in document["variants"]),
            checkpoints=tuple(tuple(points) for points in document["checkpoints"]),
        )


@dataclass(frozen=True)
class FoldPlan:
    """The groups of one fold, and where each shared trial finds its score."""

    groups: tuple[Group, ...]
    places: Mapping[int, Place]

    def parted(self, too_large: Callable[[Group], bool]) -> "FoldPlan":
        """Return the same fold with the groups that are too large cut by depth limit."""
        groups: list[Group] = []
        moved: dict[tuple[int, int], tuple[int, int]] = {}
        for number, group in enumerate(self.groups):
            everything = tuple(range(len(group.variants)))
            parts = group.by_depth() if too_large(group) else [(group, everything)]
            for part, members in parts:
                for now, before in enumerate(members):
                    moved[number, before] = len(groups), now
                groups.append(part)
        places = {
            trial: (*moved[group, variant], size)
            for trial, (group, variant, size) in self.places.items()
        }
        return FoldPlan(tuple(groups), places)


@dataclass(frozen=True)
class Plan:
    """What is shared and what is fitted plainly.

    `folds[i].places` and `plain` together hold every trial, by its number in the grid.
    `plain` gives the reason of each.
    """

    folds: tuple[FoldPlan, ...]
    plain: Mapping[int, str]

    @property
    def builds(self) -> int:
        """Trees that the shared part grows at most."""
        return sum(group.builds for fold in self.folds for group in fold.groups)

    @property
    def reused_trees(self) -> int:
        """Trees that fitting each shared trial from scratch would grow."""
        return sum(place[2] for fold in self.folds for place in fold.places.values())

    def explain(self) -> str:
        """Return in plain words what is shared, what is not and why, and the work expected."""
        if not self.folds:
            return "No fold, no work."
        shared, fold = len(self.folds[0].places), self.folds[0]
        lines = [
            f"{shared} of {shared + len(self.plain)} combinations share trees, in "
            f"{len(fold.groups)} group{'s' * (len(fold.groups) != 1)} "
            f"on each of {len(self.folds)} folds.",
        ]
        if self.builds:
            ratio = self.reused_trees / self.builds
            lines.append(
                f"Fitted one by one they grow {self.reused_trees} trees; here at most "
                f"{self.builds} ({ratio:.1f}x fewer; fewer still where a deep tree is proved "
                "to be the shallow one too). Alphas and leaf limits cost no tree."
            )
        lines += [_describe(number, group) for number, group in enumerate(fold.groups)]
        reasons: dict[str, list[int]] = {}
        for trial, reason in sorted(self.plain.items()):
            reasons.setdefault(reason, []).append(trial)
        for reason, trials in reasons.items():
            lines.append(f"{len(trials)} combinations are fitted plainly: {reason}.")
        return "\n".join(lines)


def plan_search(
    trials: Sequence[Mapping[str, Any]],
    n_train: Sequence[int],
    n_features: int,
    refused: Mapping[int, str] | None = None,
) -> Plan:
    """Return the plan of a grid.

    Parameters
    ----------
    trials : sequence of mapping
        All parameters of each combination, in the order of the grid.
    n_train : sequence of int
        Rows of the training part of each fold.
    n_features : int
    refused : mapping, optional
        Trials that are to be fitted plainly whatever the rules say, with the reason.
    """
    plain: dict[int, str] = dict(refused or {})
    by_fold: list[dict[int, CanonicalForest]] = [{} for _ in n_train]
    for number, parameters in enumerate(trials):
        if number in plain:
            continue
        try:
            found = [canonical_forest(parameters, rows, n_features) for rows in n_train]
        except OutsideTheRules as reason:
            plain[number] = str(reason)
            continue
        for fold, forest in zip(by_fold, found, strict=True):
            fold[number] = forest
    return Plan(tuple(map(_plan_fold, by_fold)), plain)


def _plan_fold(forests: Mapping[int, CanonicalForest]) -> FoldPlan:
    sizes: dict[tuple[GrowthRule, int], dict[Variant, set[int]]] = {}
    for forest in forests.values():
        variants = sizes.setdefault((forest.rule, forest.random_state), {})
        variants.setdefault(forest.variant, set()).add(forest.n_estimators)
    groups = []
    for (rule, random_state), variants in sizes.items():
        ordered = tuple(sorted(variants))
        points = tuple(tuple(sorted(variants[variant])) for variant in ordered)
        groups.append(Group(rule, random_state, ordered, points))
    number = {(group.rule, group.random_state): i for i, group in enumerate(groups)}
    places = {}
    for trial, forest in forests.items():
        at = number[forest.rule, forest.random_state]
        variant = groups[at].variants.index(forest.variant)
        places[trial] = (at, variant, forest.n_estimators)
    return FoldPlan(tuple(groups), places)


def _describe(number: int, group: Group) -> str:
    rule = group.rule
    depths = sorted({variant.max_depth for variant in group.variants}, reverse=True)
    alphas = sorted({variant.ccp_alpha for variant in group.variants})
    leaves = sorted({variant.max_leaf_nodes for variant in group.variants} - {0})
    sizes = sorted({size for points in group.checkpoints for size in points})
    shown = ["None" if depth == NO_LIMIT else str(depth) for depth in depths]
    return (
        f"  group {number}: {rule.criterion}, max_features {rule.max_features}, "
        f"min_samples_leaf {rule.min_samples_leaf}, min_samples_split {rule.min_samples_split}"
        f", {rule.n_bootstrap} rows drawn: {group.n_trees} trees, depths {', '.join(shown)}"
        + (f", alphas {', '.join(f'{alpha:g}' for alpha in alphas)}" if len(alphas) > 1 else "")
        + (f", leaves {', '.join(map(str, leaves))} (best first)" if leaves else "")
        + f", scored at {', '.join(map(str, sizes))}."
    )
