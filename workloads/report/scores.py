"""Whether every engine found the same scores, and which parameters were best."""

import itertools
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.trial import canonical
from workloads.report.evidence import Evidence


@dataclass(frozen=True)
class Ranked:
    """One combination of parameters and its scores, one a fold."""

    parameters: Mapping[str, Any]
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the folds."""
        return statistics.fmean(self.scores)

    @property
    def deviation(self) -> float:
        """The standard deviation over the folds; 0 for a single one."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else 0.0


@dataclass(frozen=True)
class Agreement:
    """How far the results of one combination agree over engines, node counts and repeats.

    `compared` counts the results with a partner, `differing` names each combination whose
    scores lie further apart than the workload's `tolerance`, a part of their size, with the
    largest difference in any fold. With a tolerance of 0 they are equal to the last bit, with
    an infinite one they are not compared.
    """

    compared: int
    combinations: int
    differing: tuple[tuple[Mapping[str, Any], float], ...]
    tolerance: float = 0.0


def ranking(evidence: Evidence) -> list[Ranked]:
    """Return the scored combinations of one part of a sweep.

    The best mean comes first; equal ones are in the workload's order.
    """
    ranked = [
        Ranked(combination, next(iter(found)))
        for combination, found in _by_combination(evidence)
        if found
    ]
    return sorted(ranked, key=lambda one: -one.mean)


def agreement(evidence: Evidence) -> Agreement:
    """Compare all results of each combination with one another, in each part for itself."""
    compared, differing, several = 0, [], 0
    known = evidence.plan.facts.get("tolerance", 0.0)
    tolerance = math.inf if known is None else float(known)
    every = itertools.chain.from_iterable(_by_combination(one) for one in evidence.parts())
    for combination, found in every:
        if len(found) < 2:
            continue
        several += 1
        compared += len(found)
        distance = max(_distance(found[0], other) for other in found)
        if tolerance < math.inf and distance > tolerance * max(
            (abs(one) for one in found[0]), default=0.0
        ):
            differing.append((combination, distance))
    return Agreement(compared, several, tuple(differing), tolerance)


def _by_combination(
    evidence: Evidence,
) -> list[tuple[Mapping[str, Any], list[tuple[float, ...]]]]:
    found: dict[str, list[tuple[float, ...]]] = {}
    for run in evidence.runs:
        for trial in run.trials:
            result = evidence.results.get(trial.trial_id)
            if result is not None and result.status == "ok":
                found.setdefault(canonical(trial.parameters), []).append(result.scores)
    return [
        (combination, found.get(canonical(combination), []))
        for combination in evidence.work.combinations
    ]


def _distance(one: tuple[float, ...], two: tuple[float, ...]) -> float:
    if len(one) != len(two):
        return float("inf")
    return max((abs(a - b) for a, b in zip(one, two, strict=True)), default=0.0)
