"""The report's files: an HTML page that needs nothing else, the same in Markdown, and a CSV."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.files import write_atomically
from workloads.report import (
    extras,
    figures,
    machine_figures,
    phases,
    profiles,
    published,
    quality,
    resources,
    reuse,
    settings,
    size_figure,
    tables,
    words,
)
from workloads.report.answer import Answer
from workloads.report.costs import Prices
from workloads.report.evidence import Evidence, Series
from workloads.report.leading import MOST_LINES, leading, note, slowest_part
from workloads.report.reading import Reading, read
from workloads.report.scores import agreement, ranking
from workloads.report.settings_page import shown
from workloads.report.statistics import Law, fit_laws
from workloads.report.templates import environment
from workloads.sweeps.plan import PLAIN

HTML = "report.html"


@dataclass(frozen=True)
class Built:
    """What was written where, and what it says."""

    html: Path
    markdown: Path
    csv: Path
    reading: Reading

    @property
    def answer(self) -> Answer:
        """The answer at the top of the page."""
        return self.reading.answer

    @property
    def evidence(self) -> Evidence:
        """What the page stands on."""
        return self.reading.evidence


def build(
    folder: Path, *, price: float | None = None, currency: str = "", made_at: str = ""
) -> Built:
    """Write report.html, report.md and results.csv beside a sweep's journal.

    Parameters
    ----------
    folder : Path
        The results folder of the sweep; its last part is the sweep's name.
    price, currency
        Assume this price of a node-hour in place of what the inventory says.
    made_at : str
        The moment to print on the page.

    Raises
    ------
    UsageError
        If there is no journal in the folder, or a newer version wrote it.
    """
    return write(read(folder, price=price, currency=currency), made_at=made_at)


def write(reading: Reading, *, made_at: str = "") -> Built:
    """Write report.html, report.md and results.csv of a sweep that was read."""
    folder = reading.folder
    built = Built(folder / HTML, folder / "report.md", folder / "results.csv", reading)
    content = _content(reading, made_at)
    templates = environment()
    page = templates.get_template("page.html").render(content)
    write_atomically(built.html, page)
    write_atomically(built.markdown, templates.get_template("page.md").render(content))
    table = tables.comma_separated(reading.evidence, reading.rows, reading.prices)
    write_atomically(built.csv, table)
    return built


def _content(reading: Reading, made_at: str) -> dict[str, Any]:
    evidence, prices = reading.evidence, reading.prices
    laws = {
        one: fit_laws({cell.nodes: evidence.seconds(cell) for cell in evidence.cells(one)})
        for part in _together(evidence)
        for one in part.series()
        if one.engine != PLAIN
    }
    return {
        "name": reading.name,
        "made_at": made_at,
        "answer": reading.answer,
        "evidence": evidence,
        "subject": words.subject(evidence),
        "machines": words.machines(evidence),
        "main_figures": _main_figures(evidence, laws, prices),
        "figures_words": note(evidence),
        "machine_figures": _machine_figures(evidence),
        "times": tables.times(evidence, prices),
        "reuse": reuse.table(evidence),
        "spent": phases.table(evidence, phases.chosen(evidence)),
        "spent_figures": phases.drawing(evidence, phases.chosen(evidence)),
        "spent_words": phases.HOW,
        "settings": [shown(one) for one in settings.settings_of(evidence)],
        "settings_words": settings.HOW,
        "resources": resources.table(evidence),
        "resources_words": resources.HOW,
        "extras": extras.table(evidence),
        "extras_words": extras.HOW,
        "quality": quality.table(evidence),
        "quality_words": quality.explained(evidence),
        "quality_figures": _quality_figures(evidence),
        "published": published.table(evidence),
        "published_words": published.NOTE,
        "laws": tables.laws(laws),
        "law_notes": words.law_notes(laws),
        "best": [_best(part) for part in evidence.parts() if quality.ranked(evidence)],
        "summaries": tables.summaries(evidence),
        "agreement": words.agreement(agreement(evidence), evidence),
        "agreement_holds": not agreement(evidence).differing and not evidence.conflicts,
        "left_out": tables.left_out(evidence),
        "versions": tables.versions(evidence),
        "remarks": words.remarks(evidence),
        "loads": tables.loads(evidence),
        "data": words.data(evidence),
        "facts": sorted(evidence.plan.facts.items()),
        "profiles": profiles.gather(evidence, reading.folder),
        "profile_words": (profiles.NOTE, profiles.CAPTION),
    }


def _main_figures(
    evidence: Evidence, laws: dict[Series, list[Law]], prices: Prices | None
) -> list[figures.Drawing]:
    """Return the figures of times and costs, part by part, and of what has a common measure."""
    parts = _parts(evidence)
    found = [figures.time_against_nodes(one, id) for one, id in _with_ids(parts, "time")]
    if any(cell.nodes > 1 for cell in evidence.clean):
        together = _together(evidence)
        found += [
            figures.speed_up(one, laws, id) for one, id in _with_ids(together, "speed-up")
        ]
        found += [figures.efficiency(one, id) for one, id in _with_ids(together, "efficiency")]
    if prices is not None:
        found += [figures.cost(one, prices, id) for one, id in _with_ids(parts, "cost")]
    by_size = size_figure.time_against_size(evidence), size_figure.gain_against_size(evidence)
    return [*itertools.chain.from_iterable(by_size), *found]


def _quality_figures(evidence: Evidence) -> list[figures.Drawing]:
    return [
        drawing
        for part, name in _with_ids(_parts(evidence), "quality")
        for drawing in quality.drawing(part, name)
    ]


def _machine_figures(evidence: Evidence) -> list[figures.Drawing]:
    memory = {one["name"]: int(one.get("memory_bytes") or 0) for one in evidence.plan.machines}
    found = [
        drawing
        for number, part in enumerate(_together(evidence), 1)
        for drawing in resources.drawings(part, f"-{number}" if number > 1 else "")
    ]
    shown = slowest_part(evidence)
    for series in shown.series():
        row = machine_figures.typical_row(shown, series)
        if row is not None:
            found += machine_figures.over_time(row, series, memory)
    return [*found, *machine_figures.bringup(evidence)]


def _parts(evidence: Evidence) -> list[Evidence]:
    return [leading(part) for part in evidence.parts() if part.clean]


def _together(evidence: Evidence) -> list[Evidence]:
    """Return the evidence whole as long as one can tell its lines apart, else by part."""
    return [evidence] if len(evidence.series()) <= MOST_LINES else _parts(evidence)


def _with_ids(parts: Sequence[Evidence], name: str) -> list[tuple[Evidence, str]]:
    """Return each part with the name of its figure: `time`, `time-2`, ..."""
    return [
        (part, name if index == 1 else f"{name}-{index}") for index, part in enumerate(parts, 1)
    ]


def _best(evidence: Evidence) -> tuple[str, tables.Table]:
    """Return the best combinations of a part of a sweep, under their caption."""
    ranked = ranking(evidence)
    where = f" with {', '.join(evidence.part)}" if evidence.part else ""
    return f"The best of {len(ranked)} combinations{where}", tables.best(ranked)
