"""`fab sweep.*`: measure a workload over engines and node counts, resumably."""

import contextlib
import dataclasses
import datetime
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context

from contracts import inventory as inventories
from contracts.errors import PartialError, RefusedError, TandemError, UsageError
from contracts.files import single_writer, state_folder
from contracts.inventory import Inventory
from contracts.progress import Event
from infra import node_image
from provision import first_contact
from provision.plan import chosen
from tasks import sweep_answer, typed
from tasks.care import kept_words
from tasks.progress import Progress
from tasks.sweep_machines import Machines
from tasks.sweep_settings import settings
from tasks.verb import Answer, listed, verb, whole_number
from workloads import registry
from workloads.runs import ENGINES
from workloads.sweeps import results as result_folders
from workloads.sweeps.history import History, read_history
from workloads.sweeps.journal import Journal, JournalWriteError
from workloads.sweeps.measurement import Limits, Measurement
from workloads.sweeps.plan import Subject
from workloads.sweeps.records import PlanRecord
from workloads.sweeps.request import (
    SweepRequest,
    check_machines,
    check_size,
    engines_of,
    subject_of,
)

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
GRID = "a TOML file with the workload's parameters"


@dataclass(frozen=True)
class _Sweep:
    """One call of `sweep.run`: what is wanted, where it is kept, and on which machines."""

    name: str
    folder: Path
    request: SweepRequest
    plan: PlanRecord
    inventory: Inventory
    limits: Limits
    profile: bool = False

    @property
    def journal(self) -> Journal:
        return Journal(self.folder / result_folders.JOURNAL)


@verb(
    help={
        "workload": f"what to compute: {', '.join(registry.names())}",
        "engines": f"engines to compare, separated by commas: {', '.join(ENGINES)}",
        "nodes": "node counts, separated by commas; by default 1 to all machines",
        "repeats": "how often each engine on each number of nodes is measured",
        "preset": "a named set of the workload's parameters, such as tiny; `fab sweep.settings "
        "--workload NAME` shows all of them",
        "grid": GRID,
        "set": 'one parameter as key=value, such as --set folds=3 or --set "grid.C=[0.1,1]"; '
        "`fab sweep.settings --workload NAME` shows every one with its meaning and default; "
        "can be given several times",
        "vary": "measure each value of a parameter, as NAME=V1,V2 (such as "
        "--vary rows=1000,10000); can be given several times, which multiplies",
        "sizes": "measure with this much data, separated by commas: rows of forest, knn, svc, "
        "xgboost and resnet, points of kmeans, pca and classification, repeats of flights",
        "name": "the sweep's name and folder; by default the workload's",
        "baseline": "measure the same work in one plain process, without an engine, too",
        "fresh": "start anew; earlier results of that name are kept under another",
        "dry-run": "print the plan and what of it is done, and touch nothing",
        "inventory": "a file with your own machines, in place of the state folder's",
        "results": "the folder of all sweeps",
        "deadline": "seconds after which one run is given up",
        "profile": "keep each run's profile and task graph with the results: the performance "
        "report of Dask, the timeline of Ray",
        "unit-deadline": "seconds after which one try of a unit is given up",
    }
)
def run(
    context: Context,
    workload: str = "forest",
    engines: str = "ray,dask",
    nodes: str = "",
    repeats: str = "3",
    preset: str = "",
    grid: str = "",
    set: list[str] = [],  # noqa: B006  invoke takes an option's kind from its default
    vary: list[str] = [],  # noqa: B006
    sizes: str = "",
    name: str = "",
    baseline: bool = True,
    fresh: bool = False,
    dry_run: bool = False,
    inventory: str = "",
    results: str = "results",
    deadline: str = "3600",
    unit_deadline: str = "600",
    profile: bool = False,
) -> Answer:
    """Measure a workload on every engine and number of nodes; again: go on where it stopped."""
    wanted = engines_of(listed(engines), baseline=baseline)
    count = whole_number(repeats, "--repeats")
    limits = Limits(
        whole_number(deadline, "--deadline"),
        whole_number(unit_deadline, "--unit-deadline"),
    )
    counts = _numbers(nodes, "--nodes", "1,2,3")
    amounts = _numbers(sizes, "--sizes", "1000,10000")
    name = name or workload
    folder = result_folders.sweep_folder(Path(results), name)
    path = Path(inventory) if inventory else state_folder() / "inventory.json"
    machines = inventories.load(path)
    if counts:
        chosen(machines, max(counts))
    # Last, because it may load scikit-learn, for which nobody waits who mistyped a name.
    subject = subject_of(
        workload,
        preset=preset,
        grid=Path(grid) if grid else None,
        settings=list(set),
        vary=list(vary),
        sizes=amounts,
    )
    if not dry_run:
        machines = first_contact.meet(machines, path, Progress())
    counts = counts or tuple(range(1, len(machines.nodes) + 1))
    request = SweepRequest(subject, wanted, counts, count)
    check_size(request)
    plan = request.record(_machine_facts(machines), _facts(machines, subject))
    sweep = _Sweep(name, folder, request, plan, machines, limits, profile)
    if dry_run:
        history = History() if fresh else read_history(sweep.journal.read().records)
        return sweep_answer.preview(name, request, sweep.journal, history)
    return _run(sweep, fresh)


