"""How a search that shares kernel matrices is cut into units, and how scores come of them."""

from collections.abc import Sequence
from typing import Any

from contracts.trial import TrialResult
from workloads.engines import Outcome, Unit
from workloads.folds import FoldedTrial
from workloads.programs import best_of
from workloads.runs import PlannedTrial, RunSpec
from workloads.svc.classification_report import accuracies, report
from workloads.svc.parameters import data

UNITS_PER_SLOT = 6


class KernelWork:
    """A unit is one kernel matrix: a kernel with a gamma on one fold, for every C.

    Where that makes few units for many slots, the values of C are dealt out to several, of
    which each computes the matrix. A trial is complete when all its folds are.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._folds: int = spec.parameters["folds"]
        self._trials = {one.trial_id: FoldedTrial(one) for one in spec.trials}
        self._parts: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.units: Sequence[Unit] = self._cut()

    def accept(
        self, unit_id: str, outcome: Outcome, *, node: str, attempts: int
    ) -> list[TrialResult]:
        """Take the confusion matrices of a unit; return the trials that they completed."""
        fold, names = self._parts[unit_id]
        found = []
        for name, matrix in zip(names, outcome.value, strict=True):
            now = self._trials[name]
            now.folds[fold] = matrix
            now.add(outcome, node=node, attempts=attempts, sharing=len(names))
            if len(now.folds) == self._folds and not now.settled:
                found.append(self._complete(now))
        return found

    def give_up(
        self, unit_id: str, reason: str, *, nodes: Sequence[str], attempts: int
    ) -> list[TrialResult]:
        """Take the failure of a unit; return those of its trials that had not failed before."""
        trials = [self._trials[name] for name in self._parts[unit_id][1]]
        return [
            now.fail(reason, nodes=nodes, attempts=attempts)
            for now in trials
            if not now.settled
        ]

    def needed(self, unit_id: str) -> bool:
        """Return whether a trial of the unit is still open."""
        return any(not self._trials[name].settled for name in self._parts[unit_id][1])

    def summary(self, results: Sequence[TrialResult]) -> dict[str, Any]:
        """Return the data, how many trials went well, and the best of them."""
        return best_of(self._spec.parameters["data_version"], results)

    def _cut(self) -> list[Unit]:
        matrices: dict[tuple[str, Any], list[PlannedTrial]] = {}
        for trial in self._spec.trials:
            key = trial.parameters["kernel"], trial.parameters.get("gamma")
            matrices.setdefault(key, []).append(trial)
        wanted = UNITS_PER_SLOT * sum(self._spec.slots.values())
        pieces = -(-wanted // max(1, len(matrices) * self._folds))
        return [
            self._unit(fold, kernel, gamma, trials[piece::pieces])
            for (kernel, gamma), trials in matrices.items()
            for fold in range(self._folds)
            for piece in range(min(pieces, len(trials)))
        ]

    def _unit(self, fold: int, kernel: str, gamma: Any, trials: list[PlannedTrial]) -> Unit:
        name = f"{trials[0].trial_id}/{fold}"
        self._parts[name] = fold, tuple(one.trial_id for one in trials)
        values = [one.parameters["C"] for one in trials]
        arguments = {
            "data": data(self._spec.parameters),
            "folds": self._folds,
            "seed": self._spec.seed,
            "fold": fold,
            "kernel": kernel,
            "gamma": gamma,
            "values": values,
        }
        return Unit(name, "workloads.svc.kernels:score_unit", arguments, float(len(values)))

    def _complete(self, now: FoldedTrial) -> TrialResult:
        matrices = [now.folds[fold] for fold in range(self._folds)]
        return now.complete(accuracies(matrices), report(matrices))
