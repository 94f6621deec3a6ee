"""Which lines of a sweep with many variations its figures have; its tables have all."""

import dataclasses
import statistics

from workloads.report.evidence import Evidence, Series
from workloads.sweeps.plan import Cell

MOST_LINES = 8


def leading(evidence: Evidence) -> Evidence:
    """Return the evidence of each engine's fastest variation; all of it where that is few."""
    known = evidence.series()
    if len(known) <= MOST_LINES:
        return evidence
    best: dict[str, Series] = {}
    for one in known:
        rival = best.setdefault(one.engine, one)
        if _fastest(evidence, one) < _fastest(evidence, rival):
            best[one.engine] = one
    kept = {(one.engine, one.variation) for one in best.values()}
    clean = {cell: rows for cell, rows in evidence.clean.items() if _line(cell) in kept}
    return dataclasses.replace(evidence, clean=clean)


def slowest_part(evidence: Evidence) -> Evidence:
    """Return the leading lines of what takes longest, of a sweep that has too many lines.

    Where little is computed, a machine's CPU and memory show little.
    """
    if len(evidence.series()) <= MOST_LINES:
        return evidence
    parts = [part for part in evidence.parts() if part.clean]
    return leading(
        max(parts, key=lambda part: max(_fastest(part, one) for one in part.series()))
    )


def note(evidence: Evidence) -> str:
    """Return what the figures leave out; empty where that is nothing."""
    if len(evidence.series()) <= MOST_LINES:
        return ""
    return (
        "There are too many variations to draw them all: where a figure would have more than "
        f"{MOST_LINES} lines it has the fastest variation of each engine; the tables have all."
    )


def _fastest(evidence: Evidence, series: Series) -> float:
    return min(statistics.median(evidence.seconds(cell)) for cell in evidence.cells(series))


def _line(cell: Cell) -> tuple[str, tuple[str, ...]]:
    return cell.engine, cell.variation
