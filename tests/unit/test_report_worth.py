"""The answers over all sweeps as figures: ratios, their ranges, costs, and where time goes."""

import dataclasses
import json

import pytest

from tests.doubles import sweep_journal
from tests.doubles.sweep_journal import REUSE, ROWS, WORK, varied
from workloads.report import phases
from workloads.report.costs import assumed_prices, prices_of
from workloads.report.evidence import gather
from workloads.report.worth import engine_words, findings
from workloads.sweeps.plan import Cell

TINY = {"plain": 0.1, "ray": 0.9, "dask": 0.6}


def evidence(**options):
    return gather(sweep_journal.history(sweep_journal.entries(**options)))


def found_in(**options):
    found = evidence(**options)
    return findings(found, prices_of(found.plan.machines))


def by_table(seconds):
    """Three repeats of the table's seconds: as it says, 2 % more, 4 % more."""
    return lambda run: seconds[run.cell.engine, run.cell.nodes] * (0.98 + 0.02 * run.repeat)


TIMES = {("plain", 1): 90.0, ("ray", 1): 110.0, ("ray", 3): 50.0, ("dask", 1): 100.0,
         ("dask", 3): 40.0}  # fmt: skip


def test_ratios_efficiency_and_their_ranges():
    (one,) = found_in(node_counts=(1, 3), time=by_table(TIMES))
    assert (one.engine, one.nodes, one.repeats) == ("dask", 3, 3)
    assert one.one_node.value == pytest.approx(2.5)
    assert one.one_node.low == pytest.approx(2.5 / 1.04)
    assert one.one_node.high == pytest.approx(2.5 * 1.04)
    assert one.plain.value == pytest.approx(2.25)
    assert one.efficiency == pytest.approx(2.5 / 3)
    assert one.efficiency_of_plain == pytest.approx(0.75)
    assert (one.seconds, one.one_node_seconds) == pytest.approx((40.8, 102.0))
    assert one.cost == pytest.approx(3 * 0.05 * 40.8 / 3600)
    assert one.verdict == "yes"
    text = " ".join(one.sentences)
    assert "Use Dask on 3 nodes: 40.8 s, against 91.8 s for one plain machine." in text
    assert "2.50 (2.40 to 2.60) times as fast, an efficiency of 83%" in text
    assert "33% more than one plain machine" in text
    assert engine_words(one) == "Dask on 3 nodes"


def test_what_does_not_pay_says_so_and_where_the_time_goes():
    knn = dataclasses.replace(WORK, workload="knn")
    (one,) = found_in(
        work=knn,
        time=lambda run: TINY[run.cell.engine] * (1 + 0.1 * run.cell.nodes),
        change=lambda row: dataclasses.replace(row, cpu_seconds=0.09),
    )
    assert one.verdict == "no"
    assert engine_words(one) == "one plain machine"
    text = " ".join(one.sentences)
    assert "Do not distribute this: one plain machine takes 0.110 s" in text
    assert "Where the time goes on Dask on 2 nodes: of 8.22 s from nothing" in text
    assert "57% start of the engine, 13% connecting to it, 11% warm-up" in text
    assert one.phases["work"] == pytest.approx(0.09 / 0.6)
    assert one.phases["waiting"] == pytest.approx(0.72 - 0.15)


def test_less_work_is_not_more_machines():
    (one,) = found_in(**varied(REUSE))
    assert one.saves_work
    assert one.efficiency_of_plain is None
    assert "27" in one.plain.words[:2] or one.plain.value == pytest.approx(27, rel=0.01)
    assert "by less work and more machines together" in " ".join(one.sentences)


def test_other_settings_than_plain_has_are_no_less_work():
    axes = {"threads": [1, 4]}
    options = varied(axes)
    baseline = dataclasses.replace(options["variations"][0], settings={})
    (one,) = found_in(**{**options, "baselines": (baseline,)})
    assert not one.saves_work
    assert "less work" not in " ".join(one.sentences)


def test_each_part_has_an_answer_and_all_are_json():
    found = found_in(**varied(ROWS), repeats=1)
    assert [one.part for one in found] == [("rows=10000",), ("rows=100000",)]
    assert {one.verdict for one in found} == {"unknown"}
    documents = json.loads(json.dumps([one.document() for one in found]))
    assert documents[0]["one_node"]["value"] > 2
    assert documents[0]["phases"]["engine start"] == 4.7


@pytest.mark.parametrize("counts", [(1,), (2, 3)])
def test_without_one_or_several_nodes_nothing_is_answered(counts):
    (one,) = found_in(engines=("ray",), node_counts=counts)
    assert (one.verdict, one.engine, engine_words(one)) == ("unknown", None, "not known")


def test_an_assumed_price_is_used():
    found = evidence(price=None)
    assert findings(found, prices_of(found.plan.machines))[0].cost is None
    prices = assumed_prices(found.plan.machines, 1.0, "EUR")
    assert findings(found, prices)[0].currency == "EUR"


def test_an_engine_that_ran_already_took_as_long_to_start():
    """Runs side by side share an engine; its start is no one run's own."""

    def change(row):
        changed = ["engine started"] if row.repeat == 1 else []
        return dataclasses.replace(row, bringup={"seconds": 9.0, "changed": changed})

    found = evidence(change=change)
    assert phases.spent(found, Cell("ray", 3))["engine start"] == 9.0
    assert phases.spent(found, Cell("plain", 1))["engine start"] == 0.0
    warm = evidence(change=lambda row: dataclasses.replace(row, bringup={}))
    assert phases.spent(warm, Cell("ray", 3))["engine start"] == 0.0


def test_the_parts_of_a_sweep_share_the_start_of_an_engine():
    """The first variation finds no engine and starts it, the next one finds it there."""

    def change(row):
        first = row.wall_seconds < 130
        return dataclasses.replace(row, bringup={"seconds": 9.0, "changed": ["x"] * first})

    for one in found_in(**varied(ROWS), change=change, node_counts=(1, 3)):
        assert one.phases["engine start"] == 9.0, one.part


def test_phases_add_up_and_plain_comes_first():
    found = evidence()
    cells = phases.chosen(found)
    assert cells[0] == Cell("plain", 1)
    assert {(cell.engine, cell.nodes) for cell in cells[1:]} == {
        ("ray", 1), ("ray", 3), ("dask", 1), ("dask", 3)}  # fmt: skip
    for row in phases.table(found, cells).rows:
        *parts, whole = (float(one) for one in row[1:])
        assert sum(parts) == pytest.approx(whole, abs=0.05)
    unknown = evidence(change=lambda row: dataclasses.replace(row, cpu_seconds=None))
    spent = phases.spent(unknown, Cell("ray", 3))
    assert (spent["waiting"], spent["work"]) == (0.0, pytest.approx(44.0, rel=0.1))
