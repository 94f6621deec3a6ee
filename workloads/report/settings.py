"""The settings of a sweep and the parameters of its grid: which matters, by how much."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contracts.trial import TrialResult, canonical
from workloads.report.canvas import INK, MUTED, PAPER, Canvas, shortened
from workloads.report.effects import Effect, Level, Observation, main_effects, number
from workloads.report.evidence import Evidence
from workloads.report.figures import DOTS, WIDTH, Drawing
from workloads.report.tables import Table
from workloads.sweeps.plan import PLAIN

ROW_HEIGHT = 0.55
MOST_LEVELS = 6
ALIKE = 1e-6
PLACES = ("engine", "nodes")
HOW = (
    "A ratio is the slowest value over the fastest, with all other settings equal, the median "
    "of all such comparisons; its range is from the least to the most of any pair of runs. "
    "Below 1.1 it does not matter. A setting whose best value depends on another is named."
)


@dataclass(frozen=True)
class Settings:
    """What was varied in one sweep: `of` says of what the times are, `name` is an id."""

    name: str
    of: str
    effects: tuple[Effect, ...]


def settings_of(evidence: Evidence, name: str = "settings") -> list[Settings]:
    """Return the effects of what runs vary by `--vary`, and of the parameters of the grid.

    The amount of data is no setting that one chooses for speed, so it has no effect here and
    is one of those that others are compared at. The same goes for plain, which has no engine.
    """
    found = []
    if evidence.plan.variations:
        effects = main_effects(list(_of_runs(evidence)))
        chosen = _chosen(evidence, effects)
        if any(one.name not in PLACES for one in chosen):
            found.append(Settings(name, "the time of a run", chosen))
    trials = main_effects(list(_of_trials(evidence)))
    own = [one for one in trials if one.name in _grid(evidence)]
    found.append(Settings(f"{name}-grid", "the time of a trial", tuple(own)))
    return [one for one in found if one.effects]


def table(settings: Settings) -> Table:
    """Return a row for each setting, the one that matters most first."""
    rows = tuple(
        (
            one.name,
            ", ".join(f"{level.value}: {_seconds(level.seconds)}" for level in _shown(one)),
            f"{number(one.ratio)}x",
            f"{number(one.low)} to {number(one.high)}",
            str(one.blocks),
            one.verdict,
        )
        for one in settings.effects
    )
    heads = ("Setting", "Slowest to fastest", "Ratio", "Range", "Compared in", "It")
    return Table(heads, rows, frozenset({2, 3, 4}))


def sentences(settings: Settings) -> Iterator[str]:
    """Yield what each setting does, as one would tell it to a colleague."""
    for one in settings.effects:
        change = f"{one.levels[0].value} to {one.levels[-1].value}"
        words = f"{one.name}, {change}: {number(one.ratio)}x"
        spread = f" ({number(one.low)} to {number(one.high)})"
        yield f"{words}{spread}, {_WORDS[one.verdict]}."
        for crossed in one.interactions:
            best = ", ".join(
                f"{value} with {crossed.other}={level}" for level, value in crossed.best.items()
            )
            yield (
                f"{one.name} depends on {crossed.other}: the best is {best}; the other's best "
                f"costs up to {number(crossed.loss)}x there."
            )


_WORDS = {
    "matters": "it matters",
    "depends": "it depends on the others",
    "unclear": "which the spread of the runs does not tell from chance",
    "does not matter": "it does not matter",
}


def drawing(settings: Settings) -> Drawing:
    """Draw each setting as a line from its fastest value to its slowest, as times the best."""
    effects = settings.effects
    title = f"What changes {settings.of}"
    with Canvas(settings.name, WIDTH, ROW_HEIGHT * len(effects) + 0.8) as canvas:
        axes = canvas.axes[0]
        most = max(1.5, *(one.levels[0].relative for one in effects))
        for row, one in enumerate(effects):
            dull = one.verdict == "does not matter"
            colour = MUTED if dull else INK
            at = [level.relative for level in one.levels]
            axes.plot([1, at[0]], [row, row], color=colour, linewidth=2, alpha=0.5)
            axes.plot(at, [row] * len(at), "o", color=colour, markersize=6,
                      markeredgecolor=PAPER)  # fmt: skip
            ends = " → ".join(shortened(one.levels[end].value, 14) for end in (0, -1))
            words = f"{shortened(one.name, 20)}  {number(one.ratio)}x  {ends}"
            axes.annotate(words, (1, row), xytext=(0, 6), va="bottom",
                          textcoords="offset points", color=colour)  # fmt: skip
        axes.axvline(1, color=MUTED, linewidth=1, linestyle=DOTS)
        axes.set_xscale("log")
        axes.set_xlim(0.97, most**1.1)
        ticks = [one for one in (1, 1.5, 2, 3, 5, 10, 20, 50, 100) if one <= most * 1.2]
        axes.set_xticks(ticks, [f"{one:g}x" for one in ticks])
        axes.set_xticks([], minor=True)
        axes.set_ylim(len(effects) - 0.7, -0.8)
        axes.set_yticks([])
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("times as long as with the best value")
    words = "Each dot is a value, the best at 1x; grey does not matter."
    spoken = " ".join(sentences(settings))
    return Drawing(settings.name, title, words, canvas.svg(title, spoken))


def _of_runs(evidence: Evidence) -> Iterator[Observation]:
    for cell, rows in evidence.clean.items():
        if cell.engine != PLAIN and rows:
            named = dict(name.split("=", 1) for name in cell.variation)
            place = {"engine": cell.engine, "nodes": str(cell.nodes)}
            yield Observation({**place, **named}, tuple(evidence.seconds(cell)))


def _chosen(evidence: Evidence, effects: Sequence[Effect]) -> tuple[Effect, ...]:
    size = evidence.plan.facts.get("size")
    return tuple(one for one in effects if one.name != size)


def _of_trials(evidence: Evidence) -> Iterator[Observation]:
    """Yield the seconds of each combination of the grid on each cell, where runs tell them.

    In a run whose trials all took the same time, the time was divided and not measured.
    """
    found: dict[tuple[str, str], tuple[dict[str, str], list[float]]] = {}
    clean = {row.run_id for rows in evidence.clean.values() for row in rows}
    for run in evidence.runs:
        results = [evidence.results.get(trial.trial_id) for trial in run.trials]
        good = [one for one in results if one is not None and one.status == "ok"]
        if run.run_id not in clean or run.cell.engine == PLAIN or not _told_apart(good):
            continue
        for one in good:
            place = {"engine": run.cell.engine, "nodes": str(run.cell.nodes)}
            values = {name: _text(value) for name, value in one.parameters.items()}
            named = dict(name.split("=", 1) for name in run.cell.variation)
            key = (str(run.cell), canonical(one.parameters))
            found.setdefault(key, ({**place, **named, **values}, []))[1].append(one.seconds)
    for settings, seconds in found.values():
        if min(seconds) > 0:
            yield Observation(settings, tuple(seconds))


def _told_apart(results: Sequence[TrialResult]) -> bool:
    seconds = [one.seconds for one in results]
    if len(seconds) < 2:
        return False
    return max(seconds) - min(seconds) > ALIKE * statistics.fmean(seconds)


def _grid(evidence: Evidence) -> set[str]:
    return {name for one in evidence.work.combinations for name in one}


def _shown(effect: Effect) -> list[Level]:
    levels = list(effect.levels)
    if len(levels) <= MOST_LEVELS:
        return levels
    half = MOST_LEVELS // 2
    return [*levels[:half], *levels[-half:]]


def _seconds(value: float) -> str:
    return f"{value:.3g} s"


def _text(value: object) -> str:
    return value if isinstance(value, str) else canonical(value)
