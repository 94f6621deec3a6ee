"""The plan of a sweep: which runs, in which order, and what of them is still to do."""

import functools
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.trial import Trial, canonical, trial_id
from workloads.runs import PlannedTrial

PLAIN = "plain"


@dataclass(frozen=True)
class Work:
    """What every run of a sweep computes, whatever it runs on.

    `combinations` are in the order of the workload, `sources` is the fingerprint of the
    workload's own files and of the libraries it computes with.
    """

    workload: str
    parameters: Mapping[str, Any]
    combinations: tuple[Mapping[str, Any], ...]
    seed: int
    data_version: str
    sources: str

    @functools.cached_property
    def fingerprint(self) -> str:
        """20 hexadecimal digits that are equal exactly for equal work."""
        return _digest(
            {
                "workload": self.workload,
                "parameters": self.parameters,
                "seed": self.seed,
                "data_version": self.data_version,
                "sources": self.sources,
            }
        )


@dataclass(frozen=True)
class Cell:
    """An engine on a number of nodes: one point of the sweep, measured `repeats` times."""

    engine: str
    nodes: int


@dataclass(frozen=True)
class PlannedRun:
    """One repeat of the whole work on one cell.

    A run is timed as a whole, so its trials belong to it: they are done again in every run,
    and an enlarged grid is other work.
    """

    run_id: str
    cell: Cell
    repeat: int
    trials: tuple[PlannedTrial, ...]


def plan(
    work: Work,
    *,
    engines: Sequence[str],
    node_counts: Sequence[int],
    repeats: int,
) -> tuple[PlannedRun, ...]:
    """Return every run of a sweep in the order in which to measure.

    Drift of the machine should hit all cells alike, so each repeat visits every cell before
    the next repeat begins; engines take turns in going first, and node counts go up in one
    block and down in the next, so that engines are switched as seldom as can be. `plain`, the
    workload without any engine, is one more cell and runs on one node, where an engine is
    stopped anyway.
    """
    names = [engine for engine in engines if engine != PLAIN]
    runs: list[PlannedRun] = []
    ascending = True
    for repeat in range(1, repeats + 1):
        cells: list[Cell] = []
        turn = names if repeat % 2 else names[::-1]
        for engine in turn:
            counts = sorted(node_counts, reverse=not ascending)
            cells += [Cell(engine, count) for count in counts]
            ascending = not ascending
        if PLAIN in engines:
            cells.insert(_gap(len(turn), len(node_counts), repeat), Cell(PLAIN, 1))
        runs += [planned_run(work, cell, repeat) for cell in cells]
    return tuple(runs)


def _gap(engines: int, counts: int, repeat: int) -> int:
    """Return where in a repeat no engine has to run, as an index into its cells."""
    if engines >= 2:
        return counts
    return 0 if repeat % 2 else engines * counts


def planned_run(work: Work, cell: Cell, repeat: int) -> PlannedRun:
    """Return one run with its identity and those of its trials."""
    trials = tuple(
        PlannedTrial(_trial_id(work, cell, repeat, combination), combination)
        for combination in work.combinations
    )
    return PlannedRun(run_id(work, cell, repeat), cell, repeat, trials)


def run_id(work: Work, cell: Cell, repeat: int) -> str:
    """Return the identity of a run: 20 hexadecimal digits, equal for equal work and place."""
    return _digest(
        {
            "work": work.fingerprint,
            "engine": cell.engine,
            "nodes": cell.nodes,
            "repeat": repeat,
        }
    )


def remaining(run: PlannedRun, done: Collection[str]) -> tuple[PlannedTrial, ...]:
    """Return the trials of a run that have no result yet."""
    return tuple(trial for trial in run.trials if trial.trial_id not in done)


def sources_fingerprint(files: Iterable[Path], libraries: Mapping[str, str]) -> str:
    """Return the identity of what a workload computes with: 16 hexadecimal digits.

    Parameters
    ----------
    files : iterable of Path
        The workload's own files. Name and content count and the place does not, so that a
        checkout and an installed wheel agree.
    libraries : mapping
        Version by name of each library that can change a result.
    """
    contents = {
        "/".join(path.parts[-2:]): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
    return _digest({"files": contents, "libraries": dict(libraries)})[:16]


def _trial_id(work: Work, cell: Cell, repeat: int, combination: Mapping[str, Any]) -> str:
    return trial_id(
        Trial(
            workload=work.workload,
            engine=cell.engine,
            nodes=cell.nodes,
            repeat=repeat,
            parameters={"combination": combination, "work": work.fingerprint},
            seed=work.seed,
            data_version=work.data_version,
            sources=work.sources,
        )
    )


def _digest(document: Any) -> str:
    return hashlib.sha256(canonical(document).encode()).hexdigest()[:20]
