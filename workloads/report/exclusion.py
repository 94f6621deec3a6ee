"""Which rows must not be compared with others, and why."""

from collections.abc import Mapping, Sequence

from contracts.trial import TrialResult
from workloads.sweeps.plan import PlannedRun
from workloads.sweeps.records import RunRecord


def exclusion(row: RunRecord, trials: int, restarts: float = 0) -> str | None:
    """Return why a row must not be compared with others; None if it may.

    Parameters
    ----------
    row : RunRecord
        What was measured.
    trials : int
        How many trials a whole run has.
    restarts : float
        How many workers the engine started again, for want of memory say.
    """
    if row.deaths:
        words = [f"{one['node']} after {one['after_seconds']:.0f} s" for one in row.deaths]
        return f"lost {', '.join(words)}"
    if restarts:
        return f"{restarts:.0f} worker{'s were' if restarts > 1 else ' was'} started again"
    if row.status != "finished":
        return f"{row.status}: {row.reason or 'no reason known'}"
    if row.starts != 1:
        return f"the driver was started {row.starts} times"
    if row.trials < trials:
        return f"only {row.trials} of {trials} trials, the others were done before"
    if row.summary.get("kept_parts_taken_up"):
        return "it went on from what an attempt before had kept"
    if row.ok < row.trials:
        return f"{row.trials - row.ok} of {row.trials} trials failed"
    if not row.wall_seconds:
        return "no time was recorded"
    return None


def restarts(
    runs: Sequence[PlannedRun], results: Mapping[str, TrialResult]
) -> dict[str, float]:
    """Return how many workers were started again in each run, where its trials tell that."""
    return {
        run.run_id: sum(
            value
            for trial in run.trials
            if trial.trial_id in results
            for name, value in results[trial.trial_id].extra.items()
            if "restarts" in name
        )
        for run in runs
    }
