"""Times that others published for the same workloads, beside those measured here.

They are of other machines, of which only the number of workers is known: what can be compared
is how a time changes from one number of workers to the next, and never one time with another.
Seconds, by the number of workers.
"""

from collections.abc import Mapping

from workloads.report.evidence import Evidence
from workloads.report.statistics import spread
from workloads.report.tables import NOTHING, Table
from workloads.sweeps.plan import PLAIN

FIGURES: Mapping[str, Mapping[str, Mapping[int, float]]] = {
    "knn": {
        "dask": {2: 3.78, 4: 2.73, 6: 2.69},
        "ray": {2: 3.25, 3: 3.19, 4: 3.42},
    },
    "resnet": {
        "dask": {2: 15.6, 4: 13.2, 6: 13.1},
        "ray": {2: 30.6, 3: 25.7, 4: 13.1},
    },
}
NOTE = (
    "Published by others, on other machines that nobody described: compare how a time changes "
    "with the number of workers, and not one time with another."
)


def table(evidence: Evidence) -> Table:
    """Return a row for each published figure of the sweep's workload, with ours beside it."""
    known = FIGURES.get(evidence.work.workload, {})
    rows: list[tuple[str, ...]] = []
    for part in evidence.parts():
        for series in part.series():
            if series.engine == PLAIN or series.engine not in known:
                continue
            theirs = known[series.engine]
            ours = {
                cell.nodes: spread(part.seconds(cell)).median for cell in part.cells(series)
            }
            for workers, seconds in theirs.items():
                rows.append(
                    (
                        " ".join([series.label, *part.part]),
                        str(workers),
                        f"{ours[workers]:.3g}" if workers in ours else NOTHING,
                        _ratio(ours, min(theirs), workers),
                        f"{seconds:.3g}",
                        _ratio(theirs, min(theirs), workers),
                    )
                )
    heads = ("Engine", "Workers", "Here, s", "Here, times as fast as the fewest",
             "Other machines, s", "Other machines, times as fast as the fewest")  # fmt: skip
    return Table(heads, tuple(rows), frozenset(range(1, len(heads))))


def _ratio(seconds: Mapping[int, float], fewest: int, workers: int) -> str:
    if fewest not in seconds or workers not in seconds:
        return NOTHING
    return f"{seconds[fewest] / seconds[workers]:.2f}"
