"""What trials tell of themselves beside their scores: numbers by name, of any workload."""

import statistics
from collections.abc import Collection
from dataclasses import dataclass, field

from workloads.report.evidence import Evidence
from workloads.report.resources import byte_words
from workloads.report.tables import NOTHING, Table, in_order
from workloads.sweeps.plan import Cell

ELSEWHERE = ("cpu_seconds",)  # the table of times has it
HOW = (
    "Medians of all trials of the undisturbed runs, in brackets from the least to the most "
    "where they differ by more than a hundredth."
)


def table(evidence: Evidence) -> Table:
    """Return a row for each cell and a column for each name that any of its trials told.

    Runs that were left out stand in rows of their own: what they tell is often why.
    """
    clean = _values(evidence, {row.run_id for rows in evidence.clean.values() for row in rows})
    others = _values(evidence, {one.row.run_id for one in evidence.left_out} - set(clean.runs))
    names = sorted(
        {name for found in (clean, others) for name in found.names if name not in ELSEWHERE},
        key=lambda name: (not name.endswith("seconds"), name),
    )
    if not names:
        return Table(("Engine",), (), frozenset())
    varied = bool(evidence.plan.variations)
    rows = [
        (
            f"{cell.engine.capitalize()}{mark}",
            *((", ".join(cell.variation) or NOTHING,) if varied else ()),
            str(cell.nodes),
            *(_told(name, found.by_cell[cell].get(name, [])) for name in names),
        )
        for found, cells, mark in (
            (clean, in_order(evidence), ""),
            (others, list(others.by_cell), ", left out"),
        )
        for cell in cells
        if cell in found.by_cell
    ]
    first = ("Engine", "Variation", "Nodes") if varied else ("Engine", "Nodes")
    heads = (*first, *(_head(name) for name in names))
    return Table(heads, tuple(rows), frozenset(range(len(first) - 1, len(heads))))


@dataclass
class _Values:
    """What the trials of some runs tell: values by name, by the cell of the run."""

    by_cell: dict[Cell, dict[str, list[float]]] = field(default_factory=dict)
    runs: set[str] = field(default_factory=set)

    @property
    def names(self) -> set[str]:
        return {name for values in self.by_cell.values() for name in values}


def _values(evidence: Evidence, wanted: Collection[str]) -> _Values:
    found = _Values()
    for run in evidence.runs:
        if run.run_id not in wanted:
            continue
        found.runs.add(run.run_id)
        for trial in run.trials:
            result = evidence.results.get(trial.trial_id)
            for name, value in (result.extra if result is not None else {}).items():
                of_cell = found.by_cell.setdefault(run.cell, {})
                of_cell.setdefault(name, []).append(value)
    return found


def _head(name: str) -> str:
    """Return a name as the head of a column, with its unit at its end.

    >>> _head("read seconds"), _head("spilled_bytes"), _head("f1")
    ('Read, s', 'Spilled', 'F1')
    """
    words = name.replace("_", " ")
    if words.endswith(" seconds"):
        words = f"{words.removesuffix(' seconds')}, s"
    words = words.removesuffix(" bytes")
    return words[:1].upper() + words[1:]


def _told(name: str, values: list[float]) -> str:
    if not values:
        return NOTHING
    middle, least, most = statistics.median(values), min(values), max(values)
    shown = _number(name, middle)
    if most - least > 0.01 * max(abs(most), abs(least)):
        return f"{shown} ({_number(name, least)} to {_number(name, most)})"
    return shown


def _number(name: str, value: float) -> str:
    """Return a value in its unit: bytes as people say them, all else with four digits.

    >>> _number("spilled bytes", 3 << 29), _number("worker restarts", 2), _number("f1", 0.98765)
    ('1.5 GiB', '2', '0.9877')
    """
    if name.replace("_", " ").endswith("bytes"):
        return byte_words(value)
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4g}"
