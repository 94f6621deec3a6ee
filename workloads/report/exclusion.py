"""Which rows must not be compared with others, and why."""

from collections.abc import Mapping, Sequence

from contracts.trial import TrialResult
from workloads.sweeps.plan import PlannedRun
from workloads.sweeps.records import RunRecord

# What a trial tells beside its scores if the engine lost one of its processes meanwhile.
WORKERS_LOST = ("worker restarts", "worker_restarts", "workers_added", "memory_kills")


def exclusion(row: RunRecord, trials: int, restarts: float = 0) -> str | None:
    """Return why a row must not be compared with others; None if it may.

    Parameters
    ----------
    row : RunRecord
        What was measured.
    trials : int
        How many trials a whole run has.
    restarts : float
        How many workers the engine lost and started again, for want of memory say.
    """
    if row.deaths:
        words = [f"{one['node']} after {one['after_seconds']:.0f} s" for one in row.deaths]
        return f"lost {', '.join(words)}"
    if restarts:
        return f"lost {restarts:.0f} worker{'s' if restarts > 1 else ''} within a node"
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
    """Return how many workers were lost in each run, where its trials tell that.

    A worker that was killed and came anew is counted under several names, and once here.
    """
    found = {}
    for run in runs:
        extras = [results[one.trial_id].extra for one in run.trials if one.trial_id in results]
        counts = (sum(extra.get(name, 0.0) for extra in extras) for name in WORKERS_LOST)
        found[run.run_id] = max(counts)
    return found
