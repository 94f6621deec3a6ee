"""What a journal proves: the runs that may be compared, and what was left out and why."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.errors import UsageError
from contracts.trial import TrialResult
from workloads.history import History, planned_runs
from workloads.records import PlanRecord, RunRecord
from workloads.sweep import Cell, PlannedRun, Work, remaining


@dataclass(frozen=True)
class LeftOut:
    """A row that no figure and no fit uses, and why."""

    row: RunRecord
    reason: str


@dataclass(frozen=True)
class Evidence:
    """All that a report stands on.

    `clean` has the rows of each cell that may be compared, in the order of repeats. `runs` are
    all that is planned, `missing` those with trials that have no score, `failed` the results
    of trials that were tried in vain. `damaged` counts the pieces of the journal that were
    set aside, `other_rows` the rows of other parameters, data or library versions.
    """

    plan: PlanRecord
    clean: Mapping[Cell, tuple[RunRecord, ...]]
    left_out: tuple[LeftOut, ...]
    runs: tuple[PlannedRun, ...]
    missing: tuple[PlannedRun, ...]
    failed: tuple[TrialResult, ...]
    results: Mapping[str, TrialResult]
    conflicts: tuple[str, ...]
    damaged: int
    rejected: tuple[str, ...]
    other_rows: int

    @property
    def work(self) -> Work:
        """What every run computed."""
        return self.plan.work

    @property
    def complete(self) -> bool:
        """Whether every planned trial has its scores."""
        return not self.missing

    def seconds(self, cell: Cell) -> list[float]:
        """Return the wall seconds of a cell's comparable runs."""
        return [row.wall_seconds or 0.0 for row in self.clean.get(cell, ())]

    def ready(self, cell: Cell) -> float:
        """Return the median seconds that a run of a cell took before the work began."""
        before = [
            sum(seconds for phase, seconds in row.phases.items() if phase != "work")
            for row in self.clean.get(cell, ())
        ]
        return statistics.median(before) if before else 0.0

    def engines(self) -> list[str]:
        """Return the engines that have a comparable run, `plain` last."""
        names = {cell.engine for cell in self.clean}
        return sorted(names, key=lambda name: (name == "plain", name != "ray", name))


def gather(history: History, *, damaged: int = 0) -> Evidence:
    """Return the evidence for the work that the latest plan names.

    Raises
    ------
    UsageError
        If the journal holds no plan.
    """
    if not history.plans:
        raise UsageError(
            "The journal holds no plan of a sweep.", next_step="fab sweep.run --workload forest"
        )
    plan = history.plans[-1]
    runs = planned_runs(history.plans, plan.work)
    rows = [row for row in history.rows if row.work == plan.work.fingerprint]
    clean, left_out = _sorted_out(rows, len(plan.work.combinations))
    missing = [run for run in runs if remaining(run, history.done)]
    wanted = {trial.trial_id for run in runs for trial in run.trials}
    results = {name: one for name, one in history.results.items() if name in wanted}
    return Evidence(
        plan=plan,
        clean=clean,
        left_out=tuple(left_out),
        runs=tuple(runs),
        missing=tuple(missing),
        failed=tuple(one for one in results.values() if one.status == "failed"),
        results=results,
        conflicts=tuple(name for name in history.conflicts if name in wanted),
        damaged=damaged,
        rejected=tuple(history.rejected),
        other_rows=len(history.rows) - len(rows),
    )


def _sorted_out(
    rows: Sequence[RunRecord], trials: int
) -> tuple[dict[Cell, tuple[RunRecord, ...]], list[LeftOut]]:
    kept: dict[str, RunRecord] = {}
    left_out = []
    for row in rows:
        reason = exclusion(row, trials)
        if reason is None and row.run_id in kept:
            reason = "the same run was measured before"
        if reason is None:
            kept[row.run_id] = row
        else:
            left_out.append(LeftOut(row, reason))
    cells = sorted({row.cell for row in kept.values()}, key=lambda one: (one.engine, one.nodes))
    return {
        cell: tuple(
            sorted((row for row in kept.values() if row.cell == cell), key=lambda r: r.repeat)
        )
        for cell in cells
    }, left_out


def exclusion(row: RunRecord, trials: int) -> str | None:
    """Return why a row must not be compared with others; None if it may.

    Parameters
    ----------
    row : RunRecord
        What was measured.
    trials : int
        How many trials a whole run has.
    """
    if row.deaths:
        words = [f"{one['node']} after {one['after_seconds']:.0f} s" for one in row.deaths]
        return f"lost {', '.join(words)}"
    if row.status != "finished":
        return f"{row.status}: {row.reason or 'no reason known'}"
    if row.starts != 1:
        return f"the driver was started {row.starts} times"
    if row.trials < trials:
        return f"only {row.trials} of {trials} trials, the others were done before"
    if row.summary.get("kept_parts_taken_up"):
        return "it went on from what an attempt before had kept"
    if row.ok < row.trials:
        return f"{row.trials - row.ok} of {row.trials} trials failed"
    if not row.wall_seconds:
        return "no time was recorded"
    return None
