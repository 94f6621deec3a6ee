"""Specifications of runs for tests, from a workload's parameters."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workloads import registry, runs
from workloads.runs import PlannedTrial, RunSpec
from workloads.sweeps.plan import Cell, Work, planned_run


def run_spec(home: Path | str, parameters: Mapping[str, Any], **changes: Any) -> RunSpec:
    """Return a run of `forest` with these parameters; by default plain, on one slot."""
    return workload_spec("forest", home, parameters, **changes)


def workload_spec(
    name: str, home: Path | str, parameters: Mapping[str, Any], **changes: Any
) -> RunSpec:
    """Return a run of a workload with these parameters; by default plain, on one slot."""
    workload = registry.find(name)
    complete = workload.validate(parameters)
    combinations = tuple(workload.combinations(complete))
    work = Work(name, complete, combinations, complete["seed"], "data", "sources")
    planned = planned_run(work, Cell(changes.get("engine", "plain"), 1), 1)
    spec = RunSpec(
        run_id=planned.run_id,
        workload=name,
        engine="plain",
        address="",
        nodes=("head",),
        addresses={"head": "127.0.0.1"},
        slots={"head": 1},
        credentials={},
        home=str(home),
        repeat=1,
        seed=complete["seed"],
        parameters=complete,
        trials=planned.trials,
        run_deadline_seconds=300,
        unit_deadline_seconds=120,
    )
    return dataclasses.replace(spec, **changes)


def chaos_spec(home: Path, trials: Sequence[Mapping[str, Any]], **changes: Any) -> RunSpec:
    """Return a plain run of trials that sleep, hang, die or raise, as they are told."""
    planned = tuple(
        PlannedTrial(f"{number:020x}", {"number": number, "seconds": 0.0, **trial})
        for number, trial in enumerate(trials)
    )
    base = run_spec(home, {"dataset": "iris", "folds": 2, "grid": {"n_estimators": [1]}})
    return dataclasses.replace(base, workload="chaos", parameters={}, trials=planned, **changes)


def write_run(folder: Path, spec: RunSpec) -> Path:
    """Write a run's specification into its folder and return the path."""
    folder.mkdir(parents=True, exist_ok=True)
    runs.dump(spec, folder / "spec.json")
    return folder / "spec.json"
