"""Less work kept apart from more machines, so that nobody takes one for the other.

A workload may find the same scores with less work than the library's own code, by computing
once what many trials share. That needs no second machine. Whether a variation does so shows in
its parameter `reuse`, which its plain baseline has not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workloads.report.comparison import length
from workloads.report.evidence import Evidence, Series
from workloads.report.statistics import spread
from workloads.report.tables import NOTHING, Table
from workloads.sweeps.plan import PLAIN, Cell, Work


@dataclass(frozen=True)
class Way:
    """One way of computing the scores, on one engine.

    `saves` says whether it is another way than the library's own. `less_work` is how many
    times fewer CPU seconds than plain it took on one node, and None where a side of that was
    not measured; `faster` and `efficiency` are those of `nodes` nodes over one.
    """

    series: Series
    name: str
    saves: bool
    plain: Cell
    less_work: float | None
    nodes: int
    faster: float | None

    @property
    def efficiency(self) -> float | None:
        """The gain in time over one node as a part of the number of nodes."""
        return self.faster / self.nodes if self.faster else None


def ways(evidence: Evidence) -> list[Way]:
    """Return every way of computing that was measured; none where all are the library's own.

    Of each, first the engines that saved work, then those that did not.
    """
    found = [
        _way(part, series, known=evidence.part)
        for part in evidence.parts()
        for series in part.series()
        if series.engine != PLAIN
    ]
    found.sort(key=lambda way: not way.saves)
    return found if any(way.saves for way in found) else []


def saves_work(evidence: Evidence, cell: Cell) -> bool:
    """Return whether a cell shares work among its trials that its plain baseline does anew.

    A workload says so by its parameter `reuse`; other parameters that plain has not, such as
    the threads of a worker, change how work is shared out and not how much of it there is.
    """
    plain = _work(evidence, evidence.baseline(cell))
    ours = _work(evidence, cell)
    return bool(ours.parameters.get("reuse")) and not plain.parameters.get("reuse")


def sentences(evidence: Evidence) -> Iterator[str]:
    """Yield what is reuse, what is scaling, and what both come to, each with its own figure."""
    found = ways(evidence)
    saving = [way for way in found if way.saves]
    if not saving:
        return
    less = [(way, f"{way.less_work:.3g}", "") for way in saving if way.less_work]
    for name, values in _by_name(less):
        yield (
            "Reuse, which needs no second machine: the library's own code, without an engine, "
            f"takes {values} times the CPU seconds of {name} on one node."
        )
    if not less:
        yield (
            "How much of it is reuse cannot be said: that takes an undisturbed run of the "
            "plain baseline and one of one node."
        )
    over = [
        (way, f"{way.efficiency:.0%}", f" on {way.nodes} nodes")
        for way in found
        if way.efficiency
    ]
    if over:
        words = [f"{values} for {name}" for name, values in _by_name(over)]
        yield f"Scaling, which does: an efficiency of {', and of '.join(words)}."
    both = [
        (
            way,
            f"{together:.3g} times",
            f" on {way.nodes} nodes, of which the nodes give {way.faster:.3g}",
        )
        for way in saving
        if (together := _together(evidence, way)) and way.faster
    ]
    for name, values in _by_name(both):
        yield f"Both together: {name} is {values} as fast as one plain machine."


def table(evidence: Evidence) -> Table:
    """Return reuse on one core, and the efficiency of each way over nodes, a row for each."""
    found = ways(evidence)
    rows = [_row_of_reuse(evidence, way) for way in found if way.saves and way.less_work]
    rows += [_row_of_nodes(evidence, way) for way in found if way.efficiency]
    heads = ("What", "Of what", "Engine", "Nodes", "Before", "After", "Result")
    return Table(heads, tuple(rows), frozenset({3, 4, 5, 6}))


def _row_of_reuse(evidence: Evidence, way: Way) -> tuple[str, ...]:
    before, after = evidence.cpu(way.plain), evidence.cpu(way.series.cell(1))
    return (
        "Reuse on one core",
        way.name,
        way.series.engine.capitalize(),
        "1",
        f"{length(before)} CPU, plain" if before else NOTHING,
        f"{length(after)} CPU" if after else NOTHING,
        f"{way.less_work:.3g} times less work",
    )


def _row_of_nodes(evidence: Evidence, way: Way) -> tuple[str, ...]:
    before, after = (
        spread(evidence.seconds(way.series.cell(nodes))).median for nodes in (1, way.nodes)
    )
    return (
        "Efficiency over nodes",
        way.name,
        way.series.engine.capitalize(),
        str(way.nodes),
        f"{length(before)} on one node",
        length(after),
        f"{way.efficiency:.0%}",
    )


def _way(evidence: Evidence, series: Series, known: Sequence[str]) -> Way:
    one, cells = series.cell(1), evidence.cells(series)
    plain = evidence.baseline(one)
    before, after = evidence.cpu(plain), evidence.cpu(one)
    most = cells[-1]
    faster = None
    if one in evidence.clean and most.nodes > 1:
        alone, together = (spread(evidence.seconds(cell)).median for cell in (one, most))
        faster = alone / together
    return Way(
        series=series,
        name=_name(
            [name for name in series.variation if name not in known],
            _work(evidence, one).parameters,
        ),
        saves=saves_work(evidence, one),
        plain=plain,
        less_work=before / after if before and after else None,
        nodes=most.nodes,
        faster=faster,
    )


def _work(evidence: Evidence, cell: Cell) -> Work:
    known = evidence.plan.subject.of(cell.engine)
    return next(one.work for one in known if one.names == cell.variation)


def _name(names: Sequence[str], parameters: Mapping[str, Any]) -> str:
    """Return what people call this way of computing."""
    kinds = {True: "the shared search", False: "one fit per combination"}
    kind = kinds.get(parameters.get("reuse", ""))
    label = ", ".join(names)
    if kind is None:
        return label or "this way of computing"
    return f"{kind} ({label})" if label else kind


def _together(evidence: Evidence, way: Way) -> float | None:
    plain, ours = (evidence.seconds(cell) for cell in (way.plain, way.series.cell(way.nodes)))
    return spread(plain).median / spread(ours).median if plain and ours else None


def _by_name(found: Sequence[tuple[Way, str, str]]) -> list[tuple[str, str]]:
    """Return each way's name, and its values with whose they are and what is added to that."""
    by_name: dict[str, list[str]] = {}
    for way, value, added in found:
        words = f"{value} ({way.series.engine.capitalize()}{added})"
        by_name.setdefault(way.name, []).append(words)
    return [(name, " and ".join(values)) for name, values in by_name.items()]
