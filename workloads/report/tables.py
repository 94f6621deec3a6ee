"""The tables of the report, as texts that HTML and Markdown share, and the rows of the CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.trial import canonical
from workloads.report.comparison import named
from workloads.report.costs import Prices, amount
from workloads.report.evidence import Evidence, Series
from workloads.report.scores import Ranked
from workloads.report.statistics import Estimate, Law, spread
from workloads.sweeps.plan import PLAIN, Cell
from workloads.sweeps.records import RunRecord

TOP = 10
NOTHING = "–"  # noqa: RUF001  a dash of its own, where a table has no value


@dataclass(frozen=True)
class Table:
    """Column heads and rows of texts; columns whose index is in `numbers` are aligned right."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int]


def times(evidence: Evidence, prices: Prices | None) -> Table:
    """Return a row for each cell: its times, and what they mean beside one machine."""
    rows = []
    varied = bool(evidence.plan.variations)
    for series in _lines(evidence):
        for cell in evidence.cells(series):
            found = spread(evidence.seconds(cell))
            base = evidence.seconds(series.cell(1))
            ratio = spread(base).median / found.median if base else None
            plain = evidence.seconds(evidence.baseline(cell))
            alone = spread(plain).median if plain else None
            cpu = evidence.cpu(cell)
            costs = [prices.of_run(row) for row in evidence.clean[cell]] if prices else []
            known = [one for one in costs if one is not None]
            rows.append(
                (
                    cell.engine.capitalize(),
                    *((", ".join(cell.variation) or NOTHING,) if varied else ()),
                    str(cell.nodes),
                    str(found.count),
                    f"{found.median:.2f}",
                    f"{found.least:.2f} to {found.most:.2f}",
                    f"{cpu:.2f}" if cpu else NOTHING,
                    f"{evidence.ready(cell):.1f}",
                    f"{ratio:.2f}" if ratio else NOTHING,
                    f"{ratio / cell.nodes:.0%}" if ratio else NOTHING,
                    f"{alone / found.median:.2f}" if alone else NOTHING,
                    amount(spread(known).median, prices.currency)
                    if prices and known
                    else NOTHING,
                )
            )
    names = ("Engine", "Variation") if varied else ("Engine",)
    heads = (*names, "Nodes", "Runs", "Median, s", "Range, s", "CPU, s", "Ready after, s",
             "Speed-up", "Efficiency", "Against plain", "Cost of a run")  # fmt: skip
    return Table(heads, tuple(rows), frozenset(range(len(names), len(heads))))


def in_order(evidence: Evidence) -> list[Cell]:
    """Return every measured cell in the order of the tables: by part, plain first."""
    return [cell for series in _lines(evidence) for cell in evidence.cells(series)]


def _lines(evidence: Evidence) -> list[Series]:
    return [
        series
        for part in evidence.parts()
        for series in sorted(part.series(), key=lambda one: one.engine != PLAIN)
    ]


def laws(fitted: Mapping[Series, Sequence[Law]]) -> Table:
    """Return a row for each value of each fitted law of each series."""
    rows = []
    for series, found in fitted.items():
        for law in found:
            values = {"time on one node, s": law.one_node, **law.values}
            for name, one in values.items():
                form = "{:.2f}" if one is law.one_node else "{:.3f}"
                rows.append(
                    (series.label, law.name, name, form.format(one.value),
                     _interval(one, form))
                )  # fmt: skip
    heads = ("Engine", "Law", "Value", "Estimate", "95 % interval")
    return Table(heads, tuple(rows), frozenset({3, 4}))


def summaries(evidence: Evidence) -> Table:
    """Return what each series' runs say of how they computed, beside their scores.

    Two runs of a series that say different things are both told.
    """
    said: dict[str, dict[str, list[str]]] = {}
    for series in evidence.series():
        for cell in evidence.cells(series):
            for row in evidence.clean[cell]:
                for key, value in row.summary.items():
                    if key not in _ORDINARY:
                        values = said.setdefault(series.label, {}).setdefault(key, [])
                        if _value(value) not in values:
                            values.append(_value(value))
    keys = list(dict.fromkeys(key for found in said.values() for key in found))
    rows = tuple(
        (label, *(" and ".join(found.get(key, [NOTHING])) for key in keys))
        for label, found in said.items()
    )
    heads = ("Engine", *(key.replace("_", " ").capitalize() for key in keys))
    numbers = {
        place
        for place in range(1, len(heads))
        if all(row[place] == NOTHING or row[place].isdigit() for row in rows)
    }
    return Table(heads, rows, frozenset(numbers))


