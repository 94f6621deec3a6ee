"""Each figure of the report: what is drawn, and what a reader without eyes is told of it."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from workloads.report.canvas import (
    INK,
    MARKERS,
    MUTED,
    PAPER,
    Canvas,
    series_colour,
    shortened,
)
from workloads.report.costs import Prices
from workloads.report.evidence import Evidence, Series
from workloads.report.statistics import Law, Spread, spread
from workloads.sweeps.plan import PLAIN, Cell

WIDTH, HEIGHT = 4.6, 3.0
LABEL_GAP = 0.075
DOTS, LONG, SHORT = (0, (1, 3)), (0, (5, 3)), (0, (2, 2))


@dataclass(frozen=True)
class Label:
    """The name of a series beside its last point, which is at `x` and `y`."""

    x: float
    y: float
    text: str
    colour: str


@dataclass(frozen=True)
class Drawing:
    """A figure with its heading, its caption and the SVG element itself."""

    name: str
    title: str
    caption: str
    svg: str


def time_against_nodes(evidence: Evidence, name: str = "time") -> Drawing:
    """Draw every run's time, the median and the middle half of each cell."""
    title = _title("Time against nodes", evidence)
    with Canvas(name, WIDTH, HEIGHT) as canvas:
        axes = canvas.axes[0]
        labels = []
        for one in evidence.series():
            values = {cell.nodes: evidence.seconds(cell) for cell in evidence.cells(one)}
            if one.engine == PLAIN:
                middle = spread(values[1]).median
                axes.plot([1, _most(evidence)], [middle] * 2, color=_colour(one), linewidth=1,
                          alpha=0.6)  # fmt: skip
            labels += _draw_cells(axes, one, values)
        _finish(axes, evidence, "seconds", labels)
    return Drawing(
        name,
        title,
        "Each dot is one run, the line joins the medians, the bar spans the middle half.",
        canvas.svg(title, _spoken(evidence, lambda seconds, _: seconds, "s")),
    )


def speed_up(
    evidence: Evidence, laws: Mapping[Series, Sequence[Law]], name: str = "speed-up"
) -> Drawing:
    """Draw how many times as fast as one node each series is, the ideal, and the fits."""
    most, title = _most(evidence), _title("Speed-up", evidence)
    fitted = {(one.engine, one.variation): found for one, found in laws.items()}
    with Canvas(name, WIDTH, HEIGHT) as canvas:
        axes = canvas.axes[0]
        axes.plot([1, most], [1, most], color=MUTED, linewidth=1, linestyle=DOTS)
        labels = [Label(most, most, "ideal", MUTED)]
        for one, base in _bases(evidence).items():
            found = fitted.get((one.engine, one.variation), ())
            for law, dashes in zip(found, (LONG, SHORT), strict=False):
                at = [1 + step * (most - 1) / 40 for step in range(41)]
                axes.plot(at, [law.speed_up(nodes) for nodes in at], color=_colour(one),
                          linewidth=1, linestyle=dashes, alpha=0.7)  # fmt: skip
            values = {
                cell.nodes: [base / seconds for seconds in evidence.seconds(cell)]
                for cell in evidence.cells(one)
            }
            labels += _draw_cells(axes, one, values, line=False)
        _finish(axes, evidence, "times as fast as one node", labels)
    return Drawing(
        name,
        title,
        f"Against the {_own(evidence)} own median on one node. Long dashes: Amdahl's law; "
        "short dashes: the Universal Scalability Law; dots: ideal.",
        canvas.svg(title, _spoken(evidence, _relative_to_one(evidence), "times")),
    )


def efficiency(evidence: Evidence, name: str = "efficiency") -> Drawing:
    """Draw the speed-up per node."""
    title = _title("Efficiency", evidence)
    with Canvas(name, WIDTH, HEIGHT) as canvas:
        axes = canvas.axes[0]
        axes.plot([1, _most(evidence)], [1, 1], color=MUTED, linewidth=1, linestyle=DOTS)
        labels = []
        for one, base in _bases(evidence).items():
            values = {
                cell.nodes: [base / seconds / cell.nodes for seconds in evidence.seconds(cell)]
                for cell in evidence.cells(one)
            }
            labels += _draw_cells(axes, one, values)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        _finish(axes, evidence, "speed-up per node", labels)
    relative = _relative_to_one(evidence)
    return Drawing(
        name,
        title,
        "Speed-up divided by the number of nodes; at 100 % no machine is wasted.",
        canvas.svg(
            title,
            _spoken(
                evidence, lambda seconds, cell: 100 * relative(seconds, cell) / cell.nodes, "%"
            ),
        ),
    )


