"""How good what every engine found is, beside what the library's own code finds."""

import statistics
from collections.abc import Mapping

from matplotlib.axes import Axes

from contracts.trial import TrialResult
from workloads.report.canvas import Canvas
from workloads.report.evidence import Evidence
from workloads.report.figures import HEIGHT, WIDTH, Drawing
from workloads.report.node_axes import draw_cells, finish, title_of
from workloads.report.tables import NOTHING, Table
from workloads.sweeps.plan import PLAIN, Cell


def ranked(evidence: Evidence) -> bool:
    """Return whether a higher score is a better one; else scores are equal or not, no more."""
    return bool(evidence.plan.facts.get("ranked", True))


def table(evidence: Evidence) -> Table:
    """Return a row for each cell of every part: its best score, and how far it is from plain.

    The difference is the largest of any trial and fold, as a part of the score's size. Where
    no score is better than another, there is no best one.
    """
    chosen = ranked(evidence)
    rows: list[tuple[str, ...]] = []
    varied = bool(evidence.plan.variations)
    for part in evidence.parts():
        found = _by_cell(part)
        for series in sorted(part.series(), key=lambda one: one.engine != PLAIN):
            for cell in part.cells(series):
                results = found.get(cell)
                if not results:
                    continue
                best = max(statistics.fmean(one.scores) for one in results.values())
                away = _away(results, found.get(part.baseline(cell), {}))
                rows.append(
                    (
                        cell.engine.capitalize(),
                        *((", ".join(cell.variation) or NOTHING,) if varied else ()),
                        str(cell.nodes),
                        *((f"{best:.6g}",) if chosen else ()),
                        NOTHING if away is None or cell.engine == PLAIN else f"{away:.2g}",
                    )
                )
    names = ("Engine", "Variation") if varied else ("Engine",)
    best_head = ("Best score",) if chosen else ()
    heads = (*names, "Nodes", *best_head, "Largest difference from plain")
    return Table(heads, tuple(rows), frozenset(range(len(names), len(heads))))


def drawing(evidence: Evidence, name: str = "quality") -> list[Drawing]:
    """Draw the best score of each run over the nodes; nothing where none is known or best."""
    found = _best_of_runs(evidence) if ranked(evidence) else {}
    title, said = title_of("Quality", evidence), []
    with Canvas(name, WIDTH, HEIGHT) as canvas:
        labels = []
        for one in evidence.series():
            values = {cell.nodes: found[cell] for cell in evidence.cells(one) if cell in found}
            labels += draw_cells(canvas.axes[0], one, values)
            said += [
                f"{one.label} on {nodes}: {max(best):.6g}" for nodes, best in values.items()
            ]
        if not said:
            return []
        _widen(canvas.axes[0])
        finish(canvas.axes[0], evidence, "best score", labels, zero=False)
    words = "The best score of each run. Lines that lie on each other found the same."
    return [Drawing(name, title, words, canvas.svg(title, f"Scores: {'; '.join(said)}."))]


def _widen(axes: Axes) -> None:
    """Show a fiftieth of the scores' size at least, so that what is the same looks the same."""
    low, high = axes.get_ylim()
    middle = (low + high) / 2
    half = max((high - low) / 2, 0.01 * abs(middle), 1e-12)
    axes.set_ylim(middle - half, middle + half)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.4g}")


def best_score(evidence: Evidence, cell: Cell) -> float | None:
    """Return the best score of a cell's runs; None where none is known, or none is best."""
    if not ranked(evidence):
        return None
    return max(_best_of_runs(evidence).get(cell, ()), default=None)


def _best_of_runs(evidence: Evidence) -> dict[Cell, list[float]]:
    clean = {row.run_id for rows in evidence.clean.values() for row in rows}
    found: dict[Cell, list[float]] = {}
    for run in evidence.runs:
        results = [evidence.results.get(trial.trial_id) for trial in run.trials]
        means = [
            statistics.fmean(one.scores)
            for one in results
            if one is not None and one.status == "ok"
        ]
        if run.run_id in clean and means:
            found.setdefault(run.cell, []).append(max(means))
    return found


def explained(evidence: Evidence) -> str:
    """Return what the scores are; empty where the plan does not say so."""
    words = evidence.plan.facts.get("quality")
    if not words:
        return ""
    return f"Score: {words}; higher is better." if ranked(evidence) else f"Score: {words}."


def _by_cell(evidence: Evidence) -> dict[Cell, dict[str, TrialResult]]:
    """Return the good results of each cell's comparable runs by the trial's parameters."""
    clean = {row.run_id for rows in evidence.clean.values() for row in rows}
    found: dict[Cell, dict[str, TrialResult]] = {}
    for run in evidence.runs:
        if run.run_id not in clean:
            continue
        for trial in run.trials:
            result = evidence.results.get(trial.trial_id)
            if result is not None and result.status == "ok":
                found.setdefault(run.cell, {})[str(dict(trial.parameters))] = result
    return found


def _away(ours: Mapping[str, TrialResult], plain: Mapping[str, TrialResult]) -> float | None:
    distances = [
        abs(one - other) / max(abs(one), abs(other), 1e-300)
        for key in ours.keys() & plain.keys()
        for one, other in zip(ours[key].scores, plain[key].scores, strict=False)
    ]
    return max(distances, default=None)
