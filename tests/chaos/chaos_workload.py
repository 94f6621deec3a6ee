"""A workload for fault tests: units of known length, known scores and known misbehaviour.

The tests put this file among the workloads of a copy of the project. Every attempt is noted in
`chaos/attempts.jsonl` of the node's home before anything goes wrong, so that a test can prove
that a fault met work.
"""

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.trial import TrialResult
from workloads.engines import Outcome, Unit
from workloads.runs import RunSpec

NAME = "chaos"
HERE = __name__
MEBIBYTE = 1 << 20


def score(number: int) -> float:
    """Return the one right score of a trial."""
    return number / 7


def attempt(home: str, number: int, kind: str, seconds: float) -> float:
    """Do one trial, well or badly."""
    _note(home, number)
    if kind == "hang":
        time.sleep(86_400)
    elif kind == "hog":
        _take_all_memory()
    elif kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "raise":
        raise ValueError("as it was told to")
    time.sleep(seconds)
    return score(number)


def prepare_node(home: str) -> dict[str, Any]:
    """Do what a workload with data would do here, and report facts that are equal."""
    (Path(home) / "chaos").mkdir(parents=True, exist_ok=True)
    return {"version": "chaos-1"}


class ChaosWork:
    """One unit for each trial."""

    def __init__(self, spec: RunSpec) -> None:
        self._trials = {trial.trial_id: trial for trial in spec.trials}
        self._open = set(self._trials)
        self.units = [
            Unit(trial.trial_id, f"{HERE}:attempt", {"home": spec.home, **trial.parameters})
            for trial in spec.trials
        ]

    def accept(
        self, unit_id: str, outcome: Outcome, *, node: str, attempts: int
    ) -> list[TrialResult]:
        self._open.discard(unit_id)
        parameters = self._trials[unit_id].parameters
        return [
            TrialResult(
                unit_id, "ok", parameters, (outcome.value,), outcome.seconds, (node,), attempts
            )
        ]

    def give_up(
        self, unit_id: str, reason: str, *, nodes: Sequence[str], attempts: int
    ) -> list[TrialResult]:
        self._open.discard(unit_id)
        parameters = self._trials[unit_id].parameters
        return [
            TrialResult(
                unit_id,
                "failed",
                parameters,
                nodes=tuple(nodes),
                attempts=attempts,
                reason=reason,
            )
        ]

    def needed(self, unit_id: str) -> bool:
        return unit_id in self._open

    def summary(self, results: Sequence[TrialResult]) -> dict[str, Any]:
        return {"trials": len(results)}


def open_work(spec: RunSpec) -> ChaosWork:
    """Return the units of a run."""
    return ChaosWork(spec)


def preparation(spec: RunSpec) -> Unit:
    """Return the unit that each node does first."""
    return Unit("data", f"{HERE}:prepare_node", {"home": spec.home})


def warm_up(spec: RunSpec) -> Unit:
    """Return the unit that each slot does first."""
    return Unit("warm-up", f"{HERE}:prepare_node", {"home": spec.home})


def _note(home: str, number: int) -> None:
    line: Mapping[str, Any] = {"number": number, "pid": os.getpid()}
    with open(Path(home) / "chaos" / "attempts.jsonl", "a") as stream:
        stream.write(json.dumps(line) + "\n")


def _take_all_memory() -> None:
    taken = []
    while True:
        taken.append(bytearray(os.urandom(MEBIBYTE)) * 32)
        time.sleep(0.02)  # not so fast that nothing on the node can watch
