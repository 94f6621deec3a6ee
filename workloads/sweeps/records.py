"""The records of a journal, checked on the way in and on the way out."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.schema import Problems
from contracts.trial import TrialResult, parse_result
from workloads import checks
from workloads.sweeps.plan import PLAIN, Subject, Variation, Work

STATUSES = ("finished", "failed", "interrupted")


@dataclass(frozen=True)
class PlanRecord:
    """What a sweep was asked to do, and on which machines.

    `machines` are the inventory's nodes in order, each a table of `name`, `cpus`,
    `memory_bytes`, `hourly_price` and `currency`; `facts` whatever else a reader may ask for:
    versions, the lock, the operator's machine. `variations` and `baselines` are those of the
    sweep's `Subject`.
    """

    work: Work
    engines: tuple[str, ...]
    node_counts: tuple[int, ...]
    repeats: int
    machines: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    variations: tuple[Variation, ...] = ()
    baselines: tuple[Variation, ...] = ()

    @property
    def subject(self) -> Subject:
        """What the sweep computes."""
        return Subject(self.work, self.variations, self.baselines)

    def places(self) -> tuple[tuple[str, int], ...]:
        """Return every engine and number of nodes that the plan names, `plain` last."""
        engines = [engine for engine in self.engines if engine != PLAIN]
        found = [(engine, count) for engine in engines for count in self.node_counts]
        return (*found, (PLAIN, 1)) if PLAIN in self.engines else tuple(found)

    def fingerprints(self) -> set[str]:
        """Return those of everything that the sweep computes on any engine."""
        known = (self.work, *(one.work for one in (*self.variations, *self.baselines)))
        return {work.fingerprint for work in known}


@dataclass(frozen=True)
class AttemptRecord:
    """An attempt at a run is about to begin; without a RunRecord after it, it is open."""

    run_id: str
    attempt: int
    folder: str
    engine: str
    nodes: int
    repeat: int
    trials: tuple[str, ...]
    load_before: float
    bringup: Mapping[str, Any] = field(default_factory=dict)
    machines: tuple[str, ...] = ()
    begun_at: str = ""


@dataclass(frozen=True)
class TrialRecord:
    """The result of a trial, acknowledged once its line is on the operator's disk."""

    run_id: str
    result: TrialResult


@dataclass(frozen=True)
class RunRecord:
    """An attempt at a run has ended, well or badly.

    `wall_seconds` is the work alone, by the driver's monotonic clock; `phases` has all parts
    in seconds. `cpu_seconds` are those of the units that counted, `driver_cpu_seconds` those of
    the driver beside them. `starts` counts how often the driver began, `reattached` says that
    the operator was away meanwhile. `timeline` has, for each node, the lists `seconds` (since
    the start of the driver), `cpu` (of the node's CPUs, 0 to 1), `memory` (bytes), `sent` and
    `received` (bytes by the network since the first of them, without the loopback).
    `profiles` has the parts of a profile that was asked for: `name`, and `path` in the sweep's
    folder with `bytes`, or the `reason` why there is none.
    """

    run_id: str
    attempt: int
    work: str
    engine: str
    nodes: int
    repeat: int
    status: str
    trials: int
    ok: int
    wall_seconds: float | None = None
    reason: str | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    bringup: Mapping[str, Any] = field(default_factory=dict)
    machines: tuple[str, ...] = ()
    deaths: tuple[Mapping[str, Any], ...] = ()
    starts: int = 1
    reattached: bool = False
    units: int = 0
    retries: int = 0
    cpu_seconds: float | None = None
    driver_cpu_seconds: float | None = None
    rejected: tuple[str, ...] = ()
    load_before: float = 0.0
    load_after: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    timeline: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    begun_at: str = ""
    ended_at: str = ""
    profiles: tuple[Mapping[str, Any], ...] = ()


JournalEntry = PlanRecord | AttemptRecord | TrialRecord | RunRecord


def as_record(entry: JournalEntry) -> dict[str, Any]:
    """Return an entry as the record that a journal keeps."""
    kinds: dict[type, str] = {
        PlanRecord: "plan",
        AttemptRecord: "attempt",
        TrialRecord: "trial",
        RunRecord: "run",
    }
    return {"kind": kinds[type(entry)], **dataclasses.asdict(entry)}


