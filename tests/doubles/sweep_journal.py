"""Journals of sweeps that never ran, for tests of what is made of a journal."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.trial import TrialResult
from workloads.sweeps.history import History, read_history
from workloads.sweeps.journal import line_of, read_lines
from workloads.sweeps.plan import PlannedRun, Subject, Variation, Work, plan
from workloads.sweeps.records import (
    AttemptRecord,
    JournalEntry,
    PlanRecord,
    RunRecord,
    TrialRecord,
    as_record,
)

GIB = 1 << 30
WORK = Work(
    workload="forest",
    parameters={
        "dataset": "digits",
        "folds": 3,
        "grid": {"n_estimators": [10, 20, 40], "max_depth": [None, 8]},
    },
    combinations=tuple(
        {"max_depth": depth, "n_estimators": trees}
        for depth in (None, 8)
        for trees in (10, 20, 40)
    ),
    seed=0,
    data_version="digits-1797x64-1f0c9a27",
    sources="0123456789abcdef",
)
SLOWNESS = {"ray": (1.06, 0.03), "dask": (1.02, 0.015), "plain": (1.0, 0.0)}


REUSE = {"reuse": [True, False]}
ROWS = {"rows": [10000, 100000]}


def varied(axes: Mapping[str, Sequence[Any]], work: Work = WORK) -> dict[str, Any]:
    """The options of `entries` for a sweep that varies these parameters.

    As in the forest, `reuse` is nothing that plain knows: it never does.
    """
    variations, baselines = [], {}
    for values in itertools.product(*axes.values()):
        settings = dict(zip(axes, values, strict=True))
        variations.append(Variation(settings, _changed(work, settings)))
        plain = {name: value for name, value in settings.items() if name != "reuse"}
        never = {"reuse": False} if "reuse" in settings else {}
        baseline = Variation(plain, _changed(work, {**settings, **never}))
        baselines[baseline.work.fingerprint] = baseline
    return {
        "work": variations[0].work,
        "variations": tuple(variations),
        "baselines": tuple(baselines.values()),
    }


def _changed(work: Work, settings: Mapping[str, Any]) -> Work:
    version = f"data-{settings['rows']}" if "rows" in settings else work.data_version
    parameters = {**work.parameters, **settings}
    return dataclasses.replace(work, parameters=parameters, data_version=version)


def seconds(run: PlannedRun) -> float:
    """The time of a run by Amdahl's law, with a little scatter that is the same each time.

    It grows with the rows, if they are known. Trees that are shared save nine tenths of it,
    and leave less to be done by several nodes.
    """
    factor, serial = SLOWNESS[run.cell.engine]
    nodes, parameters = run.cell.nodes, run.work.parameters
    scatter = 1 + 0.012 * ((run.repeat * 7 + nodes * 3 + len(run.cell.engine)) % 5 - 2)
    reuse = bool(parameters.get("reuse"))
    serial += 0.03 * reuse
    size = parameters.get("rows", 10000) / 10000 / (10 if reuse else 1)
    return 118.0 * factor * (serial + (1 - serial) / nodes) * scatter * float(size)


def score(parameters: Mapping[str, object], work: Work = WORK) -> tuple[float, ...]:
    base = 0.90 + 0.0009 * int(str(parameters["n_estimators"]))
    base += 0.004 if work.parameters.get("rows") == 100000 else 0.0
    base -= 0.02 if parameters["max_depth"] else 0.0
    return (round(base, 4), round(base + 0.011, 4), round(base - 0.007, 4))


def machines(count: int, price: float | None = None) -> tuple[Mapping[str, object], ...]:
    names = ["head", *(f"worker-{index}" for index in range(1, count))]
    cost = {} if price is None else {"hourly_price": price, "currency": "USD"}
    return tuple({"name": name, "cpus": 0.3, "memory_bytes": 2 * GIB, **cost} for name in names)


def entries(
    *,
    work: Work = WORK,
    engines: Sequence[str] = ("ray", "dask", "plain"),
    node_counts: Sequence[int] = (1, 2, 3),
    repeats: int = 3,
    price: float | None = 0.05,
    time: Callable[[PlannedRun], float] = seconds,
    change: Callable[[RunRecord], RunRecord | None] = lambda row: row,
    variations: Sequence[Variation] = (),
    baselines: Sequence[Variation] = (),
    facts: Mapping[str, Any] | None = None,
    extra: Callable[[PlannedRun, int], Mapping[str, float]] = lambda run, index: {},
) -> list[JournalEntry]:
    """Everything that a sweep without trouble records.

    `change` may alter a row; where it returns None the sweep ends before that run. `extra` is
    what a trial tells beside its scores.
    """
    boxes = machines(max(node_counts), price)
    facts = {"tandem": "0.1.0", "provider": "local", "operator_cores": 2, **(facts or {})}
    found: list[JournalEntry] = [
        PlanRecord(
            work, tuple(engines), tuple(node_counts), repeats, boxes, facts,
            tuple(variations), tuple(baselines),
        )
    ]  # fmt: skip
    subject = Subject(work, tuple(variations), tuple(baselines))
    for run in plan(subject, engines=engines, node_counts=node_counts, repeats=repeats):
        attempt = _attempt(run, tuple(str(box["name"]) for box in boxes[: run.cell.nodes]))
        row = change(_row(attempt, run.work, time(run)))
        if row is None:
            break
        found.append(attempt)
        for index in range(row.ok):
            result = dataclasses.replace(_result(run, index), extra=extra(run, index))
            found.append(TrialRecord(run.run_id, result))
        found.append(row)
    return found


def write(folder: Path, what: Sequence[JournalEntry]) -> Path:
    """Write a journal into a results folder and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journal.jsonl").write_bytes(_lines(what))
    return folder


