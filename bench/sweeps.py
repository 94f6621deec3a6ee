"""A sweep on the machines of a measurement, through the verbs that users type, and its rows."""

import csv
import statistics
import tempfile
from pathlib import Path
from typing import Any

from bench.machine import spread
from bench.machines import Cluster

Row = dict[str, str]


def swept(made: Cluster, name: str, *words: str) -> list[Row]:
    """Run a sweep and build its report; return its rows that may be compared."""
    return reported(made, name, *words)[0]


def reported(made: Cluster, name: str, *words: str) -> tuple[list[Row], str]:
    """Run a sweep; return its rows that may be compared, and the title of its report."""
    with tempfile.TemporaryDirectory() as results:
        place = ("--name", name, "--results", results)
        made.fab("sweep.run", *words, *place)
        made.fab("report.build", *place)
        table = Path(results, name, "results.csv").read_text()
        title = Path(results, name, "report.md").read_text().splitlines()[0]
    rows = list(csv.DictReader(table.splitlines()))
    for row in rows:
        if row["comparable"] != "True":
            print(f"left out: {row['engine']} on {row['nodes']}: {row['left_out_because']}")
    comparable = [row for row in rows if row["comparable"] == "True"]
    return comparable, title.removeprefix(f"# {name}: ")


def chosen(rows: list[Row], engine: str, nodes: int, variation: str = "") -> list[Row]:
    """Return the rows of one engine on so many nodes, with a text in their variation."""
    return [
        row
        for row in rows
        if (row["engine"], row["nodes"]) == (engine, str(nodes))
        and variation in row["variation"]
    ]


def figure(rows: list[Row]) -> dict[str, Any]:
    """Return wall and CPU seconds of repeated runs."""
    return {
        name: spread([float(row[name]) for row in rows])
        for name in ("wall_seconds", "cpu_seconds")
    }


def ratio(slow: list[Row], fast: list[Row]) -> float:
    """Return how many times as fast the second rows are, by their medians."""
    one, other = (
        statistics.median(float(row["wall_seconds"]) for row in rows) for rows in (slow, fast)
    )
    return round(one / other, 3)
