"""The report's files: an HTML page that needs nothing else, the same in Markdown, and a CSV."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from contracts.files import write_atomically
from workloads.history import read_history
from workloads.journal import Journal
from workloads.report import figures, machine_figures, tables
from workloads.report.answer import Answer, answer, named
from workloads.report.costs import Prices, assumed_prices, prices_of
from workloads.report.evidence import Evidence, gather
from workloads.report.scores import Agreement, agreement, ranking
from workloads.report.statistics import Law, fit_laws
from workloads.sweep import PLAIN


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
    built = Built(
        folder / "report.html", folder / "report.md", folder / "results.csv", said, evidence
    )
    rows = [row for row in history.rows if row.work == evidence.work.fingerprint]
    environment = _environment()
    page = environment.get_template("page.html").render(content)
    write_atomically(built.html, page)
    write_atomically(built.markdown, environment.get_template("page.md").render(content))
    write_atomically(built.csv, tables.comma_separated(evidence, rows, prices))
    return built


def _content(
    name: str, evidence: Evidence, said: Answer, prices: Prices | None, made_at: str
) -> dict[str, Any]:
    laws = {
        engine: fit_laws(
            {
                cell.nodes: evidence.seconds(cell)
                for cell in evidence.clean
                if cell.engine == engine
            }
        )
        for engine in evidence.engines()
        if engine != PLAIN
    }
    ranked = ranking(evidence)
    return {
        "name": name,
        "made_at": made_at,
        "answer": said,
        "evidence": evidence,
        "subject": _subject(evidence),
        "machines": _machines(evidence),
        "main_figures": _main_figures(evidence, laws, prices),
        "machine_figures": _machine_figures(evidence),
        "times": tables.times(evidence, prices),
        "laws": tables.laws(laws),
        "law_notes": _law_notes(laws),
        "best": tables.best(ranked),
        "combinations": len(ranked),
        "agreement": _agreement(agreement(evidence)),
        "agreement_holds": not agreement(evidence).differing and not evidence.conflicts,
        "left_out": tables.left_out(evidence),
        "versions": tables.versions(evidence),
        "remarks": _remarks(evidence),
        "loads": tables.loads(evidence),
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
    evidence: Evidence, laws: dict[str, list[Law]], prices: Prices | None
) -> list[figures.Drawing]:
    if not evidence.clean:
        return []
    found = [figures.time_against_nodes(evidence)]
    if any(cell.nodes > 1 for cell in evidence.clean):
        found += [figures.speed_up(evidence, laws), figures.efficiency(evidence)]
    if prices is not None:
        found.append(figures.cost(evidence, prices))
    return found


def _machine_figures(evidence: Evidence) -> list[figures.Drawing]:
    memory = {one["name"]: int(one.get("memory_bytes") or 0) for one in evidence.plan.machines}
    found = []
    for engine in evidence.engines():
        row = machine_figures.typical_row(evidence, engine)
        if row is not None:
            found += machine_figures.over_time(row, memory)
    return [*found, *machine_figures.bringup(evidence)]


def _subject(evidence: Evidence) -> str:
    work = evidence.work
    folds = work.parameters.get("folds")
    fits = f" in {folds} folds" if folds else ""
    return (
        f"{work.workload}: {len(work.combinations)} combinations{fits} on {work.data_version}, "
        f"seed {work.seed}"
    )


def _machines(evidence: Evidence) -> str:
    shapes: dict[str, int] = {}
    for one in evidence.plan.machines:
        memory = float(one.get("memory_bytes") or 0) / machine_figures.GIB
        shape = f"{one.get('cpus', 0):g} CPU and {memory:.3g} GiB"
        shapes[shape] = shapes.get(shape, 0) + 1
    words = [f"{count} of {shape}" for shape, count in shapes.items()]
    return f"Machines: {', '.join(words)}" if words else ""


def _law_notes(laws: dict[str, list[Law]]) -> list[str]:
    """Return what a reader must know before believing the laws, each thing once."""
    found: dict[str, list[str]] = {}
    for engine, fitted in laws.items():
        if not fitted:
            found.setdefault("too few node counts for any law", []).append(engine)
        for law in fitted:
            if law.ceiling:
                found.setdefault(f"by {law.name}: {law.ceiling}", []).append(engine)
            if law.note:
                found.setdefault(f"{law.name}: {law.note}", []).append(engine)
    return [
        f"{' and '.join(name.capitalize() for name in dict.fromkeys(names))}, {note}."
        for note, names in found.items()
    ]


def _agreement(found: Agreement) -> str:
    if not found.compared:
        return "No combination was scored twice, so there is nothing to compare."
    if not found.differing:
        return (
            f"All {found.compared} results of {found.combinations} combinations agree to the "
            "last bit, over every engine, number of nodes and repeat."
        )
    worst = max(distance for _, distance in found.differing)
    return (
        f"{len(found.differing)} of {found.combinations} combinations do NOT agree over "
        f"engines, node counts and repeats; the largest difference in a fold is {worst:.3g}."
    )


def _remarks(evidence: Evidence) -> list[str]:
    """Return what was left out apart from whole runs, in words."""
    found = []
    if evidence.damaged:
        count = evidence.damaged
        found.append(
            f"{count} damaged piece{'s' if count > 1 else ''} of the journal "
            f"{'were' if count > 1 else 'was'} set aside in quarantine.jsonl; what "
            f"{'they' if count > 1 else 'it'} held was measured again or is missing."
        )
    if evidence.other_rows:
        found.append(
            f"{evidence.other_rows} runs of other parameters, data, sources or library "
            "versions are in the journal and not in this report."
        )
    found += [f"A record of the journal was not understood: {one}" for one in evidence.rejected]
    if evidence.conflicts:
        found.append(
            f"{len(evidence.conflicts)} trials were done twice and gave different scores, "
            "which a seeded workload must not."
        )
    reasons: dict[str, int] = {}
    for one in evidence.failed:
        reason = one.reason or "no reason given"
        reasons[reason] = reasons.get(reason, 0) + 1
    found += [f"{count} trials failed: {reason}" for reason, count in reasons.items()]
    for row in _noted(evidence):
        found += [f"{named(row.cell)}, repeat {row.repeat}: {text}" for text in row.rejected]
    return found


def _noted(evidence: Evidence) -> Sequence[Any]:
    return [row for rows in evidence.clean.values() for row in rows if row.rejected]


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
