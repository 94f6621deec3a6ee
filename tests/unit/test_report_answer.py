"""The answer in words is the one that the measurements allow, and no better."""

import dataclasses

import pytest

from tests.doubles import sweep_journal
from workloads.report.answer import answer
from workloads.report.costs import amount, assumed_prices, prices_of
from workloads.report.evidence import gather
from workloads.report.exclusion import exclusion
from workloads.sweeps.history import read_history
from workloads.sweeps.records import as_record


def evidence(**options):
    records = [as_record(entry) for entry in sweep_journal.entries(**options)]
    return gather(read_history(json_like(records)))


def json_like(records):
    import json

    return json.loads(json.dumps(records))


def said(found, prices=None):
    return answer(found, prices if prices is not None else prices_of(found.plan.machines))


def times(table):
    return lambda run: table[run.cell.engine, run.cell.nodes] * (1 + 0.01 * run.repeat)


GOOD = {("plain", 1): 100.0, ("ray", 1): 104.0, ("ray", 2): 55.0, ("ray", 3): 38.0,
        ("dask", 1): 102.0, ("dask", 2): 53.0, ("dask", 3): 36.0}  # fmt: skip


def test_it_was_worth_it():
    found = said(evidence(time=times(GOOD)))
    text = " ".join(found.sentences)
    assert found.verdict == "yes"
    assert found.headline == (
        "Worth distributing: Dask on 3 nodes is 2.8 times as fast as one machine."
    )
    assert "102 s for one plain machine" in text
    assert "efficiency of 93%" in text
    assert "Ray on 3 nodes took 6% longer than Dask." in text
    assert "A run costs 0.00153 USD there, 8% more than the 0.00142 USD" in text
    assert "which one run pays back" in text


def test_tiny_work_should_not_be_distributed():
    tiny = {**dict.fromkeys(GOOD, 3.0), ("plain", 1): 1.0}
    found = said(evidence(time=times(tiny)))
    assert (found.verdict, found.headline) == ("no", "Do not distribute this.")
    assert "slower" in " ".join(found.sentences)


def test_getting_ready_can_eat_up_what_was_saved():
    def change(row):
        ready = {"connect": 4.0 if row.nodes > 1 else 0.5, "work": row.wall_seconds}
        return dataclasses.replace(row, phases=ready)

    short = {cell: seconds / 60 for cell, seconds in GOOD.items()}
    found = said(evidence(time=times(short), change=change))
    assert found.headline == "Do not distribute this."
    assert "take 4.00 s before each run, against 0.500 s on one plain machine" in " ".join(
        found.sentences
    )


def test_runs_that_overlap_prove_nothing():
    def time(run):
        return {1: 100.0, 2: 92.0, 3: 90.0}[run.cell.nodes] + (run.repeat - 2) * 12

    found = said(evidence(time=time))
    assert found.headline == "Do not distribute this."
    assert "their runs overlap" in " ".join(found.sentences)


def test_a_single_repeat_settles_nothing():
    found = said(evidence(time=times(GOOD), repeats=1))
    assert found.verdict == "unknown"
    assert found.headline.startswith("Not certain yet: Dask on 3 nodes looks 2.8 times")
    text = " ".join(found.sentences)
    assert "measured only once" in text
    assert "the same command with `--repeats 3` settles it" in text
    assert "fab sweep.run" not in text, "options that are left out make another sweep of it"


def test_a_gain_too_small_to_bother():
    small = {**GOOD, ("dask", 3): 90.0, ("ray", 3): 91.0, ("ray", 2): 95.0, ("dask", 2): 95.0}
    found = said(evidence(time=times(small)))
    assert found.verdict == "no"
    assert "does not pay for the effort" in " ".join(found.sentences)


def test_faster_but_wasteful():
    poor = {**GOOD, ("dask", 2): 80.0, ("ray", 2): 82.0, ("dask", 3): 66.0, ("ray", 3): 69.0}
    found = said(evidence(time=times(poor)))
    assert found.verdict == "dear"
    assert found.headline.startswith("Faster, at a price: Dask on 3 nodes")
    assert "time matters more than cost" in " ".join(found.sentences)


