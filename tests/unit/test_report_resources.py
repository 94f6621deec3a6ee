"""Memory, bytes moved, what trials tell, and runs in which a worker was started again."""

import csv
import dataclasses

import pytest

from tests.doubles import sweep_journal
from workloads.report import extras, resources
from workloads.report.evidence import gather
from workloads.report.page import build
from workloads.report.tables import NOTHING, left_out
from workloads.sweeps.plan import Cell

pytestmark = pytest.mark.slow
GIB = sweep_journal.GIB


def evidence(**options):
    return gather(sweep_journal.history(sweep_journal.entries(**options)))


def counted(row):
    """Each node sent 3 MiB since the first sample, and its memory peaked once."""
    timeline = {
        name: {
            "seconds": [0.0, 1.0, 2.0],
            "cpu": [0.1, 0.9, 0.1],
            "memory": [0.1 * GIB, (1.0 + 0.5 * index) * GIB, 0.1 * GIB],
            "sent": [1 << 20, 2 << 20, (4 << 20) + (index << 20)],
            "received": [0, 5, 9],
        }
        for index, name in enumerate(row.machines)
    }
    return dataclasses.replace(row, timeline=timeline)


def test_peaks_and_bytes_of_each_cell():
    found = evidence(change=counted, engines=("ray", "plain"))
    rows = {(row[0], row[1]): row[2:] for row in resources.table(found).rows}
    assert rows["Plain", "1"] == ("1.00 to 1.00", "50%", "3 MiB", "3 MiB")
    assert rows["Ray", "3"] == ("1.00 to 2.00", "100%", "12 MiB", "5 MiB")
    names = [one.name for one in resources.drawings(found)]
    assert names == ["memory-peak", "moved"]
    assert "Ray on 3: 12 MiB a run" in resources.drawings(found)[1].svg
    assert resources.median_of(found, Cell("ray", 2), resources.moved) == 7.0


def test_journals_from_before_bytes_were_counted():
    def change(row):
        return dataclasses.replace(
            row,
            timeline={
                name: {key: series[key] for key in ("seconds", "cpu", "memory")}
                for name, series in row.timeline.items()
            },
        )

    found = evidence(change=change)
    assert {row[-2:] for row in resources.table(found).rows} == {(NOTHING, NOTHING)}
    assert [one.name for one in resources.drawings(found)] == ["memory-peak"]
    blind = evidence(change=lambda row: dataclasses.replace(row, timeline={}))
    assert resources.table(blind).rows == ()
    assert resources.drawings(blind) == []


def test_a_node_that_nobody_counted_makes_the_sum_unknown():
    def change(row):
        row = counted(row)
        return dataclasses.replace(row, timeline={"head": row.timeline["head"]})

    found = evidence(change=change)
    assert resources.median_of(found, Cell("ray", 3), resources.moved) is None
    assert resources.median_of(found, Cell("ray", 1), resources.moved) == 3.0


def told(run, index):
    if run.cell.engine == "plain":
        return {"read seconds": 2.0, "cpu_seconds": 9.0}
    spilled = 3 << 29 if run.cell.nodes == 1 else 0
    return {"read seconds": 1.0 + index, "spilled bytes": spilled, "f1": 0.98765}


def test_what_trials_tell_stands_in_columns_with_units():
    table = extras.table(evidence(extra=told))
    assert table.heads == ("Engine", "Nodes", "Read, s", "F1", "Spilled")
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    assert rows["Plain", "1"] == ("2", NOTHING, NOTHING)
    assert rows["Ray", "1"] == ("3.5 (1 to 6)", "0.9877", "1.5 GiB")
    assert rows["Dask", "3"][2] == "0 B"
    assert extras.table(evidence()).rows == ()


def test_a_run_in_which_workers_were_lost_is_marked_and_left_out(tmp_path):
    def restarted(run, index):
        hit = (run.cell.engine, run.cell.nodes, run.repeat) == ("dask", 2, 2)
        lost = 2.0 if hit and not index else 0.0
        return {"workers_added": lost, "memory_kills": lost / 2}

    entries = sweep_journal.entries(extra=restarted)
    found = gather(sweep_journal.history(entries))
    assert [(one.cell, one.row.repeat) for one in found.left_out] == [(Cell("dask", 2), 2)]
    assert len(found.seconds(Cell("dask", 2))) == 2
    assert left_out(found).rows[0][-1] == "lost 2 workers within a node"
    built = build(sweep_journal.write(tmp_path / "flights", entries))
    assert "lost 2 workers within a node" in built.html.read_text()
    told = {row[0]: row for row in extras.table(found).rows}
    assert told["Dask, left out"] == ("Dask, left out", "2", "0 (0 to 1)", "0 (0 to 2)")
    assert told["Dask"][2:] == ("0", "0")
    rows = list(csv.DictReader(built.csv.read_text().splitlines()))
    (marked,) = [row for row in rows if row["comparable"] == "False"]
    assert marked["left_out_because"] == "lost 2 workers within a node"
