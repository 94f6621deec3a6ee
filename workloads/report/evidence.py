"""What a journal proves: the runs that may be compared, and what was left out and why."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.errors import UsageError
from contracts.trial import TrialResult
from workloads.report.exclusion import exclusion, restarts
from workloads.sweeps.history import History, planned_runs
from workloads.sweeps.plan import PLAIN, Cell, PlannedRun, Variation, Work, remaining
from workloads.sweeps.records import PlanRecord, RunRecord


@dataclass(frozen=True)
class LeftOut:
    """A row that no figure and no fit uses, and why."""

    cell: Cell
    row: RunRecord
    reason: str


@dataclass(frozen=True)
class Series:
    """What is one line of a figure: an engine with one variation of the work.

    `place` counts the variations of an engine from 0; `short` has only those names that tell
    it from the other series beside it.
    """

    engine: str
    variation: tuple[str, ...]
    place: int
    short: tuple[str, ...]

    @property
    def label(self) -> str:
        """The series as people say it, `plain` or `Ray reuse=true`."""
        name = PLAIN if self.engine == PLAIN else self.engine.capitalize()
        return " ".join([name, *self.short])

    @property
    def slug(self) -> str:
        """The series as a part of an element's id."""
        return f"{self.engine}-{self.place + 1}" if self.variation else self.engine

    def cell(self, nodes: int) -> Cell:
        """Return the cell of this series with that many nodes."""
        return Cell(self.engine, nodes, self.variation)


@dataclass(frozen=True)
class Evidence:
    """All that a report stands on.

    `clean` has the rows of each cell that may be compared, in the order of repeats. `runs` are
    all that is planned, `missing` those with trials that have no score, `failed` the results
    of trials that were tried in vain. `damaged` counts the pieces of the journal that were
    set aside, `other_rows` the rows of other parameters, data or library versions.
    `part` has the settings that all of it shares, where a sweep falls into parts.
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
    part: tuple[str, ...] = ()

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

    def cpu(self, cell: Cell) -> float | None:
        """Return the median CPU seconds of a cell's work, the driver's own included.

        None where a run did not record them.
        """
        found = [
            row.cpu_seconds + (row.driver_cpu_seconds or 0.0)
            for row in self.clean.get(cell, ())
            if row.cpu_seconds
        ]
        whole = found and len(found) == len(self.clean[cell])
        return statistics.median(found) if whole else None

    def series(self) -> list[Series]:
        """Return each engine and variation that has a comparable run, `plain` last."""
        known = {(cell.engine, cell.variation) for cell in self.clean}
        same = set(self.part)
        engines = {engine for engine, _ in known}
        found = []
        for engine in sorted(engines, key=lambda name: (name == PLAIN, name != "ray", name)):
            order = [one.names for one in self.plan.subject.of(engine)]
            names = [one for one in order if (engine, one) in known]
            found += [
                Series(engine, one, place, tuple(name for name in one if name not in same))
                for place, one in enumerate(names)
            ]
        return found

    def cells(self, series: Series) -> list[Cell]:
        """Return the measured cells of a series, fewest nodes first."""
        wanted = (series.engine, series.variation)
        found = (cell for cell in self.clean if (cell.engine, cell.variation) == wanted)
        return sorted(found, key=lambda cell: cell.nodes)

    def baseline(self, cell: Cell) -> Cell:
        """Return the cell of the library's own code for what a cell computes."""
        names = next(
            (
                one.names
                for one in self.plan.subject.of(PLAIN)
                if set(one.names) <= set(cell.variation)
            ),
            (),
        )
        return Cell(PLAIN, 1, names)

    def parts(self) -> "list[Evidence]":
        """Return the evidence apart by what changes the scores, in the order of the plan.

        All of one part must find the same scores; the parts together are the whole.
        """
        wanted = self.plan.subject.of(PLAIN)
        whole = self.part or len(wanted) == 1
        return [self] if whole else [self._only(one) for one in wanted]

    def _only(self, baseline: Variation) -> "Evidence":
        names = set(baseline.names)
        runs = tuple(run for run in self.runs if names <= set(run.cell.variation))
        trials = {trial.trial_id for run in runs for trial in run.trials}
        results = {name: one for name, one in self.results.items() if name in trials}
        return dataclasses.replace(
            self,
            plan=dataclasses.replace(self.plan, work=baseline.work),
            clean={cell: rows for cell, rows in self.clean.items()
                   if names <= set(cell.variation)},
            left_out=tuple(one for one in self.left_out if names <= set(one.cell.variation)),
            runs=runs,
            missing=tuple(run for run in self.missing if run in runs),
            failed=tuple(one for one in self.failed if one.trial_id in trials),
            results=results,
            conflicts=tuple(name for name in self.conflicts if name in trials),
            part=baseline.names,
        )  # fmt: skip


def gather(history: History, *, damaged: int = 0) -> Evidence:
    """Return the evidence for what the latest plan asks for.

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
    runs = planned_runs(history.plans)
    clean, left_out = _sorted_out(plan, history.rows, restarts(runs, history.results))
    missing = [run for run in runs if remaining(run, history.done)]
    wanted = {trial.trial_id for run in runs for trial in run.trials}
    results = {name: one for name, one in history.results.items() if name in wanted}
    counted = len(left_out) + sum(len(rows) for rows in clean.values())
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
        other_rows=len(history.rows) - counted,
    )


def _sorted_out(
    plan: PlanRecord, rows: Sequence[RunRecord], started_again: Mapping[str, float]
) -> tuple[dict[Cell, tuple[RunRecord, ...]], list[LeftOut]]:
    """Return the rows of what the plan computes: those to compare by cell, and the others."""
    kept: dict[str, tuple[Cell, RunRecord]] = {}
    left_out = []
    order: dict[tuple[str, ...], int] = {}
    for row in rows:
        found = plan.subject.find(row.engine, row.work)
        if found is None:
            continue
        cell = Cell(row.engine, row.nodes, found.names)
        order[cell.variation] = plan.subject.of(row.engine).index(found)
        reason = exclusion(row, len(found.work.combinations), started_again.get(row.run_id, 0))
        if reason is None and row.run_id in kept:
            reason = "the same run was measured before"
        if reason is None:
            kept[row.run_id] = cell, row
        else:
            left_out.append(LeftOut(cell, row, reason))
    cells = sorted(
        {cell for cell, _ in kept.values()},
        key=lambda one: (one.engine, order[one.variation], one.nodes),
    )
    return {
        cell: tuple(
            sorted((row for one, row in kept.values() if one == cell), key=lambda r: r.repeat)
        )
        for cell in cells
    }, left_out