def test_engines_that_cannot_be_told_apart_are_not_ranked():
    def time(run):
        return times({**GOOD, ("ray", 3): 36.1})(run)

    assert "does not tell from chance" in " ".join(said(evidence(time=time)).sentences)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"node_counts": [1]}, "only one node was measured"),
        ({"node_counts": [2, 3], "engines": ["ray"]}, "no run on one node"),
        ({"change": lambda row: None}, "no run ended undisturbed"),
    ],
)
def test_nothing_to_compare(options, words):
    found = said(evidence(**options))
    assert found.verdict == "unknown"
    assert words in found.headline


def test_without_prices_it_says_so_and_how_to_ask():
    found = evidence(price=None)
    assert prices_of(found.plan.machines) is None
    assert "`fab report.build --price 0.10 --currency USD`" in " ".join(said(found).sentences)


def test_what_if_a_node_hour_cost_something():
    found = evidence(price=None, time=times(GOOD))
    prices = assumed_prices(found.plan.machines, 1.0, "SSC coins")
    text = " ".join(said(found, prices).sentences)
    assert "0.0306 SSC coins" in text
    assert "if a node-hour cost what you assumed" in text


def test_machines_in_two_currencies_have_no_common_price():
    boxes = [dict(box) for box in sweep_journal.machines(2, 0.1)]
    assert prices_of(boxes).currency == "USD"
    boxes[1]["currency"] = "SEK"
    assert prices_of(boxes) is None
    del boxes[1]["currency"], boxes[1]["hourly_price"]
    assert prices_of(boxes) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.345, "12.3 X"), (0.000123456, "0.000123 X"), (0, "0 X"), (1234.5, "1234 X")],
)
def test_amounts_never_round_to_nothing(value, text):
    assert amount(value, "X") == text


def test_an_unfinished_sweep_says_so_first_of_all_on_the_page_and_here():
    seen = []

    def change(row):
        seen.append(row)
        return None if len(seen) > 9 else row

    found = evidence(change=change)
    assert not found.complete
    assert len(found.missing) == 12
    assert said(found).incomplete.startswith(
        "12 of 21 planned runs lack results (72 trials not done)."
    )


@pytest.mark.parametrize(("load", "warned"), [(0.4, False), (2.9, False), (3.1, True)])
def test_a_busy_computer_is_told(load, warned):
    found = evidence(change=lambda row: dataclasses.replace(row, load_before=load))
    assert ("busy with other work" in " ".join(said(found).sentences)) is warned


ROW = sweep_journal.entries(repeats=1)[-1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"reattached": True}, None),
        ({"deaths": ({"node": "worker-1", "after_seconds": 3.2},)}, "lost worker-1 after 3 s"),
        ({"status": "failed", "reason": "head gone"}, "failed: head gone"),
        ({"status": "interrupted", "reason": None}, "interrupted: no reason known"),
        ({"starts": 2}, "the driver was started 2 times"),
        (
            {"summary": {"kept_parts_taken_up": 7}},
            "it went on from what an attempt before had kept",
        ),
        ({"trials": 2, "ok": 2}, "only 2 of 6 trials"),
        ({"ok": 5}, "1 of 6 trials failed"),
        ({"wall_seconds": None}, "no time was recorded"),
    ],
)
def test_which_rows_may_be_compared(changes, words):
    reason = exclusion(dataclasses.replace(ROW, **changes), 6)
    assert reason is None if words is None else words in reason


def test_a_disturbed_row_is_in_no_figure_and_is_explained():
    def change(row):
        if (row.engine, row.nodes, row.repeat) == ("dask", 3, 2):
            deaths = ({"node": "worker-2", "after_seconds": 4.0, "detail": ""},)
            return dataclasses.replace(row, deaths=deaths, wall_seconds=9999.0)
        return row

    found = evidence(change=change)
    assert 9999.0 not in [one for cell in found.clean for one in found.seconds(cell)]
    assert [one.row.wall_seconds for one in found.left_out] == [9999.0]
    text = " ".join(said(found).sentences)
    assert "the same command with `--repeats 4` adds a clean repeat" in text
