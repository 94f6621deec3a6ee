"""A trial whose folds come from several units: what is known of it, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.trial import TrialResult
from workloads.engines import Outcome
from workloads.runs import PlannedTrial


@dataclass
class FoldedTrial:
    """What is known of one trial so far; `folds` has what its units found, by fold."""

    trial: PlannedTrial
    folds: dict[int, Any] = field(default_factory=dict)
    nodes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    attempts: int = 1
    settled: bool = False

    def add(self, outcome: Outcome, *, node: str, attempts: int, sharing: int = 1) -> None:
        """Note what a unit took that so many trials share."""
        self.seconds += outcome.seconds / sharing
        self.cpu_seconds += outcome.cpu_seconds / sharing
        self.nodes.append(node)
        self.attempts = max(self.attempts, attempts)

    def complete(
        self, scores: Sequence[float], extra: Mapping[str, float] | None = None
    ) -> TrialResult:
        """Settle the trial with its scores; return its result."""
        return self._result(status="ok", scores=tuple(scores), extra=extra)

    def fail(self, reason: str, *, nodes: Sequence[str], attempts: int) -> TrialResult:
        """Settle the trial with why a unit of it failed for good; return its result."""
        self.nodes += nodes
        self.attempts = max(self.attempts, attempts)
        return self._result(status="failed", reason=reason)

    def _result(self, extra: Mapping[str, float] | None = None, **outcome: Any) -> TrialResult:
        self.settled = True
        return TrialResult(
            trial_id=self.trial.trial_id,
            parameters=self.trial.parameters,
            seconds=self.seconds,
            nodes=tuple(dict.fromkeys(self.nodes)),
            attempts=self.attempts,
            extra={**(extra or {}), "cpu_seconds": self.cpu_seconds},
            **outcome,
        )
