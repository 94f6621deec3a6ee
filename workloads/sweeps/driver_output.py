"""What the driver of a run writes, read with suspicion: it comes from another machine."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import InvalidDocument
from contracts.trial import TrialResult, canonical, parse_result
from workloads import profiles
from workloads.runs import PlannedTrial

LINE_LIMIT = 1 << 20
REJECTED_LIMIT = 20

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_TEXT_LIMIT = 500
_TABLE_LIMIT = 200
_STEP_LIMIT = 60


@dataclass
class Observed:
    """What a driver has told so far.

    `ended` is None while the driver may still write, then `finished` or `failed`. `step` is how
    far the program under way is: so many, of how many, of what. `profiles` has why there is no
    such part of the run's profile, by name; nothing where there is one.
    """

    starts: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)
    deaths: list[dict[str, Any]] = field(default_factory=list)
    units_done: int = 0
    units_total: int = 0
    step: tuple[int, int, str] | None = None
    ended: str | None = None
    reason: str | None = None
    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    driver_cpu_seconds: float | None = None
    retries: int = 0
    summary: dict[str, Any] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)
    profiles: dict[str, str] = field(default_factory=dict)


class DriverOutput:
    """Takes the bytes of `results.jsonl` as they come and returns the results in them.

    A line that is not what a driver of this run may write is rejected with a reason and
    counted; it changes nothing else.

    Parameters
    ----------
    trials : sequence of PlannedTrial
        The trials that the run was asked for. A result of any other is rejected.
    """

    def __init__(self, trials: tuple[PlannedTrial, ...]) -> None:
        self.observed = Observed()
        self._parameters = {trial.trial_id: canonical(trial.parameters) for trial in trials}
        self._partial = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[TrialResult]:
        """Take the next bytes and yield each result that they complete."""
        *lines, rest = (self._partial + data).split(b"\n")
        for line in lines:
            if self._skipping:
                self._skipping = False
            elif line.strip():
                yield from self._line(line)
        if len(rest) > LINE_LIMIT:
            if not self._skipping:
                self._reject(f"a line longer than {LINE_LIMIT} bytes")
            self._skipping, rest = True, b""
        self._partial = rest

    def _line(self, line: bytes) -> Iterator[TrialResult]:
        try:
            if len(line) > LINE_LIMIT:
                raise ValueError(f"a line longer than {LINE_LIMIT} bytes")
            document = json.loads(line, parse_constant=_refuse_constant)
            if not isinstance(document, dict):
                raise ValueError("a line that is no JSON object")
            kind = document.pop("kind", None)
            if kind == "trial":
                yield self._trial(document)
            else:
                self._note(kind, document)
        except InvalidDocument as error:
            self._reject("; ".join(error.problems))
        except KeyError as error:
            self._reject(f"a line without the field {error}")
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            self._reject(str(error))

    def _trial(self, document: Mapping[str, Any]) -> TrialResult:
        result = parse_result(document)
        expected = self._parameters.get(result.trial_id)
        if expected is None:
            raise ValueError(f"a result of trial {result.trial_id}, which is not of this run")
        if canonical(result.parameters) != expected:
            raise ValueError(f"a result of trial {result.trial_id} with other parameters")
        if result.status == "ok" and not result.scores:
            raise ValueError(f"a result of trial {result.trial_id} without scores")
        return result

    def _note(self, kind: Any, document: Mapping[str, Any]) -> None:
        now = self.observed
        if kind == "started":
            now.starts += 1
            now.ended = now.reason = None
            now.versions = {key: str(value) for key, value in _flat(document["versions"])}
        elif kind == "phase":
            now.phases[printable(document["name"])] = _duration(document["seconds"])
        elif kind == "progress":
            now.units_done = _count(document["done"])
            now.units_total = _count(document["total"])
            now.step = None
        elif kind == "step":
            words = printable(document["words"])[:_STEP_LIMIT]
            now.step = _count(document["done"]), _count(document["total"]), words
        elif kind == "death":
            now.deaths.append(_death(document))
        elif kind == "profile":
            now.profiles[_profile_name(document["name"])] = printable(
                document.get("reason") or ""
            )
        elif kind == "finished":
            now.wall_seconds = _duration(document["wall_seconds"])
            now.units_total = now.units_done = _count(document["units"])
            now.step = None
            now.retries = _count(document["retries"])
            now.cpu_seconds = _duration(document["cpu_seconds"])
            if "driver_cpu_seconds" in document:
                now.driver_cpu_seconds = _duration(document["driver_cpu_seconds"])
            now.summary = dict(_flat(document.get("summary") or {}))
            now.ended = "finished"
        elif kind == "failed":
            now.reason = printable(document["reason"])
            now.ended = "failed"
        else:
            raise ValueError(f"a line of unknown kind {kind!r:.60}")

    def _reject(self, reason: str) -> None:
        if len(self.observed.rejected) < REJECTED_LIMIT:
            self.observed.rejected.append(printable(reason))


def printable(text: object) -> str:
    """Return a text of a node without control characters and not longer than a paragraph."""
    return _CONTROL.sub(" ", str(text))[:_TEXT_LIMIT]


def _flat(table: Any) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a table that are texts or finite numbers."""
    if not isinstance(table, dict):
        raise ValueError("a table that is no JSON object")
    for key, value in list(table.items())[:_TABLE_LIMIT]:
        if isinstance(value, str):
            yield printable(key), printable(value)
        elif isinstance(value, bool) or (isinstance(value, int | float) and abs(value) < 1e300):
            yield printable(key), value


def _profile_name(value: Any) -> str:
    if value not in profiles.NAMES:
        raise ValueError(f"a profile that has no such part: {value!r:.60}")
    return str(value)


def _death(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "node": printable(document["node"]),
        "after_seconds": _duration(document["after_seconds"]),
        "detail": printable(document.get("detail") or ""),
    }


def _duration(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a duration that is no number: {value!r:.60}")
    seconds = float(value)
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"a duration of {seconds} s")
    return seconds


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        raise ValueError(f"a count that is no whole number from 0: {value!r:.60}")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