# What every run of a workload sums up and the report shows in other places.
_ORDINARY = ("data", "trials_ok", "trials_failed", "scores_digest", "best_score",
             "best_parameters", "kept_parts_taken_up")  # fmt: skip


def best(ranked: Sequence[Ranked]) -> Table:
    """Return the combinations with the best mean scores."""
    top = ranked[:TOP]
    names = sorted({name for one in top for name in one.parameters})
    rows = tuple(
        (
            str(place),
            f"{one.mean:.4f}",
            f"{one.deviation:.4f}",
            f"{min(one.scores):.4f} to {max(one.scores):.4f}",
            *(_value(one.parameters.get(name)) for name in names),
        )
        for place, one in enumerate(top, 1)
    )
    heads = ("Place", "Mean score", "Deviation", "Worst to best fold", *names)
    return Table(heads, rows, frozenset(range(1, len(heads))))


def left_out(evidence: Evidence) -> Table:
    """Return the rows that no figure uses, and why."""
    rows = tuple(
        (
            named(one.cell),
            str(one.row.repeat),
            f"{one.row.wall_seconds:.2f}" if one.row.wall_seconds else NOTHING,
            one.reason,
        )
        for one in evidence.left_out
    )
    return Table(("Run", "Repeat", "Time, s", "Why"), rows, frozenset({1, 2}))


def versions(evidence: Evidence) -> Table:
    """Return the versions that the drivers reported; more than one value is told as such."""
    found: dict[str, set[str]] = {}
    for rows in evidence.clean.values():
        for row in rows:
            for name, version in row.versions.items():
                found.setdefault(name, set()).add(version)
    return Table(
        ("What", "Version"),
        tuple((name, " and ".join(sorted(values))) for name, values in sorted(found.items())),
        frozenset(),
    )


def loads(evidence: Evidence) -> str:
    """Return in words how busy the operator's machine was around the runs."""
    rows = [row for rows in evidence.clean.values() for row in rows]
    if not rows:
        return ""
    before, after = ([getattr(row, name) for row in rows] for name in _LOADS)
    cores = evidence.plan.facts.get("operator_cores")
    known = f" (it has {cores} cores)" if cores else ""
    return (
        f"Load average of the operator's machine{known}: {spread(before).median:.1f} at the "
        f"median before a run, {spread(after).median:.1f} after it."
    )


_LOADS = ("load_before", "load_after")


def comma_separated(
    evidence: Evidence, rows: Iterable[RunRecord], prices: Prices | None
) -> str:
    """Return one line for each recorded row, also those left out, for other programs.

    Rows of other work than the report's are not in it. A text that a spreadsheet would take
    for a formula is marked as text.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    phases = ("connect", "data", "warmup", "work")
    writer.writerow(
        ["engine", "nodes", "repeat", "attempt", "comparable", "left_out_because", "status",
         "wall_seconds", *(f"{name}_seconds" for name in phases), "bringup_seconds",
         "cpu_seconds", "trials", "trials_ok", "units", "retries", "deaths", "reattached",
         "load_before", "load_after", "cost", "currency", "begun_at", "run_id",
         "driver_cpu_seconds", "variation", "profiled"]
    )  # fmt: skip
    reasons = {id(one.row): one.reason for one in evidence.left_out}
    for row in rows:
        found = evidence.plan.subject.find(row.engine, row.work)
        if found is None:
            continue
        reason = reasons.get(id(row))
        cost = prices.of_run(row) if prices else None
        cells = [row.engine, row.nodes, row.repeat, row.attempt, reason is None, reason,
                 row.status, row.wall_seconds, *(row.phases.get(name) for name in phases),
                 row.bringup.get("seconds"), row.cpu_seconds, row.trials, row.ok, row.units,
                 row.retries, len(row.deaths), row.reattached, row.load_before,
                 row.load_after, cost, prices.currency if prices else None, row.begun_at,
                 row.run_id, row.driver_cpu_seconds, "; ".join(found.names),
                 bool(row.profiles)]  # fmt: skip
        writer.writerow([_harmless(cell) for cell in cells])
    return stream.getvalue()


def _harmless(cell: Any) -> Any:
    if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{cell}"
    return "" if cell is None else cell


def _interval(one: Estimate, form: str) -> str:
    if one.low is None or one.high is None:
        return "none"
    return f"{form.format(one.low)} to {form.format(one.high)}"


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else canonical(value)