def parse(record: Mapping[str, Any]) -> JournalEntry:
    """Check a journal's record and return its entry.

    Raises
    ------
    InvalidDocument
        With every problem at once.
    """
    fields = {key: value for key, value in record.items() if key not in _ENVELOPE}
    if record.get("kind") == "plan":
        return _plan(fields)
    if record.get("kind") == "trial":
        return _trial(fields)
    if record.get("kind") == "attempt":
        return AttemptRecord(**_checked(fields, AttemptRecord, "attempt"))
    return RunRecord(**_checked(fields, RunRecord, "run"))


_ENVELOPE = ("kind", "schema", "check")
_KINDS: dict[str, type | tuple[type, ...]] = {
    "attempt": int,
    "nodes": int,
    "repeat": int,
    "repeats": int,
    "trials": (int, list),
    "ok": int,
    "starts": int,
    "units": int,
    "retries": int,
    "reattached": bool,
    "wall_seconds": (int, float),
    "cpu_seconds": (int, float),
    "driver_cpu_seconds": (int, float),
    "load_before": (int, float),
    "load_after": (int, float),
    "engines": list,
    "node_counts": list,
    "variations": list,
    "baselines": list,
    "machines": list,
    "deaths": list,
    "rejected": list,
    "profiles": list,
    "phases": dict,
    "bringup": dict,
    "versions": dict,
    "summary": dict,
    "timeline": dict,
    "facts": dict,
    "work": (str, dict),
}


def _checked(fields: Mapping[str, Any], entry: type, name: str) -> dict[str, Any]:
    problems = Problems()
    known = {one.name: one for one in dataclasses.fields(entry)}
    problems.unknown_keys("", fields, known)
    values: dict[str, Any] = {}
    for key, one in known.items():
        required = one.default is dataclasses.MISSING and (
            one.default_factory is dataclasses.MISSING
        )
        kind = _KINDS.get(key, str)
        value = problems.value(fields, key, kind, required=required, rule=_RULES.get(key))
        if value is not None:
            values[key] = tuple(value) if isinstance(value, list) else value
    problems.raise_if_any(f"a {name} record of the journal")
    return values


def _plan(fields: Mapping[str, Any]) -> PlanRecord:
    values = _checked(fields, PlanRecord, "plan")
    problems = Problems()
    values["work"] = _work(problems, values["work"], "work.")
    for name in ("variations", "baselines"):
        values[name] = tuple(
            _variation(problems, one, f"{name}[{index}].")
            for index, one in enumerate(values.get(name, ()))
        )
    problems.raise_if_any("a plan record of the journal")
    return PlanRecord(**values)


def _variation(problems: Problems, record: Any, where: str) -> Variation:
    fields = record if isinstance(record, dict) else {}
    problems.unknown_keys(where, fields, ("settings", "work"))
    settings = problems.value(fields, "settings", dict, where=where)
    return Variation(settings, _work(problems, fields.get("work"), f"{where}work."))


def _work(problems: Problems, record: Any, where: str) -> Work:
    """Return a work; where its record is wrong, `problems` gain what is, and it is useless."""
    fields = record if isinstance(record, dict) else {}
    kinds: dict[str, type] = {"parameters": dict, "combinations": list, "seed": int}
    names = [one.name for one in dataclasses.fields(Work)]
    problems.unknown_keys(where, fields, names)
    found = {
        name: problems.value(fields, name, kinds.get(name, str), where=where) for name in names
    }
    return Work(**{**found, "combinations": tuple(found["combinations"] or ())})


def _trial(fields: Mapping[str, Any]) -> TrialRecord:
    problems = Problems()
    problems.unknown_keys("", fields, ("run_id", "result"))
    run_id = problems.value(fields, "run_id", str)
    result = problems.value(fields, "result", dict)
    problems.raise_if_any("a trial record of the journal")
    return TrialRecord(run_id, parse_result(result))


def _duration_rule(value: float) -> str | None:
    return None if math.isfinite(value) and value >= 0 else "must be 0 or more"


_RULES: dict[str, Any] = {
    "wall_seconds": _duration_rule,
    "cpu_seconds": _duration_rule,
    "driver_cpu_seconds": _duration_rule,
    "load_before": _duration_rule,
    "load_after": _duration_rule,
    "status": checks.one_of(STATUSES),
}
