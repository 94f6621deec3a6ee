"""Each figure of the report: what is drawn, and what a reader without eyes is told of it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from workloads.report.canvas import (
    MUTED,
    Canvas,
    shortened,
)
from workloads.report.costs import Prices
from workloads.report.evidence import Evidence, Series
from workloads.report.node_axes import Label, colour_of, draw_cells, finish, title_of
from workloads.report.statistics import Law, Spread, spread
from workloads.sweeps.plan import PLAIN, Cell

WIDTH, HEIGHT = 4.6, 3.0
DOTS, LONG, SHORT = (0, (1, 3)), (0, (5, 3)), (0, (2, 2))


@dataclass(frozen=True)
class Drawing:
    """A figure with its heading, its caption and the SVG element itself."""

    name: str
    title: str
    caption: str
    svg: str


def time_against_nodes(evidence: Evidence, name: str = "time") -> Drawing:
    """Draw every run's time, the median and the middle half of each cell."""
    title = title_of("Time against nodes", evidence)
    with Canvas(name, WIDTH, HEIGHT) as canvas:
        axes = canvas.axes[0]
        labels = []
        for one in evidence.series():
            values = {cell.nodes: evidence.seconds(cell) for cell in evidence.cells(one)}
            if one.engine == PLAIN:
                middle = spread(values[1]).median
                axes.plot([1, _most(evidence)], [middle] * 2, color=colour_of(one), linewidth=1,
                          alpha=0.6)  # fmt: skip
            labels += draw_cells(axes, one, values)
        finish(axes, evidence, "seconds", labels)
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
    most, title = _most(evidence), title_of("Speed-up", evidence)
    fitted = {(one.engine, one.variation): found for one, found in laws.items()}
    with Canvas(name, WIDTH, HEIGHT) as canvas:
        axes = canvas.axes[0]
        axes.plot([1, most], [1, most], color=MUTED, linewidth=1, linestyle=DOTS)
        labels = [Label(most, most, "ideal", MUTED)]
        for one, base in _bases(evidence).items():
            found = fitted.get((one.engine, one.variation), ())
            for law, dashes in zip(found, (LONG, SHORT), strict=False):
                at = [1 + step * (most - 1) / 40 for step in range(41)]
                axes.plot(at, [law.speed_up(nodes) for nodes in at], color=colour_of(one),
                          linewidth=1, linestyle=dashes, alpha=0.7)  # fmt: skip
            values = {
                cell.nodes: [base / seconds for seconds in evidence.seconds(cell)]
                for cell in evidence.cells(one)
            }
            labels += draw_cells(axes, one, values, line=False)
        finish(axes, evidence, "times as fast as one node", labels)
    return Drawing(
        name,
        title,
        f"Against the {_own(evidence)} own median on one node. Long dashes: Amdahl's law; "
        "short dashes: the Universal Scalability Law; dots: ideal.",
        canvas.svg(title, _spoken(evidence, _relative_to_one(evidence), "times")),
    )


def efficiency(evidence: Evidence, name: str = "efficiency") -> Drawing:
    """Draw the speed-up per node."""
    title = title_of("Efficiency", evidence)
    with Canvas(name, WIDTH, HEIGHT) as canvas:
        axes = canvas.axes[0]
        axes.plot([1, _most(evidence)], [1, 1], color=MUTED, linewidth=1, linestyle=DOTS)
        labels = []
        for one, base in _bases(evidence).items():
            values = {
                cell.nodes: [base / seconds / cell.nodes for seconds in evidence.seconds(cell)]
                for cell in evidence.cells(one)
            }
            labels += draw_cells(axes, one, values)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        finish(axes, evidence, "speed-up per node", labels)
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
    title = title_of("Cost of a run", evidence)
    with Canvas(name, WIDTH, HEIGHT) as canvas:
        axes = canvas.axes[0]
        labels = []
        for one in evidence.series():
            values = {}
            for cell in evidence.cells(one):
                found = [prices.of_run(row) for row in evidence.clean[cell]]
                values[cell.nodes] = [cost for cost in found if cost is not None]
            known = {nodes: found for nodes, found in values.items() if found}
            labels += draw_cells(axes, one, known)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        finish(axes, evidence, f"{shortened(prices.currency)} a run".strip(), labels)
    words = "Hourly prices of the machines used, times the time of the work."
    if prices.assumed:
        words += " The price is an assumption, not the inventory's."
    return Drawing(name, title, words, canvas.svg(title, words))


def _own(evidence: Evidence) -> str:
    return "line's" if evidence.plan.variations else "engine's"


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
