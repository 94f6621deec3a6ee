"""How an attempt at a run ended, as the row that the journal keeps."""

from collections.abc import Mapping
from typing import Any, Literal

from workloads.sweeps.cluster import Timeline
from workloads.sweeps.driver_output import Observed
from workloads.sweeps.records import AttemptRecord, RunRecord

Status = Literal["finished", "failed", "interrupted"]


def ending(observed: Observed) -> tuple[Status, str | None]:
    """Return how a driver that writes no more came to its end, and why."""
    if observed.ended == "finished":
        return "finished", None
    if observed.ended == "failed":
        return "failed", observed.reason
    if not observed.starts:
        return "interrupted", "nothing of the driver was found on the head"
    return "interrupted", "the driver ended without a last word"


def run_row(
    attempt: AttemptRecord,
    observed: Observed,
    *,
    work: str,
    ok: int,
    status: Status,
    reason: str | None,
    reattached: bool,
    timeline: Timeline,
    profiles: tuple[Mapping[str, Any], ...] = (),
    load_after: float,
    ended_at: str,
) -> RunRecord:
    """Return the row of an attempt that has ended."""
    return RunRecord(
        run_id=attempt.run_id,
        attempt=attempt.attempt,
        work=work,
        engine=attempt.engine,
        nodes=attempt.nodes,
        repeat=attempt.repeat,
        status=status,
        trials=len(attempt.trials),
        ok=ok,
        wall_seconds=observed.wall_seconds,
        reason=reason,
        phases=observed.phases,
        bringup=attempt.bringup,
        machines=attempt.machines,
        deaths=tuple(observed.deaths),
        starts=observed.starts,
        reattached=reattached,
        units=observed.units_done,
        retries=observed.retries,
        cpu_seconds=observed.cpu_seconds,
        driver_cpu_seconds=observed.driver_cpu_seconds,
        rejected=tuple(observed.rejected),
        load_before=attempt.load_before,
        load_after=load_after,
        versions=observed.versions,
        summary=observed.summary,
        timeline=timeline,
        begun_at=attempt.begun_at,
        ended_at=ended_at,
        profiles=profiles,
    )


def verdict(row: RunRecord) -> str:
    """Return what a watcher wants to know of a row, in a few words."""
    words = [f"{row.ok}/{row.trials} trials"]
    if row.wall_seconds is not None:
        words.append(f"{row.wall_seconds:.2f} s of work")
    if row.deaths:
        words.append(f"lost: {', '.join(str(death['node']) for death in row.deaths)}")
    for one in row.profiles:
        if "reason" in one:
            words.append(f"no {one['name']}: {one['reason']}")
    return ", ".join([*words, row.reason] if row.reason else words)
