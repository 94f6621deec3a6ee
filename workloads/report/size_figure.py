"""Time against the size of the data, for a sweep that varies it."""

from collections.abc import Mapping

from workloads.report.canvas import MARKERS, MUTED, PAPER, Canvas, series_colour
from workloads.report.evidence import Evidence
from workloads.report.figures import DOTS, HEIGHT, WIDTH, Drawing
from workloads.report.statistics import spread
from workloads.sweeps.plan import PLAIN, Cell

Line = tuple[str, int]


def time_against_size(evidence: Evidence) -> list[Drawing]:
    """Draw each engine on one node and on the most, and plain; nothing if no size is varied.

    Both axes are logarithmic: a line that is flat at its left end is overhead, not work.
    """
    name = str(evidence.plan.facts.get("size", ""))
    lines = _lines(evidence, name)
    sizes = {size for points in lines.values() for size in points}
    if len(sizes) < 2:
        return []
    title = f"Time against {name}"
    said = []
    with Canvas("size", WIDTH, HEIGHT) as canvas:
        axes = canvas.axes[0]
        for (engine, nodes), points in lines.items():
            at = sorted(points)
            colour = series_colour(engine)
            label = "plain" if engine == PLAIN else f"{engine.capitalize()} x {nodes}"
            axes.plot(at, [points[size] for size in at], color=colour, marker=MARKERS[engine],
                      markersize=5, markerfacecolor=PAPER if nodes == 1 else colour,
                      linestyle="--" if nodes == 1 and engine != PLAIN else "-")  # fmt: skip
            axes.annotate(label, (at[-1], points[at[-1]]), xytext=(7, 0), va="center",
                          textcoords="offset points", color=colour)  # fmt: skip
            said += [f"{label} with {size}: {points[size]:.3g} s" for size in at]
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(min(sizes) / 1.3, max(sizes) * 4)
        axes.set_xticks(sorted(sizes), [f"{size:,}" for size in sorted(sizes)], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_xlabel(name)
        axes.set_title("seconds", color=MUTED)
    words = f"Medians: {'; '.join(said)}."
    caption = "Medians, both axes logarithmic. Dashes and hollow marks: one node."
    return [Drawing("size", title, caption, canvas.svg(title, words))]


def gain_against_size(evidence: Evidence) -> list[Drawing]:
    """Draw how many times as fast as plain each engine is on its most nodes, by size."""
    name = str(evidence.plan.facts.get("size", ""))
    lines = _lines(evidence, name)
    plain = lines.pop((PLAIN, 1), {})
    most = {engine: max(nodes for one, nodes in lines if one == engine) for engine, _ in lines}
    gains = {
        engine: {
            size: plain[size] / seconds
            for size, seconds in sorted(lines[engine, nodes].items())
            if size in plain
        }
        for engine, nodes in most.items()
    }
    gains = {engine: points for engine, points in gains.items() if len(points) > 1}
    if not gains:
        return []
    title, said = f"Speed-up against plain by {name}", []
    sizes = sorted({size for points in gains.values() for size in points})
    with Canvas("gain", WIDTH, HEIGHT) as canvas:
        axes = canvas.axes[0]
        axes.axhline(1, color=MUTED, linewidth=1, linestyle=DOTS)
        for engine, points in gains.items():
            label, colour = f"{engine.capitalize()} x {most[engine]}", series_colour(engine)
            axes.plot(list(points), list(points.values()), color=colour, marker=MARKERS[engine],
                      markersize=5)  # fmt: skip
            axes.annotate(label, list(points.items())[-1], xytext=(7, 0), va="center",
                          textcoords="offset points", color=colour)  # fmt: skip
            said += [f"{label} with {size}: {gain:.3g}" for size, gain in points.items()]
        axes.set_xscale("log")
        axes.set_xlim(sizes[0] / 1.3, sizes[-1] * 4)
        axes.set_ylim(0, None)
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes], minor=False)
        axes.set_xticks([], minor=True)
        axes.set_xlabel(name)
        axes.set_title("times as fast as plain", color=MUTED)
    caption = "Medians. Below the dots one plain machine is faster: do not distribute that."
    return [Drawing("gain", title, caption, canvas.svg(title, f"{'; '.join(said)}."))]


def _lines(evidence: Evidence, name: str) -> dict[Line, Mapping[int, float]]:
    """Return the median by size of each engine on one node and on the most that it had."""
    found: dict[Line, dict[int, float]] = {}
    most: dict[str, int] = {}
    for cell in evidence.clean:
        most[cell.engine] = max(most.get(cell.engine, 1), cell.nodes)
    for cell in evidence.clean:
        size = _size(evidence, cell, name)
        if size is not None and cell.nodes in (1, most[cell.engine]):
            points = found.setdefault((cell.engine, cell.nodes), {})
            median = spread(evidence.seconds(cell)).median
            points[size] = min(median, points.get(size, median))
    return dict(sorted(found.items(), key=lambda one: (one[0][0] == PLAIN, one[0])))


def _size(evidence: Evidence, cell: Cell, name: str) -> int | None:
    """Return how much data a cell computed on, if that is varied and a whole number."""
    known = evidence.plan.subject.of(cell.engine)
    settings = next((one.settings for one in known if one.names == cell.variation), {})
    size = settings.get(name)
    return size if isinstance(size, int) else None
