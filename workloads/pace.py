"""How fast a sweep goes and when it will be done."""

import statistics
from collections.abc import Iterable

from workloads.records import RunRecord
from workloads.sweep import PlannedRun


def seconds_left(
    todo: Iterable[PlannedRun], rows: Iterable[RunRecord], *, fraction_of_first: float = 0.0
) -> float | None:
    """Estimate how long the runs still to do will take, in seconds.

    A cell that was measured takes what it took. Any other takes as many node-seconds as the
    measured ones do at the median. None while nothing was measured.

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
    spent = {row.cell: sum(row.phases.values()) for row in measured}
    node_seconds = statistics.median(spent[row.cell] * row.nodes for row in measured)
    total = 0.0
    for index, run in enumerate(todo):
        whole = spent.get(run.cell, node_seconds / run.cell.nodes)
        total += whole * (1 - fraction_of_first if index == 0 else 1)
    return total


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
