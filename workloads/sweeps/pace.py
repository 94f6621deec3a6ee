"""How fast a sweep goes and when it will be done."""

import statistics
from collections.abc import Iterable

from workloads.sweeps.driver_output import Observed
from workloads.sweeps.plan import PlannedRun
from workloads.sweeps.records import RunRecord


def seconds_left(
    todo: Iterable[PlannedRun], rows: Iterable[RunRecord], *, fraction_of_first: float = 0.0
) -> float | None:
    """Estimate how long the runs still to do will take, in seconds.

    A run of the same work on the same engine and nodes takes what it took. Any other takes
    as many node-seconds as the measured ones of its work do at the median, or of any work
    where none is. None while nothing was measured.

    Parameters
    ----------
    todo : iterable of PlannedRun
        The runs still to do, the one under way first.
    rows : iterable of RunRecord
        What was measured so far.
    fraction_of_first : float
        How much of the first run is done already, 0 to 1.
    """
    measured = [row for row in rows if row.status == "finished" and row.phases]
    if not measured:
        return None
    spent = {(row.work, row.engine, row.nodes): sum(row.phases.values()) for row in measured}
    of_work: dict[str, list[float]] = {}
    for (work, _, nodes), seconds in spent.items():
        of_work.setdefault(work, []).append(seconds * nodes)
    every = [one for found in of_work.values() for one in found]
    total = 0.0
    for index, run in enumerate(todo):
        work, cell = run.work.fingerprint, run.cell
        node_seconds = statistics.median(of_work.get(work, every))
        whole = spent.get((work, cell.engine, cell.nodes), node_seconds / cell.nodes)
        total += whole * (1 - fraction_of_first if index == 0 else 1)
    return total


def far(seen: Observed, rate: float) -> tuple[float, list[str]]:
    """Return what share of a run's work is done, 0 to 1, and how to say so.

    Parameters
    ----------
    seen : Observed
        What the run's driver has told; a program under way may have told its own steps.
    rate : float
        Units a second, lately.
    """
    if not seen.units_total:
        return 0.0, ["getting ready"]
    units = f"{seen.units_done}/{seen.units_total} units"
    if seen.step is None:
        return seen.units_done / seen.units_total, [units, f"{rate:.1f}/s"]
    done, total, what = seen.step
    part = min(1.0, done / total) if total else 0.0
    words = [f"{done}/{total} {what}" if total else what]
    if seen.units_total > 1:
        words.append(units)
    return min(1.0, (seen.units_done + part) / seen.units_total), words


def span(seconds: float) -> str:
    """Return a duration as people say it.

    >>> span(41), span(200), span(7300)
    ('41 s', '3 min 20 s', '2 h 2 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(whole / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
