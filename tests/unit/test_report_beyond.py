"""An efficiency above the ideal is never passed over, and its cause is looked for."""

import dataclasses

import pytest

from tests.doubles import sweep_journal
from workloads.report.answer import answer
from workloads.report.evidence import gather

TIMES = {("ray", 1): 120.0, ("ray", 2): 50.0, ("ray", 3): 36.0, ("plain", 1): 125.0}


def said(change=lambda row: row, times=TIMES, **options):
    def time(run):
        return times[run.cell.engine, run.cell.nodes] * (1 + 0.001 * run.repeat)

    entries = sweep_journal.entries(
        engines=("ray", "plain"), time=time, change=change, **options
    )
    found = gather(sweep_journal.history(entries))
    return " ".join(answer(found, None).sentences)


def cpu(**seconds):
    """Change the CPU seconds of Ray's runs, by number of nodes as a word."""
    numbers = {1: seconds["one"], 2: seconds["more"], 3: seconds["more"]}

    def change(row):
        return dataclasses.replace(row, cpu_seconds=numbers[row.nodes])

    return change


def test_more_than_the_ideal_is_said_of_the_worst_number_of_nodes():
    text = said(cpu(one=30.0, more=30.0))
    assert (
        "More than the ideal: Ray on 2 nodes has an efficiency of 120% against Ray on 1 node."
        in text
    )
    assert text.count("More than the ideal") == 1


@pytest.mark.parametrize("three", [40.0, 38.2])
def test_up_to_five_percent_more_is_chance(three):
    times = {**TIMES, ("ray", 2): 60.0, ("ray", 3): three, ("plain", 1): 118.0}
    assert "More than the ideal" not in said(times=times)


def test_more_cpu_seconds_for_the_same_work():
    text = said(cpu(one=36.0, more=30.0))
    assert "The same work took 20% more CPU seconds there" in text
    assert "less of that node's CPU" not in text


def test_a_smaller_share_of_the_nodes_cpu():
    text = said(cpu(one=30.0, more=30.0))
    assert "The work got 17% less of that node's CPU than of each of the 2" in text
    assert "more CPU seconds" not in text


def test_memory_that_was_all_but_full():
    def change(row):
        if row.nodes > 1:
            return row
        full = {**row.timeline["head"], "memory": [0.95 * 2 * sweep_journal.GIB] * 100}
        return dataclasses.replace(row, timeline={"head": full})

    assert "Its memory was 95% full." in said(change)


def test_runs_that_lie_far_apart():
    def change(row):
        if (row.engine, row.nodes, row.repeat) == ("ray", 1, 2):
            return dataclasses.replace(row, wall_seconds=160.0)
        return row

    assert "Its runs lie far apart" in said(change)


def test_nothing_in_the_records_says_why():
    text = said(lambda row: dataclasses.replace(row, cpu_seconds=None))
    assert "Memory limits or a disturbed run are likely; the records show neither." in text
    assert "`fab sweep.run --repeats 4` measures again." in text


def test_reuse_is_not_taken_for_machines_beyond_the_ideal():
    options = sweep_journal.varied({"reuse": [True]})
    text = said(times={**TIMES, ("plain", 1): 1200.0}, **options)
    assert "against one plain machine" not in text
    assert "Reuse, which needs no second machine" in text


def test_against_plain_where_the_engine_has_no_run_on_one_node():
    text = said(change=lambda row: (
        dataclasses.replace(row, starts=2) if (row.engine, row.nodes) == ("ray", 1) else row
    ))  # fmt: skip
    assert "Ray on 2 nodes has" not in text
    assert "Ray on 3 nodes has an efficiency of 116% against one plain machine." in text
