"""What runs took of the machines: memory at its fullest, and bytes over the network."""

from collections.abc import Callable, Sequence

from workloads.report.canvas import Canvas
from workloads.report.evidence import Evidence
from workloads.report.figures import HEIGHT, WIDTH, Drawing
from workloads.report.machine_figures import GIB
from workloads.report.node_axes import draw_cells, finish, title_of
from workloads.report.statistics import spread
from workloads.report.tables import NOTHING, Table, in_order
from workloads.sweeps.plan import Cell
from workloads.sweeps.records import RunRecord

KIB, MIB = 1 << 10, 1 << 20
HOW = (
    "Memory is the most that a sample, taken each second, found in use on a node, the medians "
    "of the runs from the emptiest node to the fullest. Bytes are those that all nodes sent to "
    "another machine through a whole run, data and the operator's own connection included, by "
    "the counters of their network interfaces; what stays on a node is not in them."
)


def peaks(row: RunRecord) -> dict[str, float]:
    """Return the most memory that was in use on each node through a run, in bytes."""
    return {
        node: max(series["memory"])
        for node, series in row.timeline.items()
        if series.get("memory")
    }


def sent(row: RunRecord) -> dict[str, float]:
    """Return the bytes that each node sent through a run; empty where nobody counted."""
    return {
        node: series["sent"][-1] - series["sent"][0]
        for node, series in row.timeline.items()
        if series.get("sent")
    }


def fullest(row: RunRecord) -> float | None:
    """Return the most memory that any node had in use, in GiB."""
    return max(peaks(row).values(), default=0.0) / GIB or None


def moved(row: RunRecord) -> float | None:
    """Return what all nodes together sent, in MiB; None unless every one was counted."""
    found = sent(row)
    return sum(found.values()) / MIB if found and set(found) >= set(row.machines) else None


def byte_words(count: float) -> str:
    """Return bytes as people say them.

    >>> byte_words(900), byte_words(3 << 19), byte_words(5 << 30)
    ('900 B', '1.5 MiB', '5 GiB')
    """
    for size, unit in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if abs(count) >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} B"


def median_of(
    evidence: Evidence, cell: Cell, value: Callable[[RunRecord], float | None]
) -> float | None:
    """Return the median over a cell's runs of what is known of them."""
    found = _known(evidence, cell, value)
    return spread(found).median if found else None


def table(evidence: Evidence) -> Table:
    """Return a row for each cell with anything known: peaks of memory, bytes moved."""
    size = {one["name"]: float(one.get("memory_bytes") or 0) for one in evidence.plan.machines}
    rows = []
    varied = bool(evidence.plan.variations)
    for cell in in_order(evidence):
        least = median_of(evidence, cell, lambda row: min(peaks(row).values(), default=0) / GIB)
        most = median_of(evidence, cell, fullest)
        full = median_of(evidence, cell, lambda row: _share(row, size))
        whole = median_of(evidence, cell, moved)
        one = median_of(evidence, cell, lambda row: max(sent(row).values(), default=0) / MIB)
        if not most and whole is None:
            continue
        rows.append(
            (
                cell.engine.capitalize(),
                *((", ".join(cell.variation) or NOTHING,) if varied else ()),
                str(cell.nodes),
                f"{least:.2f} to {most:.2f}" if least and most else NOTHING,
                f"{full:.0%}" if full else NOTHING,
                NOTHING if whole is None else byte_words(whole * MIB),
                NOTHING if whole is None else byte_words((one or 0.0) * MIB),
            )
        )
    names = ("Engine", "Variation") if varied else ("Engine",)
    heads = (*names, "Nodes", "Peak memory of the nodes, GiB", "Fullest node",
             "Moved by all", "Most by one node")  # fmt: skip
    return Table(heads, tuple(rows), frozenset(range(len(names), len(heads))))


def drawings(evidence: Evidence, ending: str = "") -> list[Drawing]:
    """Draw the fullest memory and the bytes moved over the nodes, where they are known.

    Their names have this `ending`.
    """
    wanted = (
        (f"memory-peak{ending}", "Memory of the fullest node", "GiB", fullest),
        (f"moved{ending}", "Bytes moved between machines", "MiB a run", moved),
    )
    found = (_over_nodes(evidence, *one) for one in wanted)
    return [one for one in found if one is not None]


def _over_nodes(
    evidence: Evidence,
    name: str,
    title: str,
    unit: str,
    value: Callable[[RunRecord], float | None],
) -> Drawing | None:
    title, said = title_of(title, evidence), list[str]()
    with Canvas(name, WIDTH, HEIGHT) as canvas:
        labels = []
        for one in evidence.series():
            values: dict[int, Sequence[float]] = {
                cell.nodes: known
                for cell in evidence.cells(one)
                if (known := _known(evidence, cell, value))
            }
            labels += draw_cells(canvas.axes[0], one, values)
            said += [
                f"{one.label} on {nodes}: {spread(known).median:.3g} {unit}"
                for nodes, known in values.items()
            ]
        if not said:
            return None
        canvas.axes[0].margins(y=0.25)
        finish(canvas.axes[0], evidence, unit, labels)
    words = "Each dot is one run, the line joins the medians."
    return Drawing(name, title, words, canvas.svg(title, f"Medians: {'; '.join(said)}."))


def _known(
    evidence: Evidence, cell: Cell, value: Callable[[RunRecord], float | None]
) -> list[float]:
    found = (value(row) for row in evidence.clean.get(cell, ()) if row.timeline)
    return [one for one in found if one is not None]


def _share(row: RunRecord, size: dict[str, float]) -> float | None:
    shares = [peak / size[node] for node, peak in peaks(row).items() if size.get(node)]
    return max(shares, default=None)
