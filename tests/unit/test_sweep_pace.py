"""How long a sweep will take: from runs of the same work where there are any."""

import pytest

from tests.doubles import sweep_journal
from tests.doubles.sweep_journal import ROWS, varied
from workloads.sweeps.pace import seconds_left
from workloads.sweeps.plan import Subject, plan
from workloads.sweeps.records import RunRecord

OPTIONS = varied(ROWS)
PLACES = {"engines": ("ray",), "node_counts": (1, 2), "repeats": 1}
ROWS_MEASURED = [
    entry
    for entry in sweep_journal.entries(**OPTIONS, **PLACES)
    if isinstance(entry, RunRecord)
]
RUNS = plan(Subject(**OPTIONS), **PLACES)


def spent(row):
    return sum(row.phases.values())


def test_a_run_takes_what_its_own_variation_took():
    for run, row in zip(RUNS, ROWS_MEASURED, strict=True):
        assert seconds_left([run], ROWS_MEASURED) == pytest.approx(spent(row))


def test_a_new_number_of_nodes_is_judged_by_the_same_work():
    small = [row for row in ROWS_MEASURED if row.nodes == 1]
    for run, row in zip(RUNS[2:], small, strict=True):
        assert run.work.fingerprint == row.work
        assert seconds_left([run], small) == pytest.approx(spent(row) / 2)


def test_new_work_is_judged_by_what_there_is():
    (first, second) = (row for row in ROWS_MEASURED if row.nodes == 1)
    assert seconds_left([RUNS[1]], [first]) == pytest.approx(spent(first))
    assert seconds_left([RUNS[0]], [second]) == pytest.approx(spent(second))
    assert seconds_left(RUNS, []) is None
