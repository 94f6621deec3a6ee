"""What a user asks of a sweep, checked as a whole before anything is touched."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import InvalidDocument, RefusedError, UsageError
from contracts.trial import canonical
from workloads import registry
from workloads.registry import Workload
from workloads.runs import ENGINES
from workloads.sweeps.grid import read_grid, with_settings
from workloads.sweeps.history import History
from workloads.sweeps.plan import (
    PLAIN,
    PlannedRun,
    Subject,
    Variation,
    Work,
    plan,
    sources_fingerprint,
)
from workloads.sweeps.records import PlanRecord
from workloads.sweeps.variations import EXAMPLE, in_common, varied

MOST_RUNS = 10_000


@dataclass(frozen=True)
class SweepRequest:
    """A sweep as it was asked for: what to compute, and on which cells."""

    subject: Subject
    engines: tuple[str, ...]
    node_counts: tuple[int, ...]
    repeats: int

    @functools.cached_property
    def runs(self) -> tuple[PlannedRun, ...]:
        """Every run, in the order in which to measure."""
        return plan(
            self.subject,
            engines=self.engines,
            node_counts=self.node_counts,
            repeats=self.repeats,
        )

    def fits(self) -> int:
        """Estimate how many models are fitted in all: a fold of a combination is one."""
        return sum(_folds(run.work) * len(run.trials) for run in self.runs)

    def record(
        self, machines: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]
    ) -> PlanRecord:
        """Return the plan as the journal keeps it."""
        return PlanRecord(
            self.subject.work,
            self.engines,
            self.node_counts,
            self.repeats,
            tuple(machines),
            facts,
            self.subject.variations,
            self.subject.baselines,
        )


def _folds(work: Work) -> int:
    folds = work.parameters.get("folds", 1)
    return folds if isinstance(folds, int) else 1


def subject_of(
    name: str,
    *,
    preset: str,
    grid: Path | None,
    settings: Sequence[str],
    vary: Sequence[str] = (),
    sizes: Sequence[int] = (),
) -> Subject:
    """Return what a sweep of a workload is to compute.

    Parameters come from the workload's defaults, a preset, a file and settings, and `vary`
    gives some of them several values, as `sizes` gives the workload's own size of the data;
    every variation is checked before any is returned.

    Raises
    ------
    UsageError
        If there is no such workload or file.
    InvalidDocument
        With everything that is wrong with the parameters of any variation.
    """
    workload = registry.find(name)
    given = read_grid(grid) if grid is not None else {}
    if preset:
        given = {**given, "preset": preset}
    if len(sizes) == 1:
        settings = [*settings, f"{workload.SIZE}={sizes[0]}"]
    elif sizes:
        vary = [f"{workload.SIZE}={','.join(str(size) for size in sizes)}", *vary]
    fixed = [setting.partition("=")[0].strip() for setting in settings]
    found = varied(vary, [*fixed, "preset"] if preset else fixed)
    given = with_settings(given, settings)
    try:
        return _subject(workload, given, found)
    except InvalidDocument as error:
        if grid is None:
            raise
        raise InvalidDocument(
            source=f"{error.source}, with {grid},",
            problems=error.problems,
            next_step=f"mend {grid}, or the options beside it, and run the same command again",
        ) from error


def _subject(
    workload: Workload, given: Mapping[str, Any], found: Sequence[Mapping[str, Any]]
) -> Subject:
    if not found:
        work = _work(workload, given)
        baseline = Variation({}, _plain(workload, work))
        same = baseline.work.fingerprint == work.fingerprint
        return Subject(work, (), () if same else (baseline,))
    variations = _variations(workload, given, found)
    return Subject(variations[0].work, variations, _baselines(workload, variations))


def _variations(
    workload: Workload, given: Mapping[str, Any], found: Sequence[Mapping[str, Any]]
) -> tuple[Variation, ...]:
    """Return a variation for each of the settings.

    Raises
    ------
    InvalidDocument
        With the problems of all of them, each once, or if two are the same work.
    """
    variations: list[Variation] = []
    wrong: dict[str, list[str]] = {}
    for settings in found:
        texts = [f"{name}={canonical(value)}" for name, value in settings.items()]
        try:
            work = _work(workload, with_settings(given, texts))
            variations.append(Variation(settings, work))
        except InvalidDocument as error:
            for problem in error.problems:
                wrong.setdefault(problem, []).append(", ".join(texts))
    problems = [
        problem if len(where) == len(found) else f"{problem} (with {'; '.join(where)})"
        for problem, where in wrong.items()
    ]
    problems += _twins(variations)
    if problems:
        raise InvalidDocument(
            source=f"the configuration of {workload.NAME}", problems=problems, next_step=EXAMPLE
        )
    return tuple(variations)


def _twins(variations: Sequence[Variation]) -> Iterator[str]:
    """Yield a complaint for each variation that computes what an earlier one does."""
    known: dict[str, Variation] = {}
    for one in variations:
        twin = known.setdefault(one.work.fingerprint, one)
        if twin is not one:
            yield f"{', '.join(one.names)}: is the same work as {', '.join(twin.names)}"


def _baselines(workload: Workload, variations: Sequence[Variation]) -> tuple[Variation, ...]:
    """Return what `plain` computes in place of the variations, each once."""
    groups: dict[str, list[Variation]] = {}
    works: dict[str, Work] = {}
    for one in variations:
        work = _plain(workload, one.work)
        works[work.fingerprint] = work
        groups.setdefault(work.fingerprint, []).append(one)
    return tuple(
        Variation(in_common([one.settings for one in group]), works[fingerprint])
        for fingerprint, group in groups.items()
    )


def _work(workload: Workload, parameters: Mapping[str, Any]) -> Work:
    """Return the work of parameters that are not checked yet; raises InvalidDocument."""
    complete = workload.validate(parameters)
    return Work(
        workload=workload.NAME,
        parameters=complete,
        combinations=tuple(workload.combinations(complete)),
        seed=int(complete.get("seed", 0)),
        data_version=workload.data_version(complete),
        sources=sources_fingerprint(workload.sources(), workload.libraries()),
    )


def _plain(workload: Workload, work: Work) -> Work:
    parameters = workload.plain_parameters(work.parameters)
    return work if parameters == work.parameters else _work(workload, parameters)


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
    cells = len(request.engines) * len(request.node_counts)
    per_repeat = cells * max(1, len(request.subject.variations))
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
        (one for one in reversed(history.plans) if one.fingerprints() & wanted.fingerprints()),
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