def history(what: Sequence[JournalEntry]) -> History:
    """What a journal of these entries adds up to, once it was written and read."""
    return read_history(read_lines(_lines(what), source="a test").records)


def _lines(what: Sequence[JournalEntry]) -> bytes:
    return "".join(f"{line_of(as_record(entry))}\n" for entry in what).encode()


def _attempt(run: PlannedRun, names: tuple[str, ...]) -> AttemptRecord:
    steps = {"reach": 0.4, "checks": 0.6, "environment": 0.5, "credentials": 0.2}
    last = {"ray": 5.1, "dask": 1.6, "plain": 0.0}[run.cell.engine]
    phases = {
        name: [*steps.items(), ("engine", last + 0.3 * index), ("probe", 0.7)]
        for index, name in enumerate(names)
    }
    bringup = {"seconds": last + 3.1, "changed": ["engine started"], "phases": phases}
    return AttemptRecord(
        run_id=run.run_id, attempt=1, folder=run.run_id,
        engine=run.cell.engine, nodes=run.cell.nodes, repeat=run.repeat,
        trials=tuple(trial.trial_id for trial in run.trials), load_before=0.4,
        bringup=bringup, machines=names, begun_at="2026-11-21T10:00:00.000+00:00",
    )  # fmt: skip


def _row(attempt: AttemptRecord, work: Work, took: float) -> RunRecord:
    before = {"connect": 1.1, "data": 0.8, "warmup": 0.9}
    moments = [round(step * (took + 4) / 100, 2) for step in range(100)]
    timeline = {
        name: {
            "seconds": moments,
            "cpu": [
                0.03 if at < 2.8 or at > took + 2.5 else 0.9 + 0.04 * ((step + index) % 3)
                for step, at in enumerate(moments)
            ],
            "memory": [
                (0.21 + 0.1 * (index == 0) + min(at, 20) * 0.01) * GIB for at in moments
            ],
            "sent": [round(at * 1000 * (1 + index)) for at in moments],
            "received": [round(at * 2000) for at in moments],
        }
        for index, name in enumerate(attempt.machines)
    }  # fmt: skip
    return RunRecord(
        run_id=attempt.run_id, attempt=1, work=work.fingerprint, engine=attempt.engine,
        nodes=attempt.nodes, repeat=attempt.repeat, status="finished",
        trials=len(work.combinations), ok=len(work.combinations), wall_seconds=took,
        phases={**before, "work": took}, bringup=attempt.bringup, machines=attempt.machines,
        units=18, cpu_seconds=took * 0.3 * attempt.nodes, load_before=0.4, load_after=1.6,
        versions={"python": "3.11.7", "scikit-learn": "1.9.1",
                  **({} if attempt.engine == "plain" else {attempt.engine: "2.60.0"})},
        summary=_summary(work),
        timeline=timeline, begun_at=attempt.begun_at, ended_at="2026-11-21T10:02:00.000+00:00",
    )  # fmt: skip


def _summary(work: Work) -> dict[str, Any]:
    found = {"data": work.data_version, "trials_ok": len(work.combinations)}
    if not work.parameters.get("reuse"):
        return found
    shared = {"trials_sharing_trees": 6, "trees_asked_for": 420, "trees_grown_at_most": 240}
    return {**found, **shared, "builder": "compiled"}


def _result(run: PlannedRun, index: int) -> TrialResult:
    trial = run.trials[index]
    return TrialResult(
        trial_id=trial.trial_id, status="ok", parameters=trial.parameters,
        scores=score(trial.parameters, run.work), seconds=2.5, nodes=("head",), attempts=1,
    )  # fmt: skip


def disturbed(row: RunRecord, **changes: object) -> RunRecord:
    """The row after something happened to its run."""
    return dataclasses.replace(row, **changes)
