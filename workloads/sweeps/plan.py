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
class Variation:
    """The work as it is with one choice of the parameters that a sweep varies.

    `settings` holds the varied parameters by name, with a dot where one is inside a table;
    empty where nothing is varied.
    """

    settings: Mapping[str, Any]
    work: Work

    @property
    def names(self) -> tuple[str, ...]:
        """Each setting as a text, in the order of their names, as a journal has them.

        >>> Variation({"reuse": True, "dataset": "iris"}, work=None).names
        ('dataset=iris', 'reuse=true')
        """
        return tuple(f"{name}={_text(self.settings[name])}" for name in sorted(self.settings))


@dataclass(frozen=True)
class Subject:
    """All that a sweep computes.

    `work` is what was asked for, or the first variation of it. `variations` are empty where
    nothing is varied. `baselines` are what `plain` computes in their place: fewer, where
    variations differ in nothing that matters to it, and empty where it is just the same. The
    settings of a baseline are those that all its variations have in common.
    """

    work: Work
    variations: tuple[Variation, ...] = ()
    baselines: tuple[Variation, ...] = ()

    def of(self, engine: str) -> tuple[Variation, ...]:
        """Return what an engine has to compute, at least one."""
        own = self.baselines if engine == PLAIN else ()
        return own or self.variations or (Variation({}, self.work),)

    def find(self, engine: str, fingerprint: str) -> Variation | None:
        """Return the variation of that fingerprint among those of an engine."""
        known = {one.work.fingerprint: one for one in self.of(engine)}
        return known.get(fingerprint)


@dataclass(frozen=True)
class Cell:
    """An engine on a number of nodes with one variation of the work: a point of the sweep.

    It is measured `repeats` times. `variation` has the variation's names.
    """

    engine: str
    nodes: int
    variation: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedRun:
    """One repeat of the whole work on one cell.

    A run is timed as a whole, so its trials belong to it: they are done again in every run,
    and an enlarged grid is other work.
    """

    run_id: str
    work: Work
    cell: Cell
    repeat: int
    trials: tuple[PlannedTrial, ...]


def plan(
    subject: Subject,
    *,
    engines: Sequence[str],
    node_counts: Sequence[int],
    repeats: int,
) -> tuple[PlannedRun, ...]:
    """Return every run of a sweep in the order in which to measure.

    Drift of the machine should hit all cells alike, so each repeat visits every cell before
    the next repeat begins; engines take turns in going first, and node counts go up in one
    block and down in the next, so that engines are switched as seldom as can be. `plain`, the
    workload without any engine, runs on one node, where an engine is stopped anyway.
    Variations change nothing on the machines, so they are measured side by side, in their
    order in one repeat and backwards in the next.
    """
    names = [engine for engine in engines if engine != PLAIN]
    runs: list[PlannedRun] = []
    ascending = True
    for repeat in range(1, repeats + 1):
        places: list[tuple[str, int]] = []
        turn = names if repeat % 2 else names[::-1]
        for engine in turn:
            counts = sorted(node_counts, reverse=not ascending)
            places += [(engine, count) for count in counts]
            ascending = not ascending
        if PLAIN in engines:
            places.insert(_gap(len(turn), len(node_counts), repeat), (PLAIN, 1))
        for engine, count in places:
            variations = subject.of(engine)
            for one in variations if repeat % 2 else variations[::-1]:
                runs.append(planned_run(one.work, Cell(engine, count, one.names), repeat))
    return tuple(runs)


def _gap(engines: int, counts: int, repeat: int) -> int:
    """Return where in a repeat no engine has to run, as an index into its places."""
    if engines >= 2:
        return counts
    return 0 if repeat % 2 else engines * counts


def planned_run(work: Work, cell: Cell, repeat: int) -> PlannedRun:
    """Return one run with its identity and those of its trials."""
    trials = tuple(
        PlannedTrial(_trial_id(work, cell, repeat, combination), combination)
        for combination in work.combinations
    )
    return PlannedRun(run_id(work, cell, repeat), work, cell, repeat, trials)


def run_id(work: Work, cell: Cell, repeat: int) -> str:
    """Return the identity of a run: 20 hexadecimal digits, equal for equal work and place.

    What else a sweep varies is no part of it, so that a run of the same work is found again
    when a parameter is varied later.
    """
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


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)


def _digest(document: Any) -> str:
    return hashlib.sha256(canonical(document).encode()).hexdigest()[:20]
