"""Where the time goes: from an engine that is not there yet to the result."""

import statistics
from collections.abc import Collection, Mapping, Sequence

from markupsafe import Markup

from workloads.report.canvas import INK, PHASES, Canvas, shortened
from workloads.report.comparison import length, named
from workloads.report.evidence import Evidence
from workloads.report.figures import WIDTH, Drawing
from workloads.report.tables import Table, in_order
from workloads.sweeps.plan import PLAIN, Cell
from workloads.sweeps.records import RunRecord

NAMES = ("engine start", "connect", "data", "warm-up", "work", "waiting")
MOST_ROWS = 12
HOW = (
    "Medians of the runs. The engine starts once for all runs on the same nodes, the rest is "
    "of each run. Work is the CPU time of the work, spread over all CPUs of the nodes. Waiting "
    "is what is left of its time: idle CPUs, the engine's own work and the network."
)

Spent = Mapping[str, float]


def spent(evidence: Evidence, cell: Cell) -> Spent | None:
    """Return the median seconds of each phase of a cell's runs; None without a run.

    The evidence is that of a whole sweep, whose parts share the start of an engine. Where CPU
    seconds are not known, all of the work's time counts as work.
    """
    rows = evidence.clean.get(cell, ())
    if not rows or not any(row.phases for row in rows):
        return None
    cpus = {str(one["name"]): float(one.get("cpus") or 0) for one in evidence.plan.machines}
    shares = [_work(row, sum(cpus.get(name, 0.0) for name in row.machines)) for row in rows]
    return {
        "engine start": _engine_start(evidence, cell),
        "connect": _median(rows, "connect"),
        "data": _median(rows, "data"),
        "warm-up": _median(rows, "warmup"),
        "work": statistics.median(work for work, _ in shares),
        "waiting": statistics.median(waiting for _, waiting in shares),
    }


def chosen(evidence: Evidence) -> list[Cell]:
    """Return the cells to show: plain, and each engine at its best on one node and on most."""
    found: list[Cell] = []
    for part in evidence.parts():
        medians = {cell: statistics.median(part.seconds(cell)) for cell in part.clean}
        engines = dict.fromkeys(cell.engine for cell in in_order(part))
        for engine in engines:
            own = [cell for cell in medians if cell.engine == engine]
            for nodes in sorted({min(one.nodes for one in own), max(one.nodes for one in own)}):
                there = [cell for cell in own if cell.nodes == nodes]
                found.append(min(there, key=lambda cell: medians[cell]))
    return found[:MOST_ROWS]


def sentence(evidence: Evidence, cell: Cell, known: Collection[str] = ()) -> str:
    """Return where the time of one cell goes, the largest phase first; empty if unknown.

    Of the settings of the cell those are not named that are `known`.
    """
    found = spent(evidence, cell)
    if found is None:
        return ""
    whole = sum(found.values())
    order = sorted(found, key=lambda name: -found[name])
    words = [
        f"{found[name] / whole:.0%} {_SAID[name]}"
        for name in order
        if found[name] >= 0.005 * whole
    ]
    return (
        f"Where the time goes on {named(cell, known)}: of {length(whole)} from nothing "
        f"to the result, {', '.join(words)}."
    )


_SAID = {
    "engine start": "start of the engine",
    "connect": "connecting to it",
    "data": "getting the data ready",
    "warm-up": "warm-up",
    "work": "the work itself",
    "waiting": "waiting",
}


def table(evidence: Evidence, cells: Sequence[Cell]) -> Table:
    """Return the seconds of each phase, a row for each cell."""
    rows = []
    for cell in cells:
        found = spent(evidence, cell)
        if found is not None:
            seconds = [f"{found[name]:.2f}" for name in NAMES]
            rows.append((named(cell), *seconds, f"{sum(found.values()):.2f}"))
    heads = ("Seconds", *(name.capitalize() for name in NAMES), "In all")
    return Table(heads, tuple(rows), frozenset(range(1, len(heads))))


def drawing(evidence: Evidence, cells: Sequence[Cell], name: str = "phases") -> list[Drawing]:
    """Draw a bar for each cell, its phases one after the other; nothing without phases."""
    bars = {cell: found for cell in cells if (found := spent(evidence, cell)) is not None}
    if not bars:
        return []
    title = "Where the time goes"
    with Canvas(name, WIDTH, 0.52 * len(bars) + 0.6) as canvas:
        axes = canvas.axes[0]
        for level, (cell, found) in enumerate(bars.items()):
            begin = 0.0
            axes.text(0, level - 0.32, shortened(named(cell), 52), color=INK, va="bottom")
            for phase, colour in zip(NAMES, PHASES, strict=True):
                axes.barh(level, found[phase], left=begin, color=colour, height=0.5,
                          linewidth=0)  # fmt: skip
                begin += found[phase]
        axes.set_yticks([])
        axes.set_ylim(len(bars) - 0.6, -0.9)
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("seconds from nothing to the result")
    said = "; ".join(
        f"{named(cell)}: " + ", ".join(f"{phase} {found[phase]:.2f} s" for phase in NAMES)
        for cell, found in bars.items()
    )
    keys = Markup("").join(
        Markup('<li class="phase-{}">{}</li>').format(index, phase)
        for index, phase in enumerate(NAMES, 1)
    )
    legend = Markup('<ul class="legend">{}</ul>').format(keys)
    return [Drawing(name, title, HOW, f"{canvas.svg(title, said)}{legend}")]


def _engine_start(evidence: Evidence, cell: Cell) -> float:
    """Return how long it takes to bring this engine up on that many nodes, whoever did it."""
    if cell.engine == PLAIN:
        return 0.0
    seconds = [
        float(row.bringup.get("seconds") or 0.0)
        for other, rows in evidence.clean.items()
        for row in rows
        if (other.engine, other.nodes) == (cell.engine, cell.nodes)
        and row.bringup.get("changed")
    ]
    return statistics.median(seconds) if seconds else 0.0


def _median(rows: Sequence[RunRecord], phase: str) -> float:
    return statistics.median(row.phases.get(phase, 0.0) for row in rows)


def _work(row: RunRecord, cpus: float) -> tuple[float, float]:
    """Return the seconds of a run's work with the CPUs at work for it, and without."""
    whole = row.wall_seconds or 0.0
    used = (row.cpu_seconds or 0.0) + (row.driver_cpu_seconds or 0.0)
    if not cpus or not row.cpu_seconds:
        return whole, 0.0
    busy = min(whole, used / cpus)
    return busy, whole - busy