def _numbers(text: str, option: str, example: str) -> tuple[int, ...]:
    """Return the numbers that were typed for an option, each once; none if none was typed."""
    numbers = tuple(dict.fromkeys(whole_number(part, option) for part in listed(text)))
    if text and not numbers:
        raise UsageError(f"{option} {text!r} names no number.", next_step=f"{option} {example}")
    return numbers


def _machine_facts(machines: Inventory) -> list[Mapping[str, Any]]:
    return [
        {
            "name": node.name,
            "cpus": node.cpus,
            "memory_bytes": node.memory_bytes,
            "hourly_price": node.hourly_price,
            "currency": node.currency,
        }
        for node in machines.nodes
    ]


def _facts(machines: Inventory, subject: Subject) -> Mapping[str, Any]:
    """Return what a reader of the report may ask for and that does not change by itself."""
    workload = subject.work.workload
    works = [one.work for one in subject.variations] or [subject.work]
    tolerances = [registry.tolerance(workload, one.parameters) for one in works]
    known = registry.find(workload)
    facts: dict[str, Any] = {
        "quality": known.QUALITY,
        "ranked": registry.ranked(workload),
        "tolerance": None if None in tolerances else known.TOLERANCE,
        "size": known.SIZE,
        "cluster": machines.cluster_id,
        "provider": machines.provider,
        "region": machines.region,
        "lock": node_image.lock_fingerprint(_lock(workload)),
        "operator": f"{platform.system()} {platform.machine()}",
        "operator_cores": os.cpu_count() or 0,
        "operator_python": platform.python_version(),
    }
    if machines.provider == "local":
        facts["node_image"] = node_image.wanted_tag(LOCK)
    return facts


def _lock(workload: str) -> Path:
    """Return the locked packages that the nodes need for a workload."""
    return registry.lock(workload) or LOCK


def _run(sweep: _Sweep, fresh: bool) -> Answer:
    tell = Progress(least_seconds=1.0)
    with _one_at_a_time(sweep):
        if fresh and sweep.folder.exists():
            kept = result_folders.set_aside(sweep.folder, datetime.datetime.now(datetime.UTC))
            tell(Event("sweep", "earlier results", "done", 0.0, f"kept in {kept}"))
        journal = sweep.journal
        reading = journal.repair()
        if reading.damaged:
            words = f"{len(reading.damaged)} damaged pieces moved to {journal.quarantine}"
            tell(Event("sweep", "journal", "done", 0.0, words))
        history = read_history(reading.records)
        check_machines(history, sweep.plan, sweep.name)
        try:
            _measure(sweep, journal, history, tell)
        except KeyboardInterrupt as stopped:
            words = f"Interrupted. What is done is kept.\nNext: {_command()}"
            raise KeyboardInterrupt(words) from stopped
        saved = kept_words(sweep.inventory, sweep.folder)
    answer = sweep_answer.outcome(
        sweep.name, sweep.request, sweep.journal, history, again=_command()
    )
    return dataclasses.replace(answer, text=answer.text + saved)


def _measure(sweep: _Sweep, journal: Journal, history: History, tell: Progress) -> None:
    runs = sweep.request.runs
    if not history.todo(runs) and not history.open_attempts():
        if sweep.profile:
            words = f"every run is measured; --repeats {sweep.request.repeats + 1} adds some"
            tell(Event("sweep", "profile", "skipped", 0.0, words))
        return
    ours = {one.folder for attempts in history.attempts.values() for one in attempts}
    lock = _lock(sweep.plan.work.workload)
    database = registry.reads_database(sweep.plan.work.workload)
    machines = Machines(sweep.inventory, state_folder(), lock, tell, ours, database=database)
    measurement = Measurement(
        journal, history, machines, limits=sweep.limits, tell=tell, profile=sweep.profile
    )
    try:
        if not history.plans or history.plans[-1] != sweep.plan:
            measurement.record(sweep.plan)
        measurement.take_up(runs)
        measurement.measure(runs)
    except (RefusedError, UsageError, JournalWriteError):
        raise
    except TandemError as error:
        if not history.attempts:
            raise
        done = len(runs) - len(history.todo(runs))
        raise PartialError(
            f"The sweep {sweep.name!r} stopped: {done} of {len(runs)} runs are complete and "
            "kept.",
            cause="\n".join(filter(None, (error.problem, error.cause))),
            next_step=f"{error.next_step or 'mend that'}; then the same command goes on: "
            f"{_command()}",
        ) from error
    finally:
        machines.close()


@contextlib.contextmanager
def _one_at_a_time(sweep: _Sweep) -> Iterator[None]:
    """Hold the locks of the machines and of the journal."""
    state = state_folder()
    beside = sweep.folder.with_name(f".{sweep.name}.lock")
    with (
        single_writer(state / "sweep.lock", purpose="A sweep on these machines"),
        single_writer(beside, purpose=f"The sweep {sweep.name!r}"),
    ):
        yield


def _command() -> str:
    """Return the command that goes on with what this process was started for."""
    return typed.again(sys.argv[1:], run, without="fresh")


collection = Collection("sweep", run, settings)
