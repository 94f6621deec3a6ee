"""One trial of a sweep, its identity and its result."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from contracts.schema import Problems

SCHEMA = 1
REASON_LIMIT = 2000


@dataclass(frozen=True)
class Trial:
    """One combination of parameters, tried in one repeat on one cluster shape.

    `sources` is the fingerprint of the workload's own files and of the library versions it
    computes with, so that an unrelated commit keeps its results and a changed one does not.
    """

    workload: str
    engine: str
    nodes: int
    repeat: int
    parameters: Mapping[str, Any]
    seed: int
    data_version: str
    sources: str


@dataclass(frozen=True)
class TrialResult:
    """What came of one trial: its scores, or the reason why there are none.

    `scores` has one value per fold in fold order. `seconds` is the time the trial's units
    ran, added up; `node` the machines they ran on; `attempts` the most tries any unit took.
    """

    trial_id: str
    status: Literal["ok", "failed"]
    parameters: Mapping[str, Any]
    scores: tuple[float, ...] = ()
    seconds: float = 0.0
    nodes: tuple[str, ...] = ()
    attempts: int = 1
    reason: str | None = None
    extra: Mapping[str, float] = field(default_factory=dict)


def canonical(document: Any) -> str:
    """Return JSON with sorted keys and no spaces: equal documents give equal text.

    Raises
    ------
    ValueError
        If the document holds a number that JSON cannot express.
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def trial_id(trial: Trial) -> str:
    """Return the identity of a trial: 20 hexadecimal digits of a SHA-256."""
    text = canonical({"schema": SCHEMA, **dataclasses.asdict(trial)})
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def parse_result(document: Mapping[str, Any]) -> TrialResult:
    """Check a result that a node sent.

    Raises
    ------
    InvalidDocument
        With every problem at once: unknown fields, wrong types, numbers that are not finite.
    """
    problems = Problems()
    names = [one.name for one in dataclasses.fields(TrialResult)]
    problems.unknown_keys("", document, names)
    values = {
        "trial_id": problems.value(document, "trial_id", str, rule=_id_rule),
        "status": problems.value(document, "status", str, rule=_status_rule),
        "parameters": problems.value(document, "parameters", dict),
        "seconds": problems.value(document, "seconds", (int, float), rule=_finite_rule),
        "attempts": problems.value(document, "attempts", int),
        "reason": problems.value(document, "reason", str, required=False, rule=_length_rule),
    }
    scores = problems.value(document, "scores", list, rule=_numbers_rule)
    nodes = problems.value(document, "nodes", list, rule=_texts_rule)
    extra = problems.value(document, "extra", dict, required=False, rule=_table_rule)
    problems.raise_if_any(f"the result of trial {document.get('trial_id')!r:.40}")
    return TrialResult(scores=tuple(scores), nodes=tuple(nodes), extra=extra or {}, **values)


def _id_rule(value: str) -> str | None:
    if len(value) == 20 and all(digit in "0123456789abcdef" for digit in value):
        return None
    return "must be 20 hexadecimal digits"


def _status_rule(value: str) -> str | None:
    return None if value in ("ok", "failed") else "must be ok or failed"


def _finite_rule(value: float) -> str | None:
    return None if math.isfinite(value) else "must be finite"


def _length_rule(value: str) -> str | None:
    return None if len(value) <= REASON_LIMIT else f"must be at most {REASON_LIMIT} characters"


def _numbers_rule(value: list[Any]) -> str | None:
    good = all(
        isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)
        for one in value
    )
    return None if good else "must hold finite numbers only"


def _texts_rule(value: list[Any]) -> str | None:
    return None if all(isinstance(one, str) for one in value) else "must hold texts only"


def _table_rule(value: dict[str, Any]) -> str | None:
    return _numbers_rule(list(value.values()))
