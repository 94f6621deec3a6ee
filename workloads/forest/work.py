"""How a run of `forest` is cut into units, and how their values become results."""

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from contracts.trial import TrialResult, canonical
from workloads.data.named import data
from workloads.engines import Outcome, Unit
from workloads.folds import FoldedTrial
from workloads.runs import PlannedTrial, RunSpec

FITS = "workloads.forest.fits"
SMALL_FIT_SECONDS = 0.1
UNITS_PER_SLOT = 20


class ForestWork:
    """A unit is one combination on one fold, or on several where a fit takes next to no time.

    A trial is complete when all its folds are; when one of its units fails, the trial fails
    with that reason and its other units are not needed.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._folds: int = spec.parameters["folds"]
        self._data = dataclasses.asdict(data(spec.parameters))
        self._trials = {trial.trial_id: FoldedTrial(trial) for trial in spec.trials}
        self._parts: dict[str, tuple[str, tuple[int, ...]]] = {}
        self.units: Sequence[Unit] = self._cut(spec)

    def accept(
        self, unit_id: str, outcome: Outcome, *, node: str, attempts: int
    ) -> list[TrialResult]:
        """Take the scores of a unit; return its trial's result if they were the last."""
        trial_id, folds = self._parts[unit_id]
        now = self._trials[trial_id]
        if now.settled:
            return []
        now.folds.update(zip(folds, outcome.value, strict=True))
        now.add(outcome, node=node, attempts=attempts)
        if len(now.folds) < self._folds:
            return []
        return [now.complete([now.folds[fold] for fold in range(self._folds)])]

    def give_up(
        self, unit_id: str, reason: str, *, nodes: Sequence[str], attempts: int
    ) -> list[TrialResult]:
        """Take the failure of a unit; return its trial's, unless it failed before."""
        now = self._trials[self._parts[unit_id][0]]
        if now.settled:
            return []
        return [now.fail(reason, nodes=nodes, attempts=attempts)]

    def needed(self, unit_id: str) -> bool:
        """Return whether the unit's trial is still open."""
        return not self._trials[self._parts[unit_id][0]].settled

    def summary(self, results: Sequence[TrialResult]) -> dict[str, Any]:
        """Return best parameters and score, and a digest of all scores in trial order."""
        by_id = {result.trial_id: result for result in results}
        known = [by_id[key] for key in self._trials if key in by_id]
        done = [result for result in known if result.status == "ok"]
        found: dict[str, Any] = {
            "data": self._data["version"],
            "trials_ok": len(done),
            "trials_failed": len(known) - len(done),
            "scores_digest": scores_digest(done),
        }
        if done:
            best = max(done, key=mean_score)  # the first of the best, as GridSearchCV has it
            found["best_score"] = mean_score(best)
            found["best_parameters"] = canonical(best.parameters)
        return found

    def _cut(self, spec: RunSpec) -> list[Unit]:
        units = []
        fits = len(spec.trials) * self._folds
        most = max(1, fits // (UNITS_PER_SLOT * sum(spec.slots.values())))
        for trial in spec.trials:
            cost = fit_seconds(trial.parameters, self._data, self._folds)
            size = min(self._folds, most, max(1, math.ceil(SMALL_FIT_SECONDS / cost)))
            for first in range(0, self._folds, size):
                wanted = tuple(range(first, min(first + size, self._folds)))
                units.append(self._unit(spec, trial, wanted, cost * len(wanted)))
        return units

    def _unit(
        self, spec: RunSpec, trial: PlannedTrial, wanted: tuple[int, ...], weight: float
    ) -> Unit:
        name = f"{trial.trial_id}/{'+'.join(str(fold) for fold in wanted)}"
        self._parts[name] = (trial.trial_id, wanted)
        arguments = {
            "home": spec.home,
            "data": self._data,
            "folds": self._folds,
            "wanted": list(wanted),
            "parameters": dict(trial.parameters),
            "seed": spec.seed,
        }
        return Unit(name, f"{FITS}:fit_folds", arguments, weight)


def open_work(spec: RunSpec) -> ForestWork:
    """Return the units of the trials that the run still has to do."""
    return ForestWork(spec)


def preparation(spec: RunSpec) -> Unit:
    """Return the unit that puts the data into a node's cache."""
    arguments = {"home": spec.home, "data": dataclasses.asdict(data(spec.parameters))}
    return Unit("data", f"{FITS}:prepare_data", arguments)


def warm_up(spec: RunSpec) -> Unit:
    """Return the unit that each slot does before the clock starts."""
    arguments = {
        "home": spec.home,
        "data": dataclasses.asdict(data(spec.parameters)),
        "folds": spec.parameters["folds"],
        "seed": spec.seed,
    }
    return Unit("warm-up", f"{FITS}:warm_up", arguments)


def mean_score(result: TrialResult) -> float:
    """Return the mean of a result's scores."""
    return float(np.mean(result.scores))


def scores_digest(results: Sequence[TrialResult]) -> str:
    """Return a hash of parameters and scores, equal exactly when every bit of them is."""
    table = sorted((canonical(one.parameters), list(one.scores)) for one in results)
    return hashlib.sha256(canonical(table).encode()).hexdigest()[:16]


def fit_seconds(parameters: Mapping[str, Any], facts: Mapping[str, Any], folds: int) -> float:
    """Guess the CPU seconds of one fit: good enough to order units, never to report.

    The constants were read off fits of digits on one core; a wrong guess costs waiting at the
    end of a run and nothing else.
    """
    rows = facts["rows"] * (folds - 1) / folds
    depth = math.log2(max(rows, 2))
    columns = _columns_tried(parameters.get("max_features", "sqrt"))
    limit = parameters.get("max_depth") or depth
    trees = parameters.get("n_estimators", 100)
    levels = min(depth, limit)
    return max(1e-4, float(trees * rows * levels * (1e-7 + 6.6e-9 * columns)))


def _columns_tried(max_features: Any, columns: int = 60) -> float:
    if max_features == "sqrt":
        return math.sqrt(columns)
    if max_features == "log2":
        return math.log2(columns)
    if isinstance(max_features, float):
        return max_features * columns
    return columns if max_features is None else min(max_features, columns)
