"""What a user asks of a sweep, checked as a whole before anything is touched."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import RefusedError, UsageError
from workloads import registry
from workloads.grid import read_grid, with_settings
from workloads.history import History
from workloads.records import PlanRecord
from workloads.runs import ENGINES
from workloads.sweep import PLAIN, PlannedRun, Work, plan, sources_fingerprint

MOST_RUNS = 10_000


@dataclass(frozen=True)
class SweepRequest:
    """A sweep as it was asked for: what to compute, and on which cells."""

    work: Work
    engines: tuple[str, ...]
    node_counts: tuple[int, ...]
    repeats: int

    @functools.cached_property
    def runs(self) -> tuple[PlannedRun, ...]:
        """Every run, in the order in which to measure."""
        return plan(
            self.work,
            engines=self.engines,
            node_counts=self.node_counts,
            repeats=self.repeats,
        )

    def fits(self) -> int:
        """Estimate how many models are fitted in all: a fold of a combination is one."""
        folds = self.work.parameters.get("folds", 1)
        each = folds if isinstance(folds, int) else 1
        return len(self.runs) * len(self.work.combinations) * each

    def record(
        self, machines: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]
    ) -> PlanRecord:
        """Return the plan as the journal keeps it."""
        return PlanRecord(
            self.work, self.engines, self.node_counts, self.repeats, tuple(machines), facts
        )


def work_of(name: str, *, preset: str, grid: Path | None, settings: Sequence[str]) -> Work:
    """Return what a workload is to compute, from its defaults, a preset, a file and settings.

    Raises
    ------
    UsageError
        If there is no such workload or file.
    InvalidDocument
        With everything that is wrong with the parameters.
    """
    workload = registry.find(name)
    given = read_grid(grid) if grid is not None else {}
    if preset:
        given = {**given, "preset": preset}
    parameters = workload.validate(with_settings(given, settings))
    return Work(
        workload=name,
        parameters=parameters,
        combinations=tuple(workload.combinations(parameters)),
        seed=int(parameters.get("seed", 0)),
        data_version=workload.data_version(parameters),
        sources=sources_fingerprint(workload.sources(), workload.libraries()),
    )


def engines_of(names: Sequence[str], *, baseline: bool) -> tuple[str, ...]:
    """Return the engines to measure, each once, with the plain baseline if it is wanted.

    Raises
    ------
    UsageError
        If one is unknown or none is named.
    """
    for name in names:
        if name not in ENGINES:
            raise UsageError(
                f"There is no engine {name!r:.80}; there are: {', '.join(ENGINES)}.",
                next_step="--engines ray,dask",
            )
    if not names:
        raise UsageError("--engines names no engine.", next_step="--engines ray,dask")
    wanted = [*names, PLAIN] if baseline else list(names)
    return tuple(dict.fromkeys(wanted))


def check_size(request: SweepRequest) -> None:
    """Refuse a sweep that nobody can have meant.

    Raises
    ------
    UsageError
        If it has more runs than `MOST_RUNS`.
    """
    per_repeat = len(request.engines) * len(request.node_counts)
    if per_repeat * request.repeats > MOST_RUNS:
        raise UsageError(
            f"--repeats {request.repeats} over {per_repeat} cells makes more than {MOST_RUNS} "
            "runs.",
            next_step="--repeats 3",
        )


def check_machines(history: History, wanted: PlanRecord, name: str) -> None:
    """Refuse to mix times of one machine with times of another in one sweep.

    Raises
    ------
    RefusedError
        If a measured machine had another size than the one in its place now.
    """
    measured = max((row.nodes for row in history.rows), default=0)
    before = next(
        (
            one
            for one in reversed(history.plans)
            if one.work.fingerprint == wanted.work.fingerprint
        ),
        None,
    )
    if before is None:
        return
    pairs = zip(before.machines[:measured], wanted.machines, strict=False)
    for old, new in pairs:
        if _size(old) != _size(new):
            raise RefusedError(
                f"The sweep {name!r} was measured on machines of {_size(old)}, and "
                f"{new.get('name')} has {_size(new)} now.",
                cause="Times of different machines do not belong into one figure.",
                next_step=f"the same command with --name {name}-2, or with --fresh",
            )


def _size(machine: Mapping[str, Any]) -> str:
    memory = float(machine.get("memory_bytes") or 0) / (1 << 30)
    return f"{float(machine.get('cpus') or 0):g} CPU and {memory:.3g} GiB"
