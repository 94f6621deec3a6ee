"""The report's files: an HTML page that needs nothing else, the same in Markdown, and a CSV."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from contracts.files import write_atomically
from workloads.report import (
    figures,
    machine_figures,
    profiles,
    published,
    quality,
    reuse,
    size_figure,
    tables,
    words,
)
from workloads.report.answer import Answer, answer
from workloads.report.costs import Prices, assumed_prices, prices_of
from workloads.report.evidence import Evidence, Series, gather
from workloads.report.scores import agreement, ranking
from workloads.report.statistics import Law, fit_laws
from workloads.sweeps.history import read_history
from workloads.sweeps.journal import Journal
from workloads.sweeps.plan import PLAIN

MOST_LINES = 8


@dataclass(frozen=True)
class Built:
    """What was written where, and what it says."""

    html: Path
    markdown: Path
    csv: Path
    answer: Answer
    evidence: Evidence


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
    journal = Journal(folder / "journal.jsonl")
    reading = journal.read()
    history = read_history(reading.records)
    damaged = max(journal.quarantined(), len(reading.damaged))
    evidence = gather(history, damaged=damaged)
    machines = evidence.plan.machines
    prices = assumed_prices(machines, price, currency) if price is not None else None
    prices = prices or prices_of(machines)
    said = answer(evidence, prices)
    content = _content(folder.name, evidence, said, prices, made_at)
    content["profiles"] = profiles.gather(evidence, folder)
    content["profile_words"] = (profiles.NOTE, profiles.CAPTION)
    built = Built(
        folder / "report.html", folder / "report.md", folder / "results.csv", said, evidence
    )
    environment = _environment()
    page = environment.get_template("page.html").render(content)
    write_atomically(built.html, page)
    write_atomically(built.markdown, environment.get_template("page.md").render(content))
    write_atomically(built.csv, tables.comma_separated(evidence, history.rows, prices))
    return built


def _content(
    name: str, evidence: Evidence, said: Answer, prices: Prices | None, made_at: str
) -> dict[str, Any]:
    laws = {
        one: fit_laws({cell.nodes: evidence.seconds(cell) for cell in evidence.cells(one)})
        for one in evidence.series()
        if one.engine != PLAIN
    }
    return {
        "name": name,
        "made_at": made_at,
        "answer": said,
        "evidence": evidence,
        "subject": words.subject(evidence),
        "machines": words.machines(evidence),
        "main_figures": _main_figures(evidence, laws, prices),
        "machine_figures": _machine_figures(evidence),
        "times": tables.times(evidence, prices),
        "reuse": reuse.table(evidence),
        "quality": quality.table(evidence),
        "quality_words": quality.explained(evidence),
        "published": published.table(evidence),
        "published_words": published.NOTE,
        "laws": tables.laws(laws),
        "law_notes": words.law_notes(laws),
        "best": [_best(part) for part in evidence.parts()],
        "summaries": tables.summaries(evidence),
        "agreement": words.agreement(agreement(evidence), evidence),
        "agreement_holds": not agreement(evidence).differing and not evidence.conflicts,
        "left_out": tables.left_out(evidence),
        "versions": tables.versions(evidence),
        "remarks": words.remarks(evidence),
        "loads": tables.loads(evidence),
        "data": words.data(evidence),
        "facts": sorted(evidence.plan.facts.items()),
    }


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    environment.globals["style"] = Markup(style)  # noqa: S704  our own file, no value in it
    environment.filters["drawn"] = lambda drawing: Markup(drawing.svg)  # noqa: S704  escaped
    environment.filters["prose"] = _prose
    environment.filters["cell"] = _markdown_cell
    environment.filters["line"] = _markdown_line
    return environment


def _main_figures(
    evidence: Evidence, laws: dict[Series, list[Law]], prices: Prices | None
) -> list[figures.Drawing]:
    """Return the figures of times and costs, part by part, and of what has a common measure.

    Speed-ups and efficiencies of all parts share a figure as long as one can tell the lines
    apart.
    """
    parts = [part for part in evidence.parts() if part.clean]
    together = [evidence] if len(evidence.series()) <= MOST_LINES else parts
    found = [figures.time_against_nodes(one, id) for one, id in _with_ids(parts, "time")]
    if any(cell.nodes > 1 for cell in evidence.clean):
        found += [
            figures.speed_up(one, laws, id) for one, id in _with_ids(together, "speed-up")
        ]
        found += [figures.efficiency(one, id) for one, id in _with_ids(together, "efficiency")]
    if prices is not None:
        found += [figures.cost(one, prices, id) for one, id in _with_ids(parts, "cost")]
    return [*size_figure.time_against_size(evidence), *found]


def _with_ids(parts: Sequence[Evidence], name: str) -> list[tuple[Evidence, str]]:
    """Return each part with the name of its figure: `time`, `time-2`, ..."""
    return [
        (part, name if index == 1 else f"{name}-{index}") for index, part in enumerate(parts, 1)
    ]


def _machine_figures(evidence: Evidence) -> list[figures.Drawing]:
    memory = {one["name"]: int(one.get("memory_bytes") or 0) for one in evidence.plan.machines}
    found = []
    for series in evidence.series():
        row = machine_figures.typical_row(evidence, series)
        if row is not None:
            found += machine_figures.over_time(row, series, memory)
    return [*found, *machine_figures.bringup(evidence)]


def _best(evidence: Evidence) -> tuple[str, tables.Table]:
    """Return the best combinations of a part of a sweep, under their caption."""
    ranked = ranking(evidence)
    where = f" with {', '.join(evidence.part)}" if evidence.part else ""
    return f"The best of {len(ranked)} combinations{where}", tables.best(ranked)


def _prose(text: str) -> Markup:
    """Return a sentence as HTML, with what stands between backticks as code."""
    # A number and its unit stay on one line.
    parts = re.sub(r"(?<=\d) (?=\w)", "\u00a0", text).split("`")
    code = [
        Markup("<code>{}</code>").format(part) if index % 2 else Markup("{}").format(part)
        for index, part in enumerate(parts)
    ]
    return Markup("").join(code)


def _markdown_line(text: object) -> str:
    """Return a sentence of ours for Markdown: its backticks stay."""
    return "`".join(_markdown_cell(part) for part in str(text).split("`"))


def _markdown_cell(text: object) -> str:
    """Return a text that stays in its cell of a Markdown table and is no markup there."""
    escaped = str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
    return escaped.replace("<", "&lt;").replace("`", "\\`").replace("[", "\\[")
