"""The shared search as the work of a run: what a driver and its executor ask of a workload.

The driver needs no scikit-learn for it.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.files import write_json
from contracts.trial import TrialResult
from workloads.data.named import data
from workloads.engines import Outcome, Unit
from workloads.forest.exact.plan import plan_search
from workloads.forest.exact.preparation import note_path, read_note
from workloads.forest.exact.run_facts import Makers, Spent
from workloads.forest.exact.sharing import open_data
from workloads.forest.exact.work import ExactWork, FinishedTrial
from workloads.forest.work import ForestWork
from workloads.runs import PlannedTrial, RunSpec

PREPARATION = "workloads.forest.exact.preparation"
KEPT = "kept"
TAKEN_UP = "taken-up.json"


class SharedForestWork:
    """The units of a run whose trials share trees; what cannot share is fitted one by one.

    What units gave back is kept in the run's folder under `home`: a driver that is started
    again goes on from there, and so does another attempt at the same run. The summary then
    has `kept_parts_taken_up`, and the run's time is no measurement.

    Parameters
    ----------
    spec : RunSpec
        Its data must have been prepared on the head, by `preparation`.
    """

    def __init__(self, spec: RunSpec) -> None:
        folds, builder = spec.parameters["folds"], spec.parameters["builder"]
        version = data(spec.parameters).version
        note = note_path(spec.home, version, folds, spec.seed, builder)
        facts = read_note(note)
        shared = open_data(note.parent / facts["name"])
        kept = _kept(spec)
        self._spec = spec
        self._all = _planned_at_first(kept, spec.trials)
        trials = [{**facts["base"], **trial.parameters} for trial in self._all]
        sizes = [len(train) for train, _ in shared.folds]
        self._work = ExactWork(
            plan_search(trials, sizes, facts["columns"]),
            shared,
            str(note.parent),
            facts["name"],
            kept=kept,
            builder=builder,
            slots=sum(spec.slots.values()),
        )
        self._plan = self._work.plan
        open_ids = {trial.trial_id for trial in spec.trials}
        self._open = {i for i, trial in enumerate(self._all) if trial.trial_id in open_ids}
        plain = tuple(self._all[i] for i in sorted(self._plan.plain) if i in self._open)
        self._plain = ForestWork(dataclasses.replace(spec, trials=plain))
        self._plain_units = {unit.unit_id for unit in self._plain.units}
        self._spent = Spent()
        self._makers = Makers(kept / "builders.json")
        self._taken_up = _number_in(kept / TAKEN_UP)
        self._resumed = [one for one in self._work.resumed() if one.trial in self._open]
        self.units: Sequence[Unit] = self._left()

    def accept(
        self, unit_id: str, outcome: Outcome, *, node: str, attempts: int
    ) -> list[TrialResult]:
        """Take the value of a unit; return the results of the trials that it completed."""
        if unit_id in self._plain_units:
            return self._plain.accept(unit_id, outcome, node=node, attempts=attempts)
        self._spent.add(outcome, node, attempts)
        if unit_id == KEPT:
            finished, self._resumed = self._resumed, []
        else:
            finished = self._work.accept(unit_id, outcome.value)
            self._makers.add(node, outcome.value)
        return [self._result(trial) for trial in finished if trial.trial in self._open]

    def give_up(
        self, unit_id: str, reason: str, *, nodes: Sequence[str], attempts: int
    ) -> list[TrialResult]:
        """Take the failure of a unit; return those of the trials that have its trees."""
        if unit_id in self._plain_units:
            return self._plain.give_up(unit_id, reason, nodes=nodes, attempts=attempts)
        lost = self._trials_of(unit_id) if unit_id != KEPT else {t.trial for t in self._resumed}
        self._open -= lost
        return [
            TrialResult(
                trial_id=self._all[trial].trial_id,
                status="failed",
                parameters=self._all[trial].parameters,
                nodes=tuple(nodes),
                attempts=attempts,
                reason=reason,
            )
            for trial in sorted(lost)
        ]

    def needed(self, unit_id: str) -> bool:
        """Return whether an open trial still waits for this unit."""
        if unit_id in self._plain_units:
            return self._plain.needed(unit_id)
        if unit_id == KEPT:
            return bool(self._resumed)
        return self._work.needed(unit_id) and bool(self._trials_of(unit_id))

    def summary(self, results: Sequence[TrialResult]) -> dict[str, Any]:
        """Return what an ordinary run's summary has, how much was shared, and who grew it."""
        plan = self._plan
        return {
            **ForestWork(self._spec).summary(results),
            "trials_sharing_trees": len(self._all) - len(plan.plain),
            "trees_asked_for": plan.reused_trees,
            "trees_grown_at_most": plan.builds,
            **self._makers.summary(),
            **({"kept_parts_taken_up": self._taken_up} if self._taken_up else {}),
        }

    def _left(self) -> list[Unit]:
        """Return what is to do; a unit that does nothing tells of trials that were complete."""
        kept = [dataclasses.replace(warm_up(self._spec), unit_id=KEPT)] if self._resumed else []
        left = [unit for unit in self._work.units if self.needed(unit.unit_id)]
        return [*kept, *left, *self._plain.units]

    def _trials_of(self, unit_id: str) -> set[int]:
        """Return the open trials that have a tree of this unit."""
        part = self._work.tree_range(unit_id)
        places = self._plan.folds[part.fold].places
        return {
            trial
            for trial in self._open
            if trial in places
            and places[trial][0] == part.group
            and places[trial][2] > part.first
        }

    def _result(self, trial: FinishedTrial) -> TrialResult:
        self._open.discard(trial.trial)
        one = self._all[trial.trial]
        seconds, cpu_seconds = self._spent.part(1 + len(self._open - self._plan.plain.keys()))
        return TrialResult(
            trial_id=one.trial_id,
            status="ok",
            parameters=one.parameters,
            scores=tuple(trial.scores),
            seconds=seconds,
            nodes=tuple(self._spent.nodes),
            attempts=self._spent.attempts,
            extra={"cpu_seconds": cpu_seconds},
        )