def cost(evidence: Evidence, prices: Prices, name: str = "cost") -> Drawing:
    """Draw what one run costs."""
    title = _title("Cost of a run", evidence)
    with Canvas(name, WIDTH, HEIGHT) as canvas:
        axes = canvas.axes[0]
        labels = []
        for one in evidence.series():
            values = {}
            for cell in evidence.cells(one):
                found = [prices.of_run(row) for row in evidence.clean[cell]]
                values[cell.nodes] = [cost for cost in found if cost is not None]
            known = {nodes: found for nodes, found in values.items() if found}
            labels += _draw_cells(axes, one, known)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        _finish(axes, evidence, f"{shortened(prices.currency)} a run".strip(), labels)
    words = "Hourly prices of the machines used, times the time of the work."
    if prices.assumed:
        words += " The price is an assumption, not the inventory's."
    return Drawing(name, title, words, canvas.svg(title, words))


def _title(words: str, evidence: Evidence) -> str:
    return f"{words}: {', '.join(evidence.part)}" if evidence.part else words


def _brief(label: str, limit: int = 30) -> str:
    """Return a label without its middle where it is long: two may differ at their ends only."""
    half = limit // 2
    return label if len(label) <= limit else f"{label[:half]}…{label[1 - half :]}"


def _own(evidence: Evidence) -> str:
    return "line's" if evidence.plan.variations else "engine's"


def _colour(series: Series) -> str:
    return series_colour(series.engine, series.place)


def _draw_cells(
    axes: Axes, series: Series, values: Mapping[int, Sequence[float]], *, line: bool = True
) -> list[Label]:
    """Draw the runs of one series; return where its name should stand.

    Every second variation has hollow marks.
    """
    colour, marker = _colour(series), MARKERS[series.engine]
    inner, outer = (PAPER, colour) if series.place % 2 else (colour, PAPER)
    spreads = {nodes: spread(found) for nodes, found in sorted(values.items())}
    if not spreads:
        return []
    for nodes, found in values.items():
        axes.plot([nodes] * len(found), found, marker, color=colour, markersize=3,
                  alpha=0.45, markeredgewidth=0)  # fmt: skip
    at = list(spreads)
    medians = [one.median for one in spreads.values()]
    axes.vlines(at, [one.low for one in spreads.values()],
                [one.high for one in spreads.values()], color=colour, linewidth=3.2,
                alpha=0.35)  # fmt: skip
    axes.plot(at, medians, color=colour, marker=marker, markersize=6, markerfacecolor=inner,
              markeredgecolor=outer, markeredgewidth=1, zorder=3,
              linestyle="-" if line and len(at) > 1 else "none")  # fmt: skip
    return [Label(at[-1], medians[-1], _brief(series.label), colour)]


def _finish(axes: Axes, evidence: Evidence, unit: str, labels: Sequence[Label]) -> None:
    counts = sorted({cell.nodes for cell in evidence.clean} or {1})
    margin = 0.12 * max(1, counts[-1] - counts[0])
    axes.set_xlim(counts[0] - margin, counts[-1] + 3 * margin)
    axes.set_xticks(counts)
    axes.set_ylim(0, axes.get_ylim()[1])
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.set_xlabel("nodes")
    axes.set_title(unit, color=MUTED)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    for label, height in zip(labels, _heights(labels, axes.get_ylim()[1]), strict=True):
        axes.text(counts[-1] + 0.7 * margin, height, label.text, va="center",
                  color=label.colour, fontweight="bold")  # fmt: skip


def _heights(labels: Sequence[Label], top: float) -> list[float]:
    """Return where to write each label so that none covers another, nearest its own point."""
    gap = LABEL_GAP * top
    order = sorted(range(len(labels)), key=lambda index: labels[index].y)
    heights = [label.y for label in labels]
    for _ in range(20):
        for low, high in itertools.pairwise(order):
            short = gap - (heights[high] - heights[low])
            if short > 0:
                heights[low] -= short / 2
                heights[high] += short / 2
    if order and heights[order[0]] < 0:  # nothing is written on the axis or below it
        floor = gap / 2
        for index in order:
            heights[index] = max(heights[index], floor)
            floor = heights[index] + gap
    return heights


def _most(evidence: Evidence) -> int:
    return max((cell.nodes for cell in evidence.clean), default=1)


def _bases(evidence: Evidence) -> dict[Series, float]:
    """Return the median on one node of each series of an engine that was measured on one."""
    return {
        one: spread(evidence.seconds(one.cell(1))).median
        for one in evidence.series()
        if one.engine != PLAIN and one.cell(1) in evidence.clean
    }


def _relative_to_one(evidence: Evidence) -> Callable[[float, Cell], float]:
    bases = {one.cell(1): base for one, base in _bases(evidence).items()}

    def relative(seconds: float, cell: Cell) -> float:
        return bases.get(dataclasses.replace(cell, nodes=1), float("nan")) / seconds

    return relative


def _spoken(evidence: Evidence, value: Callable[[float, Cell], float], unit: str) -> str:
    words = []
    for cell in evidence.clean:
        median: Spread = spread(evidence.seconds(cell))
        found = value(median.median, cell)
        if found == found:
            name = " ".join([cell.engine, *cell.variation])
            words.append(f"{name} on {cell.nodes}: {found:.3g} {unit}")
    return "Medians: " + "; ".join(words) + "." if words else "No runs to show."
