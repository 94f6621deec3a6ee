"""The page of settings: over all sweeps that varied any, which matters and by how much."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.files import write_atomically
from workloads.report import settings
from workloads.report.figures import Drawing
from workloads.report.reading import Reading
from workloads.report.settings import Settings
from workloads.report.tables import Table
from workloads.report.templates import environment

HTML = "settings.html"


@dataclass(frozen=True)
class Shown:
    """What was varied in a sweep as a page has it."""

    of: str
    drawing: Drawing
    table: Table
    sentences: tuple[str, ...]


def shown(one: Settings) -> Shown:
    """Return a figure, a table and words on settings."""
    return Shown(
        one.of, settings.drawing(one), settings.table(one), tuple(settings.sentences(one))
    )


def write(root: Path, readings: Sequence[Reading], *, made_at: str = "") -> Path | None:
    """Write settings.html into the folder of all sweeps; None where none varied anything."""
    found = []
    for index, reading in enumerate(readings, 1):
        effects = settings.settings_of(reading.evidence, f"settings-{index}")
        if effects:
            found.append((reading, [shown(one) for one in effects]))
    if not found:
        return None
    content = {"sweeps": found, "how": settings.HOW, "made_at": made_at}
    path = root / HTML
    write_atomically(path, environment().get_template("settings.html").render(content))
    return path