def preparation(spec: RunSpec) -> Unit:
    """Return the unit that puts data, codes and split into a node's cache."""
    return Unit("data", f"{PREPARATION}:prepare_shared", _arguments(spec))


def warm_up(spec: RunSpec) -> Unit:
    """Return the unit that each slot does before the clock starts."""
    return Unit("warm-up", f"{PREPARATION}:warm_up_shared", _arguments(spec))


def _arguments(spec: RunSpec) -> dict[str, Any]:
    return {
        "home": spec.home,
        "data": dataclasses.asdict(data(spec.parameters)),
        "folds": spec.parameters["folds"],
        "seed": spec.seed,
        "builder": spec.parameters["builder"],
    }


def _kept(spec: RunSpec) -> Path:
    """Return the folder for what units gave back; that of an earlier attempt is moved here.

    The latest that has one counts: an attempt may end before its work begins.
    """
    runs = Path(spec.home).expanduser() / "runs"
    own = runs / spec.run_id / "shared"
    folders = (runs / name / "shared" for name in spec.continues)
    earlier = next((folder for folder in folders if folder.is_dir()), None)
    if earlier is not None and not own.exists():
        done = [path for path in earlier.glob("*/*.json") if not path.name.startswith(".")]
        write_json(earlier / TAKEN_UP, max(len(done), _number_in(earlier / TAKEN_UP)))
        own.parent.mkdir(parents=True, exist_ok=True)
        os.rename(earlier, own)
    return own


def _number_in(path: Path) -> int:
    return int(json.loads(path.read_text())) if path.exists() else 0


def _planned_at_first(kept: Path, trials: Sequence[PlannedTrial]) -> list[PlannedTrial]:
    """Return the trials that the run began with: what is kept follows from their groups."""
    path = kept / "trials.json"
    if path.exists():
        return [PlannedTrial(**one) for one in json.loads(path.read_text())]
    write_json(path, [dataclasses.asdict(trial) for trial in trials])
    return list(trials)
