"""A study as units of a run: each is one trial, whose arguments follow from earlier results."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.trial import TrialResult, canonical
from workloads import programs
from workloads.engines import Outcome, Unit
from workloads.programs import best_of
from workloads.runs import PlannedTrial, RunSpec
from workloads.xgboost import study
from workloads.xgboost.parameters import data, how_to_read

MODULE = "workloads.xgboost"


class StudyWork:
    """One unit for each trial that is left; those that ended are told to the study again.

    A unit is sent to a slot, or is a program where the data of one fit is spread over nodes.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self._study = study.of(spec.parameters, spec.seed)
        self._trials = {trial.trial_id: trial for trial in spec.trials}
        known = {int(one.parameters["trial"]): one for one in spec.finished}
        left = {int(one.parameters["trial"]) for one in spec.trials}
        for number in range(spec.parameters["trials"]):
            if number in known:
                result = known[number]
                self._study.told_again(number, result.scores[0], result.extra)
            elif number not in left:
                self._study.tell(number, None)  # it failed, and this attempt does not try again
        self.units: Sequence[Unit] = [self._unit(trial) for trial in spec.trials]

    def ready(self, unit_id: str) -> bool:
        """Return whether all trials have ended that a unit's is chosen from."""
        return self._study.ready(self._number(unit_id))

    def arguments(self, unit_id: str) -> Mapping[str, Any]:
        """Return what to try, on what."""
        parameters = self._spec.parameters
        fitting = {name: parameters[name] for name in ("rounds", "max_bin", "threads")}
        given: dict[str, Any] = {
            "data": data(parameters),
            "fitting": {**fitting, "seed": self._spec.seed},
            "chosen": self._study.chosen(self._number(unit_id)),
        }
        if self._distributed:
            return given
        more = {"reading": how_to_read(parameters), "reuse": parameters["reuse"]}
        return {**given, **more, "home": self._spec.home}

    def accept(
        self, unit_id: str, outcome: Outcome, *, node: str, attempts: int
    ) -> list[TrialResult]:
        """Take the score of a trial, and tell it to the study."""
        found = outcome.value
        if isinstance(found, list) and len(found) == 1:
            found = found[0]  # a program answers with one value for each of its trials
        score = found["scores"][0] if isinstance(found, dict) and found.get("scores") else None
        if not isinstance(score, float) or not math.isfinite(score):
            words = f"the trial returned {found!r:.80}, which has no score"
            return self.give_up(unit_id, words, nodes=[node], attempts=attempts)
        self._study.tell(self._number(unit_id), score)
        nodes = self._spec.nodes if self._distributed else (node,)
        return [
            TrialResult(
                trial_id=unit_id,
                status="ok",
                parameters=self._trials[unit_id].parameters,
                scores=(score,),
                seconds=outcome.seconds,
                nodes=nodes,
                attempts=attempts,
                extra={**found["extra"], "cpu_seconds": outcome.cpu_seconds},
            )
        ]

    def give_up(
        self, unit_id: str, reason: str, *, nodes: Sequence[str], attempts: int
    ) -> list[TrialResult]:
        """Take the failure of a trial; the study goes on without it."""
        self._study.tell(self._number(unit_id), None)
        return [
            TrialResult(
                trial_id=unit_id,
                status="failed",
                parameters=self._trials[unit_id].parameters,
                nodes=tuple(nodes),
                attempts=attempts,
                reason=reason,
            )
        ]

    def needed(self, unit_id: str) -> bool:
        """Return True: no trial does another's work."""
        return True

    def summary(self, results: Sequence[TrialResult]) -> dict[str, Any]:
        """Return the best trial, what it tried, and how much of the time was spent on what."""
        by_id = {one.trial_id: one for one in (*self._spec.finished, *results)}
        every = sorted(by_id.values(), key=lambda one: one.parameters["trial"])
        found = best_of(self._spec.parameters["data_version"], every)
        done = [one for one in every if one.status == "ok"]
        if not done:
            return found
        best = max(done, key=lambda one: one.scores[0])
        chosen = {name: best.extra[name] for name in (*study.SPACE, "rounds")}
        return {
            **found,
            "best_rmse": -best.scores[0],
            "best_chosen": canonical(chosen),
            "read_seconds": sum(one.extra["read seconds"] for one in done),
            "fit_seconds": sum(one.extra["fit seconds"] for one in done),
        }

    @property
    def _distributed(self) -> bool:
        return self._spec.parameters["form"] == "distributed" and self._spec.engine != "plain"

    def _number(self, unit_id: str) -> int:
        return int(self._trials[unit_id].parameters["trial"])

    def _unit(self, trial: PlannedTrial) -> Unit:
        if self._distributed:
            return programs.program(trial.trial_id, MODULE, "train", self._spec.engine, {})
        return Unit(trial.trial_id, f"{MODULE}.boosting:score_trial")
