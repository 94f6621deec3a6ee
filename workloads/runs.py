"""What the driver of one run is asked to do: the file `spec.json` in the run's folder."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import InvalidDocument
from contracts.files import write_json
from contracts.schema import Problems, parse_document, read_document
from contracts.trial import TrialResult, parse_result
from workloads import checks

SCHEMA = 1
ENGINES = ("ray", "dask", "plain")

_DIGITS = re.compile(r"[0-9a-f]{20}\Z")


@dataclass(frozen=True)
class PlannedTrial:
    """One trial that the run has to do."""

    trial_id: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class RunSpec:
    """One run: a workload, on one engine, on some nodes, once.

    Parameters
    ----------
    run_id : str
        20 hexadecimal digits, new for each attempt: the name of the run's folder.
    workload, engine : str
        Names that the registry of workloads and `ENGINES` know. `plain` is the workload's
        own library code on the head, without an engine.
    address : str
        What a client of the engine connects to; empty for `plain`.
    nodes : tuple of str
        Inventory names, head first. `addresses` and `slots` have exactly these keys: the
        private IP of each, and how many units it works on at once.
    credentials : mapping
        Paths on the nodes, never values.
    home : str
        Tandem's folder on each node.
    repeat : int
        From 1. Repeats differ in nothing else.
    seed : int
        What every random choice of the workload starts from.
    parameters : mapping
        The workload's own parameters, as its `validate` returned them.
    trials : tuple of PlannedTrial
        Only those still to do, in the order of the workload's combinations.
    run_deadline_seconds, unit_deadline_seconds : float
        After which the run, or one try of one unit, is given up.
    max_attempts : int
        How often a unit is tried before its trials fail.
    continues : tuple of str
        The folders of earlier attempts at the same run, which ended before their time, the
        latest first; what a workload kept there may be taken up.
    profile : bool
        Whether the engine's own profile and the graph of its tasks are kept beside the results.
    finished : tuple of TrialResult
        The run's trials that have scores already, as the operator's journal holds them: for
        workloads whose next trial depends on those before.
    """

    run_id: str
    workload: str
    engine: str
    address: str
    nodes: tuple[str, ...]
    addresses: Mapping[str, str]
    slots: Mapping[str, int]
    credentials: Mapping[str, str]
    home: str
    repeat: int
    seed: int
    parameters: Mapping[str, Any]
    trials: tuple[PlannedTrial, ...]
    run_deadline_seconds: float
    unit_deadline_seconds: float
    max_attempts: int = 3
    continues: tuple[str, ...] = ()
    profile: bool = False
    finished: tuple[TrialResult, ...] = ()


def load(path: Path) -> RunSpec:
    """Read and check the specification of a run.

    Raises
    ------
    UsageError
        If the file is missing or was written by a newer version.
    InvalidDocument
        With every problem of the file at once.
    """
    document = read_document(path, newest_schema=SCHEMA, next_step="fab sweep.run writes it")
    return _build(document, str(path))


def parse(text: str, *, source: str = "run specification") -> RunSpec:
    """Check a specification that is already in memory, as `load` does."""
    return _build(parse_document(text, source=source, newest_schema=SCHEMA), source)


def dump(spec: RunSpec, path: Path) -> None:
    """Check a specification and write it atomically."""
    document = as_document(spec)
    _build(document, str(path))
    write_json(path, document, mode=0o600)


def as_document(spec: RunSpec) -> dict[str, Any]:
    """Return the specification as the JSON object of its schema."""
    document: dict[str, Any] = {"schema": SCHEMA, **dataclasses.asdict(spec)}
    document["nodes"] = list(spec.nodes)
    document["continues"] = list(spec.continues)
    document["finished"] = [
        {**one, "scores": list(one["scores"]), "nodes": list(one["nodes"])}
        for one in (dataclasses.asdict(result) for result in spec.finished)
    ]
    document["trials"] = [dataclasses.asdict(trial) for trial in spec.trials]
    return document


def _build(document: Mapping[str, Any], source: str) -> RunSpec:
    problems = Problems()
    names = [one.name for one in dataclasses.fields(RunSpec)]
    problems.unknown_keys("", document, [*names, "schema"])
    kinds: dict[str, tuple[type | tuple[type, ...], Any]] = {
        "run_id": (str, _id_rule),
        "engine": (str, checks.one_of(ENGINES)),
        "nodes": (list, _names_rule),
        "addresses": (dict, _texts_rule),
        "slots": (dict, _slots_rule),
        "credentials": (dict, _texts_rule),
        "repeat": (int, _from_one_rule),
        "seed": (int, None),
        "parameters": (dict, None),
        "trials": (list, None),
        "run_deadline_seconds": ((int, float), checks.above_zero),
        "unit_deadline_seconds": ((int, float), checks.above_zero),
        "max_attempts": (int, _from_one_rule),
        "continues": (list, _earlier_rule),
        "profile": (bool, None),
        "finished": (list, None),
    }
    values: dict[str, Any] = {}
    for name in names:
        kind, rule = kinds.get(name, (str, None))
        needed = name not in ("continues", "finished", "profile")
        values[name] = problems.value(document, name, kind, rule=rule, required=needed)
    values["continues"] = tuple(values["continues"] or ())
    values["profile"] = bool(values["profile"])
    for table in ("addresses", "slots"):
        if values[table] is not None and values["nodes"] is not None:
            _match_nodes(problems, table, values)
    trials = _trials(problems, values["trials"] or [])
    values["finished"] = _finished(problems, values["finished"] or [])
    problems.raise_if_any(source)
    values["nodes"] = tuple(values["nodes"])
    values["trials"] = trials
    return RunSpec(**values)


def _match_nodes(problems: Problems, table: str, values: Mapping[str, Any]) -> None:
    if set(values[table]) != set(values["nodes"]):
        problems.add(table, f"must name exactly the nodes {', '.join(values['nodes'])}")


def _trials(problems: Problems, records: list[Any]) -> tuple[PlannedTrial, ...]:
    found = []
    for index, record in enumerate(records):
        where = f"trials[{index}]."
        if not isinstance(record, dict):
            problems.add(f"trials[{index}]", "must be an object")
            continue
        problems.unknown_keys(where, record, ("trial_id", "parameters"))
        name = problems.value(record, "trial_id", str, where=where, rule=_id_rule)
        parameters = problems.value(record, "parameters", dict, where=where)
        found.append(PlannedTrial(name, parameters))
    names = [trial.trial_id for trial in found]
    if len(set(names)) != len(names):
        problems.add("trials", "must not name a trial twice")
    return tuple(found)


def _finished(problems: Problems, records: list[Any]) -> tuple[TrialResult, ...]:
    found = []
    for index, record in enumerate(records):
        try:
            found.append(parse_result(record if isinstance(record, dict) else {}))
        except InvalidDocument as error:
            problems.add(f"finished[{index}]", "; ".join(error.problems))
    return tuple(found)


def _id_rule(value: str) -> str | None:
    return None if _DIGITS.match(value) else "must be 20 hexadecimal digits"


def _earlier_rule(value: list[Any]) -> str | None:
    found = (_id_rule(one) if isinstance(one, str) else "must hold texts" for one in value)
    return next((problem for problem in found if problem), None)


def _names_rule(value: list[Any]) -> str | None:
    good = value and all(isinstance(one, str) and one for one in value)
    return None if good and len(set(value)) == len(value) else "must hold different names"


def _texts_rule(value: dict[str, Any]) -> str | None:
    good = all(isinstance(one, str) for one in value.values())
    return None if good else "must hold texts only"


def _slots_rule(value: dict[str, Any]) -> str | None:
    good = all(type(one) is int and one >= 1 for one in value.values())
    return None if good else "must hold whole numbers from 1"


def _from_one_rule(value: int) -> str | None:
    return None if value >= 1 else "must be 1 or more"
