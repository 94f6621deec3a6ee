"""The profiles that lie with the results of a sweep: links to them, and task graphs drawn."""

import base64
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workloads.report.comparison import named
from workloads.report.evidence import Evidence
from workloads.sweeps.plan import Cell
from workloads.sweeps.profiles import GRAPH
from workloads.sweeps.records import RunRecord

WITHOUT_DOT = (
    "Task graphs are kept and not drawn here: there is no `dot` on PATH. `fab setup.run` "
    "installs graphviz on Debian and Ubuntu as root (elsewhere `sudo apt-get install graphviz` "
    "or the like); then run `fab report.build` again."
)
CAPTION = (
    "What the engine was given, by the names in its dashboard. Tasks that do the same are one "
    "box, a number at an arrow is how many results go that way, and dashed arrows lead to what "
    "was submitted once earlier results were there."
)
NOTE = (
    "A profile is begun before the clock and made after it has stopped, so these runs are in "
    "the figures; results.csv marks them. The performance report of Dask opens in a browser; "
    "the timeline of Ray in ui.perfetto.dev or chrome://tracing."
)
_KINDS = {
    "dask-report.html": "performance report",
    "ray-timeline.json": "timeline",
    GRAPH: "task graph",
}
_DRAW_SECONDS = 30.0
_MOST_BYTES = 1 << 20
_MOST_DRAWN = 8


@dataclass(frozen=True)
class Link:
    """A part of a run's profile: what it is, and its path beside the report."""

    words: str
    path: str


@dataclass(frozen=True)
class Profiled:
    """One run: what it is called, what there is of its profile, and what there is not."""

    name: str
    repeat: int
    links: tuple[Link, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class TaskGraph:
    """A drawn graph: an element's id, a title, an image as a link of its own, its DOT file."""

    name: str
    title: str
    image: str
    path: str


@dataclass(frozen=True)
class Profiles:
    """All that the report has of profiles; `note` is set where graphs could not be drawn."""

    runs: tuple[Profiled, ...]
    graphs: tuple[TaskGraph, ...]
    note: str


def gather(evidence: Evidence, folder: Path) -> Profiles:
    """Return the profiles of a sweep's runs, with one graph drawn for each series."""
    rows = [(cell, row) for cell, rows in evidence.clean.items() for row in rows]
    rows += [(one.cell, one.row) for one in evidence.left_out]
    found = [(cell, row) for cell, row in rows if row.profiles]
    found.sort(key=lambda one: (one[0].engine, one[0].variation, one[0].nodes, one[1].repeat))
    runs = tuple(_profiled(cell, row, folder) for cell, row in found)
    chosen = {
        (cell.engine, cell.variation): (cell, path) for cell, path in _graphs(found, folder)
    }
    drawn, note = [], ""
    for place, (cell, path) in enumerate(list(chosen.values())[:_MOST_DRAWN], 1):
        image = draw(folder / path)
        if image is None:
            note = WITHOUT_DOT if shutil.which("dot") is None else "A task graph was not drawn."
            continue
        title = f"Tasks of {named(cell)}"
        drawn.append(TaskGraph(f"tasks-{place}", title, image, path))
    return Profiles(runs, tuple(drawn), note)


def draw(path: Path) -> str | None:
    """Return a DOT file drawn by graphviz, as a link that holds an image; None if it cannot be.

    An image takes part in nothing of the page: a script in it would not run.
    """
    program = shutil.which("dot")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "-Tsvg"], input=path.read_bytes(), capture_output=True,
            timeout=_DRAW_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    if not 0 < len(done.stdout) <= _MOST_BYTES:
        return None
    return f"data:image/svg+xml;base64,{base64.b64encode(done.stdout).decode()}"


def _profiled(cell: Cell, row: RunRecord, folder: Path) -> Profiled:
    links, missing = [], []
    for one in row.profiles:
        path = _inside(one.get("path"), folder)
        if path is None:
            reason = one.get("reason") or "its file is not there any more"
            missing.append(f"no {one.get('name')}: {reason}")
        else:
            name = PurePosixPath(path).name
            size = (folder / path).stat().st_size
            links.append(Link(f"{_KINDS.get(name, name)} ({_size(size)})", path))
    return Profiled(named(cell), row.repeat, tuple(links), tuple(missing))


def _graphs(found: Sequence[tuple[Cell, RunRecord]], folder: Path) -> list[tuple[Cell, str]]:
    """Return the graph of each run that has one, those with the most nodes last."""
    graphs = []
    for cell, row in found:
        paths = [_inside(one.get("path"), folder) for one in row.profiles]
        graphs += [(cell, one) for one in paths if one and PurePosixPath(one).name == GRAPH]
    return graphs


def _inside(path: object, folder: Path) -> str | None:
    """Return the path of a file if it lies in the sweep's folder, or None."""
    if not isinstance(path, str) or not path:
        return None
    whole = (folder / path).resolve()
    inside = whole.is_relative_to(folder.resolve()) and whole.is_file()
    return path if inside else None


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"
