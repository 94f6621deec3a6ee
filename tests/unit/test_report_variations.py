"""A report of a sweep that varies the work: nothing is mixed, and reuse is never scaling."""

import csv
import dataclasses
import re

import pytest

from tests.doubles import sweep_journal
from tests.doubles.sweep_journal import REUSE, ROWS, varied
from workloads.report import reuse
from workloads.report.answer import answer
from workloads.report.evidence import gather
from workloads.report.page import build
from workloads.sweeps.plan import PLAIN, Cell
from workloads.sweeps.records import RunRecord, TrialRecord

pytestmark = pytest.mark.slow


def evidence(axes, **options):
    entries = sweep_journal.entries(**varied(axes), **options)
    return gather(sweep_journal.history(entries))


def built(tmp_path, entries):
    return build(sweep_journal.write(tmp_path / "forest", entries), made_at="2026-11-21")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The report of a forest with shared trees, with single fits, and plain."""
    folder = tmp_path_factory.mktemp("shared")
    return built(folder, sweep_journal.entries(**varied(REUSE)))


def test_every_cell_has_the_runs_of_its_own_variation():
    found = evidence(REUSE)
    assert len(found.clean) == 13
    assert {len(rows) for rows in found.clean.values()} == {3}
    for cell, rows in found.clean.items():
        assert {row.engine for row in rows} == {cell.engine}
        assert len({row.work for row in rows}) == 1
    ray, quick = (Cell("ray", 1, (f"reuse={text}",)) for text in ("false", "true"))
    assert min(found.seconds(ray)) > 5 * max(found.seconds(quick))
    assert found.baseline(ray) == found.baseline(quick) == Cell(PLAIN, 1)


def test_reuse_and_scaling_are_told_apart_in_words(shared):
    text = " ".join(shared.answer.sentences)
    assert shared.answer.headline == (
        "Worth distributing: Dask on 3 nodes (reuse=true) is 2.8 times as fast as one machine."
    )
    assert "12.2 s for Dask on 1 node (reuse=true)" in text
    (ratios,) = re.findall(r"takes ([\d.]+) \(Ray\) and ([\d.]+) \(Dask\) times the CPU", text)
    assert [float(one) for one in ratios] == pytest.approx([9.43, 9.69], rel=0.02)
    assert (
        "an efficiency of 88% (Ray on 3 nodes) and 93% (Dask on 3 nodes) for the shared search "
        "(reuse=true), and of 93% (Ray on 3 nodes) and 98% (Dask on 3 nodes) for one fit per "
        "combination (reuse=false)." in text
    )
    assert "27 times (Dask on 3 nodes, of which the nodes give 2.79)" in text


def test_reuse_and_scaling_are_told_apart_in_a_table(shared):
    found = reuse.table(shared.evidence)
    kinds = [(row[0], row[1].partition(" (")[0], row[2], row[3]) for row in found.rows]
    assert kinds == [
        ("Reuse on one core", "the shared search", "Ray", "1"),
        ("Reuse on one core", "the shared search", "Dask", "1"),
        ("Efficiency over nodes", "the shared search", "Ray", "3"),
        ("Efficiency over nodes", "the shared search", "Dask", "3"),
        ("Efficiency over nodes", "one fit per combination", "Ray", "3"),
        ("Efficiency over nodes", "one fit per combination", "Dask", "3"),
    ]
    assert found.rows[0][4:] == ("35.4 s CPU, plain", "3.75 s CPU", "9.43 times less work")
    assert found.rows[-1][4:] == ("122 s on one node", "41.3 s", "98%")
    for text in (shared.html.read_text(), shared.markdown.read_text()):
        assert "two gains, kept apart" in text


def test_the_drivers_own_cpu_counts_against_reuse():
    """Adding up votes is the driver's part of a shared search; plain fits have none."""

    def change(row):
        return dataclasses.replace(row, driver_cpu_seconds=3.75)

    (way, *_) = reuse.ways(evidence(REUSE, change=change))
    assert way.less_work == pytest.approx((35.4 + 3.75) / (3.75 + 3.75), rel=0.02)


def test_without_a_plain_run_nothing_is_said_of_reuse_in_figures():
    found = evidence(REUSE, engines=("ray",))
    text = " ".join(reuse.sentences(found))
    assert "How much of it is reuse cannot be said" in text
    assert "88% (Ray on 3 nodes)" in text
    assert {row[0] for row in reuse.table(found).rows} == {"Efficiency over nodes"}


def test_a_shared_search_that_nobody_varied_is_kept_apart_too():
    """Sharing may be the default of a workload; plain never shares."""
    options = varied(REUSE)
    work, baselines = options["work"], options["baselines"]
    entries = sweep_journal.entries(work=work, baselines=baselines)
    found = gather(sweep_journal.history(entries))
    assert found.other_rows == 0
    assert len(found.clean) == 7
    text = " ".join(answer(found, None).sentences)
    assert "times the CPU seconds of the shared search on one node" in text
    assert "27 times (Dask on 3 nodes, of which the nodes give 2.79)" in text


def test_where_nothing_is_shared_there_is_nothing_to_keep_apart():
    found = gather(sweep_journal.history(sweep_journal.entries()))
    assert reuse.ways(found) == []
    assert reuse.table(found).rows == ()


