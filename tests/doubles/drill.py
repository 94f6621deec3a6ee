"""A workload of programs for tests: each does, well or badly, what its trial says."""

import dataclasses
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.doubles.run_specs import run_spec
from workloads.engines import Unit
from workloads.programs import Connected, ProgramWork
from workloads.runs import PlannedTrial, RunSpec

HERE = __name__


def perform(
    connected: Connected, *, number: int, kind: str = "score", seconds: float = 0.0
) -> Any:
    """Do one program, well or badly; each attempt is noted in the node's home."""
    notes = Path(connected.home) / f"attempts-{number}"
    with open(notes, "a") as stream:
        stream.write(f"{os.getpid()}\n")
    first = len(notes.read_text().splitlines()) == 1
    if kind == "hang" or (kind == "hang once" and first):
        time.sleep(86_400)
    if kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "raise":
        raise ValueError("as it was told to")
    if kind == "burn":
        until = time.process_time() + seconds
        while time.process_time() < until:
            pass
    if kind == "steps":
        for step in range(10):
            connected.tell(step + 1, 10, "iterations")
            time.sleep(seconds / 10)
    if kind == "threads":
        return [{"scores": [float(os.environ["OMP_NUM_THREADS"])]}]
    if kind == "reason":
        return [{"reason": "it found nothing"}]
    if kind in ("short", "odd", "nan"):
        values = {"short": [], "odd": [{"score": 1}], "nan": [{"scores": [float("nan")]}]}
        return values[kind]
    return [{"scores": [number / 7], "extra": {"slots": connected.slots}}]


def spend_on_dask(connected: Connected, *, number: int, seconds: float) -> Any:
    """Have every worker of Dask compute for some CPU seconds."""
    found = connected.client.run(_spend, seconds)
    return [{"scores": [float(len(found))]}]


def spend_on_ray(connected: Connected, *, number: int, seconds: float) -> Any:
    """Have a worker of Ray for each slot compute for some CPU seconds."""
    from workloads.programs import on_every_ray_node

    found = on_every_ray_node(connected.client, _spend, seconds)
    return [{"scores": [float(len(found))]}]


def tree_on_dask(connected: Connected, *, number: int) -> Any:
    """Add numbers up two by two, as a graph of Dask's own."""
    import dask

    found = [dask.delayed(_part)(one, dask_key_name=f"part-{one}") for one in range(16)]
    while len(found) > 1:
        found = [
            dask.delayed(_sum)(*pair) for pair in zip(found[::2], found[1::2], strict=True)
        ]
    return [{"scores": [float(found[0].compute())]}]


def tree_on_ray(connected: Connected, *, number: int) -> Any:
    """Add numbers up two by two, by references to results that nobody fetches."""
    ray = connected.client
    part = ray.remote(_part).options(name="part")
    add = ray.remote(_sum).options(name="sum")
    found = [part.remote(one) for one in range(16)]
    while len(found) > 1:
        found = [add.remote(*pair) for pair in zip(found[::2], found[1::2], strict=True)]
    return [{"scores": [float(ray.get(found[0]))]}]


def _part(value: int) -> int:
    return value


def _sum(one: int, other: int) -> int:
    return one + other


def _spend(seconds: float) -> int:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return os.getpid()


def ready(connected: Connected) -> bool:
    """Do what a warm-up would do."""
    return True


def prepare_node(home: str) -> dict[str, Any]:
    """Do what a workload with data would do here, and report facts that are equal."""
    Path(home).mkdir(parents=True, exist_ok=True)
    return {"version": "drill-1"}


def preparation(spec: RunSpec) -> Unit:
    return Unit("data", f"{HERE}:prepare_node", {"home": spec.home})


def warm_up(spec: RunSpec) -> Unit:
    return Unit("warm-up", f"{HERE}:ready", program=True)


def open_work(spec: RunSpec) -> ProgramWork:
    def unit(trial: PlannedTrial) -> Unit:
        given = dict(trial.parameters)
        name = given.pop("function", "perform")
        return Unit(trial.trial_id, f"{HERE}:{name}", given, program=True)

    return ProgramWork(spec, [(unit(one), [one]) for one in spec.trials])


def drill_spec(home: Path, trials: Sequence[Mapping[str, Any]], **changes: Any) -> RunSpec:
    """Return a run of programs; by default plain, on one slot."""
    planned = tuple(
        PlannedTrial(f"{number:020x}", {"number": number, **trial})
        for number, trial in enumerate(trials)
    )
    base = run_spec(home, {"dataset": "iris", "folds": 2, "grid": {"n_estimators": [1]}})
    own = {"workload": "drill", "parameters": {"data_version": "drill-1"}, "trials": planned}
    return dataclasses.replace(base, **{**own, **changes})
