"""The first page over all sweeps: which engine, how many nodes, was it worth it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contracts.files import write_atomically
from workloads.report import page, phases, published, settings, settings_page
from workloads.report.comparison import compare, length
from workloads.report.costs import amount
from workloads.report.evidence import Evidence
from workloads.report.figures import Drawing
from workloads.report.reading import Reading
from workloads.report.tables import NOTHING, Table
from workloads.report.templates import environment
from workloads.report.worth import Finding, engine_words
from workloads.sweeps.plan import PLAIN, Cell

HTML, MARKDOWN = "index.html", "index.md"
MOST_SETTINGS = 3
SHORTLY = {
    "yes": "worth it",
    "dear": "faster, at a price",
    "no": "do not distribute",
    "unknown": "not certain yet",
}


@dataclass(frozen=True)
class Line:
    """One answer of the overview: where its sweep's page is, and the cells of its row."""

    link: str
    name: str
    verdict: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """What the page says of one sweep, below the heading of its workload."""

    link: str
    name: str
    incomplete: str | None
    left_out: int
    findings: tuple[Finding, ...]
    phases: tuple[Drawing, ...]
    published: Table
    settings: tuple[str, ...]


def write(
    root: Path,
    readings: Sequence[Reading],
    *,
    earlier: Sequence[str] = (),
    unreadable: Mapping[str, str] | None = None,
    made_at: str = "",
) -> Path:
    """Write index.html, index.md and, where anything was varied, settings.html into `root`.

    Parameters
    ----------
    root : Path
        The folder of all sweeps.
    readings
        What each sweep says.
    earlier : sequence of str
        The folders of sweeps that were started anew since; they are named and not read.
    unreadable : mapping
        Why a sweep could not be read, by its name.
    made_at : str
        The moment to print on the page.
    """
    order = sorted(readings, key=lambda one: (one.evidence.work.workload, one.name))
    workloads: dict[str, list[Sweep]] = {}
    for index, one in enumerate(order, 1):
        found = _sweep(root, one, index)
        workloads.setdefault(one.evidence.work.workload, []).append(found)
    content = {
        "heads": HEADS,
        "lines": [line for one in order for line in lines(one, _link(root, one.name))],
        "headline": headline(order),
        "workloads": workloads,
        "phases_words": phases.HOW,
        "published_words": published.NOTE,
        "settings_link": settings_page.write(root, order, made_at=made_at) is not None,
        "earlier": [(name, _link(root, name)) for name in sorted(earlier)],
        "unreadable": sorted((unreadable or {}).items()),
        "made_at": made_at,
    }
    for name in (HTML, MARKDOWN):
        write_atomically(root / name, environment().get_template(name).render(content))
    return root / HTML


def answers(reading: Reading) -> list[dict[str, Any]]:
    """Return what the page answers of one sweep for a program to read."""
    return [{"sweep": reading.name, **one.document()} for one in reading.findings]


def effects(reading: Reading) -> list[dict[str, Any]]:
    """Return what each setting of one sweep does to the time for a program to read."""
    return [
        {"sweep": reading.name, "of": one.of, **asdict(effect)}
        for one in settings.settings_of(reading.evidence)
        for effect in one.effects
    ]


def headline(readings: Sequence[Reading]) -> str:
    """Return which workloads are worth distributing, a sentence for each verdict."""
    verdicts: dict[str, set[str]] = {}
    for one in readings:
        for found in one.findings:
            verdicts.setdefault(found.workload, set()).add(found.verdict)
    if not verdicts:
        return "No sweep has been measured yet."
    groups: dict[str, list[str]] = {}
    for workload, known in verdicts.items():
        certain = known - {"unknown"} or known
        words = _GROUPS[next(iter(certain))] if len(certain) == 1 else _MIXED
        groups.setdefault(words, []).append(workload)
    return " ".join(f"{words}: {', '.join(names)}." for words, names in groups.items())


_GROUPS = {
    "yes": "Worth distributing",
    "dear": "Faster, at a price",
    "no": "Do not distribute",
    "unknown": "Not certain yet",
}
_MIXED = "It depends on data and settings"
HEADS = ("Workload", "Sweep", "On", "Worth it?", "Use", "Several nodes", "One node", "Plain",
         "Against one node", "Efficiency", "Against plain", "Cost of a run")  # fmt: skip


def lines(reading: Reading, link: str) -> list[Line]:
    """Return a row of the overview for each answer of a sweep."""
    return [
        Line(link, reading.name, one.verdict, _cells(reading.name, one))
        for one in reading.findings
    ]


def _cells(name: str, found: Finding) -> tuple[str, ...]:
    seconds = (found.seconds, found.one_node_seconds, found.plain_seconds)
    return (
        found.workload,
        name,
        ", ".join(found.part) or found.data,
        SHORTLY[found.verdict],
        engine_words(found),
        *(NOTHING if one is None else length(one) for one in seconds),
        found.one_node.words if found.one_node else NOTHING,
        NOTHING if found.efficiency is None else f"{found.efficiency:.0%}",
        found.plain.words if found.plain else NOTHING,
        NOTHING if found.cost is None else amount(found.cost, found.currency),
    )


def _sweep(root: Path, reading: Reading, index: int) -> Sweep:
    evidence = reading.evidence
    shown: list[Drawing] = []
    for number, (part, found) in enumerate(
        zip(evidence.parts(), reading.findings, strict=True), 1
    ):
        if found.verdict == "no":
            shown += phases.drawing(evidence, _compared(part), f"phases-{index}-{number}")
    effects = [
        sentence
        for one in settings.settings_of(evidence)
        for sentence in list(settings.sentences(one))[:MOST_SETTINGS]
    ]
    return Sweep(
        _link(root, reading.name),
        reading.name,
        reading.answer.incomplete,
        len(evidence.left_out),
        reading.findings,
        tuple(shown),
        published.table(evidence),
        tuple(effects),
    )


def _compared(part: Evidence) -> list[Cell]:
    """Return what stands beside each other where distributing does not pay."""
    compared = compare(part)
    if compared is None:
        return []
    best = compared.best
    cells = (part.baseline(best), Cell(best.engine, 1, best.variation), compared.alone, best)
    known = [cell for cell in dict.fromkeys(cells) if cell in part.clean]
    return sorted(known, key=lambda cell: (cell.engine != PLAIN, cell.nodes))


def _link(root: Path, name: str) -> str:
    """Return where a sweep's page is, from the page over all; empty if there is none."""
    return f"{name}/{page.HTML}" if (root / name / page.HTML).is_file() else ""
