"""What is faster than it can be: an efficiency above the ideal, and what may be behind it."""

from collections.abc import Iterator

from workloads.report.comparison import Comparison, named
from workloads.report.evidence import Evidence
from workloads.report.reuse import saves_work
from workloads.report.statistics import spread
from workloads.sweeps.plan import PLAIN, Cell

MOST_EFFICIENCY = 1.05
FULL_MEMORY = 0.9
WIDE_SPREAD = 0.1


def beyond_ideal(evidence: Evidence, compared: Comparison | None) -> Iterator[str]:
    """Yield a remark for each series whose nodes do more than so many times one node's work.

    One remark a series, on the number of nodes where it is worst; and one on the comparison
    that the answer makes, where that is of two series.
    """
    for series in evidence.series():
        one = series.cell(1)
        if series.engine == PLAIN or one not in evidence.clean:
            continue
        pairs = [(one, many) for many in evidence.cells(series) if many.nodes > 1]
        worst = max(pairs, key=lambda pair: _efficiency(evidence, *pair), default=None)
        if worst is not None and _efficiency(evidence, *worst) > MOST_EFFICIENCY:
            yield _remark(evidence, *worst)
    if compared is None or compared.efficiency <= MOST_EFFICIENCY:
        return
    one, many = compared.alone, compared.best
    if one.engine == PLAIN and saves_work(evidence, many):
        return  # less work than the baseline's: reuse, which has sentences of its own
    if (one.engine, one.variation) != (many.engine, many.variation):
        yield _remark(evidence, one, many)


def _efficiency(evidence: Evidence, one: Cell, many: Cell) -> float:
    alone, together = (spread(evidence.seconds(cell)).median for cell in (one, many))
    return alone / together / many.nodes


def _remark(evidence: Evidence, one: Cell, many: Cell) -> str:
    part = evidence.part
    return (
        f"More than the ideal: {named(many, part)} has an efficiency of "
        f"{_efficiency(evidence, one, many):.0%} against {named(one, part)}. Machines cannot "
        f"do that by being more; the run on one was held back. {_cause(evidence, one, many)}"
    )


def _cause(evidence: Evidence, one: Cell, many: Cell) -> str:
    """Return what the records say of the cause.

    An efficiency is the product of two ratios: the CPU seconds that the same work took, and
    the share of its nodes' CPU that it got. One of the two must be above 1.
    """
    if one.engine != PLAIN and one.variation != many.variation:
        return "It is of another variation, so the ratio holds what that saves, too."
    words = []
    full = _memory(evidence, one)
    if full is not None and full >= FULL_MEMORY:
        words.append(f"Its memory was {full:.0%} full.")
    taken, needed = evidence.cpu(one), evidence.cpu(many)
    if taken and needed:
        more = taken / needed
        share = _efficiency(evidence, one, many) / more
        if more > MOST_EFFICIENCY:
            words.append(
                f"The same work took {more - 1:.0%} more CPU seconds there, as it does "
                "where memory is short, caches are cold or others disturb."
            )
        if share > MOST_EFFICIENCY:
            words.append(
                f"The work got {1 - 1 / share:.0%} less of that node's CPU than of each of the "
                f"{many.nodes}: the engine's own processes and the driver live on the head, "
                "and weigh most where it is alone."
            )
    if spread(evidence.seconds(one)).relative > WIDE_SPREAD:
        words.append("Its runs lie far apart, so it may have been disturbed.")
    more_repeats = evidence.plan.repeats + 1
    guess = "Memory limits or a disturbed run are likely; the records show neither."
    return (
        f"{' '.join(words) or guess} `fab sweep.run --repeats {more_repeats}` measures again."
    )


def _memory(evidence: Evidence, cell: Cell) -> float | None:
    """Return the fullest that a node's memory was in a cell's runs, as a part of its size."""
    sizes = {one["name"]: float(one.get("memory_bytes") or 0) for one in evidence.plan.machines}
    found = [
        max(series["memory"]) / sizes[node]
        for row in evidence.clean[cell]
        for node, series in row.timeline.items()
        if series.get("memory") and sizes.get(node)
    ]
    return max(found, default=None)
