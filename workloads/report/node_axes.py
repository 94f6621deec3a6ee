"""The axes that figures over nodes share: how runs are drawn, and where names stand."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from workloads.report.canvas import INK, MARKERS, MUTED, PAPER, series_colour
from workloads.report.evidence import Evidence, Series
from workloads.report.statistics import spread

LABEL_GAP = 0.075


@dataclass(frozen=True)
class Label:
    """The name of a series beside its last point, which is at `x` and `y`."""

    x: float
    y: float
    text: str
    colour: str


def title_of(words: str, evidence: Evidence) -> str:
    """Return a title that says of which part of the sweep a figure is."""
    return f"{words}: {', '.join(evidence.part)}" if evidence.part else words


def colour_of(series: Series) -> str:
    """Return the colour of a series."""
    return series_colour(series.engine, series.place)


def draw_cells(
    axes: Axes, series: Series, values: Mapping[int, Sequence[float]], *, line: bool = True
) -> list[Label]:
    """Draw the runs of one series; return where its name should stand.

    Every second variation has hollow marks.
    """
    colour, marker = colour_of(series), MARKERS[series.engine]
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


def finish(
    axes: Axes, evidence: Evidence, unit: str, labels: Sequence[Label], *, zero: bool = True
) -> None:
    """Give a figure over nodes its axes, from 0 if `zero`, and its series their names."""
    counts = sorted({cell.nodes for cell in evidence.clean} or {1})
    margin = 0.12 * max(1, counts[-1] - counts[0])
    axes.set_xlim(counts[0] - margin, counts[-1] + 3 * margin)
    axes.set_xticks(counts)
    if zero:
        axes.set_ylim(0, axes.get_ylim()[1])
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.set_xlabel("nodes")
    axes.set_title(unit, color=MUTED)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    for label, height in zip(labels, _heights(labels, *axes.get_ylim()), strict=True):
        axes.text(counts[-1] + 0.7 * margin, height, label.text, va="center",
                  color=label.colour, fontweight="bold")  # fmt: skip


def _heights(labels: Sequence[Label], bottom: float, top: float) -> list[float]:
    """Return where to write each label so that none covers another, nearest its own point."""
    gap = LABEL_GAP * (top - bottom)
    order = sorted(range(len(labels)), key=lambda index: labels[index].y)
    heights = [label.y for label in labels]
    for _ in range(20):
        for low, high in itertools.pairwise(order):
            short = gap - (heights[high] - heights[low])
            if short > 0:
                heights[low] -= short / 2
                heights[high] += short / 2
    if order and heights[order[0]] < bottom:  # nothing is written on the axis or below it
        floor = bottom + gap / 2
        for index in order:
            heights[index] = max(heights[index], floor)
            floor = heights[index] + gap
    return heights


def _brief(label: str, limit: int = 30) -> str:
    """Return a label without its middle where it is long: two may differ at their ends only."""
    half = limit // 2
    return label if len(label) <= limit else f"{label[:half]}…{label[1 - half :]}"