def test_the_scores_of_all_that_must_agree_are_compared(tmp_path, shared):
    assert "All 234 results of 6 combinations agree" in shared.html.read_text()
    options = varied(REUSE)
    single = options["variations"][1].work.fingerprint
    entries = sweep_journal.entries(**options)
    run = next(one for one in entries if isinstance(one, RunRecord) and one.work == single)
    index = next(
        index
        for index, one in enumerate(entries)
        if isinstance(one, TrialRecord) and one.run_id == run.run_id
    )
    other = dataclasses.replace(entries[index].result, scores=(0.1, 0.2, 0.3))
    entries[index] = TrialRecord(run.run_id, other)
    text = built(tmp_path, entries).html.read_text()
    assert "1 of 6 combinations do NOT agree" in text


def test_how_the_scores_were_found_is_told_for_those_that_say_it(shared):
    text = shared.markdown.read_text()
    assert "| Engine | Builder | Trees asked for | Trees grown at most |" in text
    assert "| Ray reuse=true | compiled | 420 | 240 | 6 |" in text
    assert "| Ray reuse=false | " not in text.partition("How the scores were found")[2]


def test_each_size_of_the_data_has_an_answer_of_its_own(tmp_path):
    def time(run):
        """A tenth of the data is too little to share."""
        if run.work.parameters["rows"] == 10000:
            return 3.0 + 0.01 * run.repeat
        return sweep_journal.seconds(run)

    found = built(tmp_path, sweep_journal.entries(**varied(ROWS), time=time))
    assert found.answer.verdict == "mixed"
    assert found.answer.headline == (
        "It depends: not worth it with rows=10000; worth distributing with rows=100000."
    )
    sentences = found.answer.sentences
    assert [one.partition(":")[0] for one in sentences] == [
        "With rows=10000", "With rows=100000"
    ]  # fmt: skip
    text = found.html.read_text()
    figures = re.findall(r'<figure id="([^"]*)"', text)
    assert len(figures) == len(set(figures)) == 26
    assert {"time", "time-2", "speed-up", "efficiency", "cost-2", "cpu-ray-2"} <= set(figures)
    assert "speed-up-2" not in figures
    captions = [f"The best of 6 combinations with rows={rows}" for rows in (10000, 100000)]
    for caption in captions:
        assert caption in text
    assert "All 252 results of 12 combinations agree" in text
    assert "varied: rows = 10000, 100000" in text


def test_many_lines_are_drawn_in_figures_of_their_own(tmp_path):
    options = varied({**ROWS, **REUSE})
    found = built(tmp_path, sweep_journal.entries(**options))
    figures = re.findall(r'<figure id="([^"]*)"', found.html.read_text())
    assert len(figures) == len(set(figures))
    assert {"time-2", "speed-up-2", "efficiency-2"} <= set(figures)
    labels = re.findall(r">(Ray (?!on )[^<]*)</text>", found.html.read_text())
    assert set(labels) == {"Ray reuse=true", "Ray reuse=false"}
    text = " ".join(found.answer.sentences)
    assert "With rows=100000: Reuse, which needs no second machine" in text


def test_the_csv_names_the_variation_of_each_row(tmp_path):
    found = built(tmp_path, sweep_journal.entries(**varied({**ROWS, **REUSE}), repeats=1))
    rows = list(csv.DictReader(found.csv.read_text().splitlines()))
    assert len(rows) == 26
    assert {row["variation"] for row in rows if row["engine"] == "plain"} == {
        "rows=10000", "rows=100000"
    }  # fmt: skip
    assert len({row["variation"] for row in rows if row["engine"] == "ray"}) == 4


def test_a_lost_node_is_told_with_its_variation():
    def change(row):
        if (row.engine, row.nodes, row.repeat) == ("dask", 3, 2) and row.wall_seconds > 20:
            deaths = ({"node": "worker-2", "after_seconds": 4.0, "detail": ""},)
            return dataclasses.replace(row, deaths=deaths)
        return row

    (left,) = evidence(REUSE, change=change).left_out
    assert left.cell == Cell("dask", 3, ("reuse=false",))


def test_an_earlier_sweep_without_variations_is_part_of_a_later_one_with_them():
    options = varied(REUSE)
    alone = sweep_journal.entries(
        work=options["work"], baselines=options["baselines"], node_counts=(1, 2, 3)
    )
    later = sweep_journal.entries(**options, change=lambda row: None)
    found = gather(sweep_journal.history([*alone, later[0]]))
    assert found.other_rows == 0
    assert Cell("ray", 3, ("reuse=true",)) in found.clean
    assert {run.cell.variation for run in found.missing} == {("reuse=false",)}
    assert len(found.missing) == 18
    assert len(found.runs) == len({run.run_id for run in found.runs}) == 39


def test_long_values_are_told_apart_in_figures(tmp_path):
    grids = [["sqrt", 0.5, 0.25, 0.125, 0.75, last] for last in (1.0, 2.0)]
    options = varied({"grid.max_features": grids})
    found = built(tmp_path, sweep_journal.entries(**options, repeats=1))
    text = found.html.read_text()
    titles = re.findall(r"<h3>(Time against nodes[^<]*)</h3>", text)
    assert len(titles) == len(set(titles)) == 2
    speed = text.partition('<figure id="speed-up">')[2].partition("</figure>")[0]
    labels = set(re.findall(r">(Ray [^<]*)</text>", speed))
    assert len(labels) == 2
    assert max(map(len, labels)) <= 30
