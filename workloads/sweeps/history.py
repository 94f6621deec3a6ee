"""What a journal's records add up to: which trials count, which runs are open or closed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import InvalidDocument
from contracts.trial import TrialResult
from workloads.sweeps.plan import Cell, PlannedRun, Work, planned_run, remaining
from workloads.sweeps.records import AttemptRecord, PlanRecord, RunRecord, TrialRecord, parse


@dataclass
class History:
    """Everything that is known of a sweep.

    `results` holds the one result that counts for each trial: the first good one, else the
    latest failure. `conflicts` are trials that were done twice with different scores, which a
    seeded workload never should. `rejected` says of each unusable record why.
    """

    plans: list[PlanRecord] = field(default_factory=list)
    attempts: dict[str, list[AttemptRecord]] = field(default_factory=dict)
    rows: list[RunRecord] = field(default_factory=list)
    results: dict[str, TrialResult] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)

    def add(self, entry: PlanRecord | AttemptRecord | TrialRecord | RunRecord) -> None:
        """Take in what happened next."""
        if isinstance(entry, PlanRecord):
            self.plans.append(entry)
        elif isinstance(entry, AttemptRecord):
            self.attempts.setdefault(entry.run_id, []).append(entry)
        elif isinstance(entry, RunRecord):
            self.rows.append(entry)
        else:
            self._add_result(entry)

    def _add_result(self, entry: TrialRecord) -> None:
        result = entry.result
        known = self.results.get(result.trial_id)
        if known is None or known.status == "failed":
            self.results[result.trial_id] = result
        elif result.status == "ok" and result.scores != known.scores:
            self.conflicts.append(result.trial_id)

    def reload(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Forget everything and take in what a journal holds now."""
        vars(self).update(vars(read_history(records)))

    @property
    def done(self) -> set[str]:
        """The trials that have scores."""
        return {name for name, result in self.results.items() if result.status == "ok"}

    def open_attempts(self) -> list[AttemptRecord]:
        """Return the attempts that began and of which no end is known, oldest first."""
        closed = {(row.run_id, row.attempt) for row in self.rows}
        return [
            attempt
            for attempts in self.attempts.values()
            for attempt in attempts
            if (attempt.run_id, attempt.attempt) not in closed
        ]

    def next_attempt(self, run_id: str) -> int:
        """Return the number of the attempt that would come next, from 1."""
        known = [attempt.attempt for attempt in self.attempts.get(run_id, ())]
        known += [row.attempt for row in self.rows if row.run_id == run_id]
        return max(known, default=0) + 1

    def folders(self, run_id: str) -> tuple[str, ...]:
        """Return the folders of the attempts at a run, the latest first."""
        return tuple(attempt.folder for attempt in reversed(self.attempts.get(run_id, ())))

    def finished(self, run: PlannedRun) -> tuple[TrialResult, ...]:
        """Return the results of a run's trials that have scores, in the order of its trials."""
        known = (self.results.get(trial.trial_id) for trial in run.trials)
        return tuple(one for one in known if one is not None and one.status == "ok")

    def todo(self, runs: Iterable[PlannedRun]) -> list[PlannedRun]:
        """Return the runs, in the order given, that have a trial without a score."""
        done = self.done
        return [run for run in runs if remaining(run, done)]


def read_history(records: Iterable[Mapping[str, Any]]) -> History:
    """Return what a journal's records add up to; an unusable record is set aside."""
    history = History()
    for record in records:
        try:
            history.add(parse(record))
        except InvalidDocument as error:
            history.rejected.extend(error.problems)
    return history


def planned_runs(plans: Sequence[PlanRecord]) -> list[PlannedRun]:
    """Return every run that the plans ask for of what the latest one computes.

    They come in the order of repeats. How many repeats of a cell are wanted is what the
    latest plan of it says; its variation is called what the latest plan of all calls it.
    """
    if not plans:
        return []
    subject = plans[-1].subject
    wanted: dict[Cell, tuple[Work, int]] = {}
    for record in plans:
        for engine, nodes in record.places():
            for asked in record.subject.of(engine):
                known = subject.find(engine, asked.work.fingerprint)
                if known is not None:
                    cell = Cell(engine, nodes, known.names)
                    wanted[cell] = known.work, record.repeats
    last = max((repeats for _, repeats in wanted.values()), default=0)
    return [
        planned_run(work, cell, repeat)
        for repeat in range(1, last + 1)
        for cell, (work, repeats) in wanted.items()
        if repeat <= repeats
    ]
