"""What the machines did: their CPU and memory over time, and the phases of a bring-up."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from markupsafe import Markup

from workloads.report.canvas import INK, MUTED, PHASES, Canvas, series_colour, shortened
from workloads.report.comparison import named
from workloads.report.evidence import Evidence, Series
from workloads.report.figures import LONG, WIDTH, Drawing
from workloads.report.statistics import spread
from workloads.sweeps.plan import PLAIN, Cell
from workloads.sweeps.records import RunRecord

ROW_HEIGHT = 0.85
MOST_NODES = 12
GIB = 1 << 30


def typical_row(evidence: Evidence, series: Series) -> RunRecord | None:
    """Return the run nearest the median on the most nodes that has a timeline."""
    for cell in reversed(evidence.cells(series)):
        rows = [row for row in evidence.clean[cell] if row.timeline]
        if rows:
            middle = spread(evidence.seconds(cell)).median
            return min(rows, key=lambda row: abs((row.wall_seconds or 0.0) - middle))
    return None


def over_time(row: RunRecord, series: Series, memory_of: Mapping[str, int]) -> list[Drawing]:
    """Draw CPU and memory of each node through one run, a small figure for each node."""
    nodes = [node for node in row.machines if row.timeline.get(node, {}).get("seconds")]
    nodes = nodes[:MOST_NODES]
    if not nodes:
        return []
    cpu = {node: [100 * float(one) for one in row.timeline[node]["cpu"]] for node in nodes}
    memory = {node: [one / GIB for one in row.timeline[node]["memory"]] for node in nodes}
    room = {node: memory_of.get(node, 0) / GIB for node in nodes}
    return [
        _small_multiples("cpu", "CPU in use, %", row, series, cpu, dict.fromkeys(nodes, 100.0)),
        _small_multiples("memory", "Memory in use, GiB", row, series, memory, room),
    ]


def _small_multiples(
    kind: str,
    unit: str,
    row: RunRecord,
    series: Series,
    values: Mapping[str, Sequence[float]],
    top: Mapping[str, float],
) -> Drawing:
    name = f"{kind}-{series.slug}"
    colour = series_colour(series.engine, series.place)
    most = max(float(row.timeline[node]["seconds"][-1]) for node in values)
    highest = 1.05 * max(max(top[node], *found) for node, found in values.items())
    height = ROW_HEIGHT * len(values) + 0.5
    with Canvas(name, WIDTH, height, rows=len(values)) as canvas:
        for axes, (node, found) in zip(canvas.axes, values.items(), strict=True):
            seconds = row.timeline[node]["seconds"]
            axes.fill_between(seconds, found, color=colour, alpha=0.18, linewidth=0)
            axes.plot(seconds, found, color=colour, linewidth=1.2)
            axes.set_xlim(0, max(most, 1.0))
            axes.set_ylim(0, highest)
            axes.set_title(shortened(node), color=INK)
            axes.spines["left"].set_visible(False)
            for at in _work_phase(row):
                axes.axvline(at, color=MUTED, linewidth=0.8, linestyle=LONG)
        canvas.axes[-1].set_xlabel("seconds since the start of the run")
    title = f"{unit.partition(',')[0]}: {named(series.cell(row.nodes))}"
    words = (
        f"{unit}, in repeat {row.repeat}, the one nearest the median. Work goes on between "
        "the dashed lines."
    )
    spoken = "; ".join(
        f"{node}: mean {fmean(found):.2g}, most {max(found):.2g}"
        for node, found in values.items()
    )
    return Drawing(name, title, words, canvas.svg(title, f"{unit}. {spoken}."))


def _work_phase(row: RunRecord) -> tuple[float, float]:
    before = sum(seconds for phase, seconds in row.phases.items() if phase != "work")
    return before, before + row.phases.get("work", row.wall_seconds or 0.0)


def bringup(evidence: Evidence) -> list[Drawing]:
    """Draw, for each engine, the phases of the bring-up on the most nodes as a waterfall."""
    found: dict[str, RunRecord] = {}
    for cell, rows in evidence.clean.items():
        for row in rows:
            if cell.engine == PLAIN or not row.bringup.get("changed"):
                continue
            if row.bringup.get("phases"):
                most = max(found.get(cell.engine, row), row, key=_nodes_and_seconds)
                found[cell.engine] = most
    engines = dict.fromkeys(one.engine for one in evidence.series())
    return [_waterfall(engine, found[engine]) for engine in engines if engine in found]


def _nodes_and_seconds(row: RunRecord) -> tuple[int, float]:
    return row.nodes, float(row.bringup["seconds"])


def _waterfall(engine: str, row: RunRecord) -> Drawing:
    phases: Mapping[str, Sequence[tuple[str, float]]] = row.bringup["phases"]
    order = list(dict.fromkeys(step for steps in phases.values() for step, _ in steps))
    name = f"bringup-{engine}"
    with Canvas(name, WIDTH, 0.34 * len(phases) + 0.75) as canvas:
        axes = canvas.axes[0]
        for level, steps in enumerate(phases.values()):
            begin = 0.0
            for step, seconds in steps:
                colour = PHASES[order.index(step) % len(PHASES)]
                axes.barh(level, seconds, left=begin, color=colour, height=0.6, linewidth=0)
                begin += seconds
        axes.set_yticks(range(len(phases)), [shortened(node) for node in phases])
        axes.invert_yaxis()
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("seconds")
        axes.spines["left"].set_visible(False)
    spoken = "; ".join(
        f"{node}: " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps)
        for node, steps in phases.items()
    )
    title = f"Bring-up: {named(Cell(engine, row.nodes))}"
    words = (
        f"{float(row.bringup['seconds']):.1f} s in all; the phases of each node one after "
        "the other."
    )
    keys = Markup("").join(
        Markup('<li class="phase-{}">{}</li>').format(index % len(PHASES) + 1, step)
        for index, step in enumerate(order)
    )
    legend = Markup('<ul class="legend">{}</ul>').format(keys)
    return Drawing(name, title, words, f"{canvas.svg(title, spoken)}{legend}")
