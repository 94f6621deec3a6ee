"""What a report says of workloads other than the forest: quality, sizes, published times."""

import dataclasses

import pytest

from tests.doubles import sweep_journal
from tests.doubles.sweep_journal import ROWS, WORK, varied
from workloads import registry
from workloads.report import published, quality, size_figure
from workloads.report.evidence import gather
from workloads.report.page import build
from workloads.report.scores import agreement
from workloads.report.tables import NOTHING
from workloads.sweeps.records import TrialRecord

pytestmark = pytest.mark.slow
KNN = dataclasses.replace(WORK, workload="knn")
FACTS = {"quality": "accuracy", "tolerance": 1e-5, "size": "rows"}


def evidence(entries):
    return gather(sweep_journal.history(entries))


def shifted(entries, factor):
    """Change the scores of all runs of Dask by a factor."""
    theirs = {one.run_id for one in entries if getattr(one, "engine", "") == "dask"}
    return [
        dataclasses.replace(
            one,
            result=dataclasses.replace(
                one.result, scores=tuple(score * factor for score in one.result.scores)
            ),
        )
        if isinstance(one, TrialRecord) and one.run_id in theirs
        else one
        for one in entries
    ]


@pytest.mark.parametrize(
    ("factor", "tolerance", "agrees"),
    [(1, 0.0, True), (1 + 1e-7, 0.0, False), (1 + 1e-7, 1e-5, True), (1 + 1e-4, 1e-5, False)],
)
def test_scores_agree_within_the_tolerance_of_the_workload(factor, tolerance, agrees, tmp_path):
    facts = {**FACTS, "tolerance": tolerance}
    entries = shifted(sweep_journal.entries(facts=facts, repeats=1), factor)
    assert (not agreement(evidence(entries)).differing) is agrees
    built = build(sweep_journal.write(tmp_path / "kmeans", entries))
    text = built.markdown.read_text()
    assert ("agree within 1e-05 of their size" in text) is (agrees and tolerance > 0)
    assert ("agree to the last bit" in text) is (agrees and not tolerance)
    assert ("do NOT agree" in text) is not agrees


def test_quality_over_engines_and_nodes(tmp_path):
    entries = shifted(sweep_journal.entries(facts=FACTS, repeats=1), 1 + 1e-7)
    table = quality.table(evidence(entries))
    found = {(row[0], row[1]): row[2:] for row in table.rows}
    assert len(found) == 7
    assert found["Plain", "1"] == ("0.937333", NOTHING)
    assert found["Ray", "3"] == ("0.937333", "0")
    assert found["Dask", "2"] == ("0.937333", "1e-07")
    page = build(sweep_journal.write(tmp_path / "kmeans", entries)).html.read_text()
    assert "Score: accuracy; higher is better." in page


def test_scores_that_the_nodes_decide_raise_no_alarm(tmp_path):
    facts = {**FACTS, "tolerance": None}
    entries = shifted(sweep_journal.entries(facts=facts, repeats=1), 1.5)
    page = build(sweep_journal.write(tmp_path / "xgboost", entries)).html.read_text()
    assert "Scores are not compared" in page
    assert "do NOT agree" not in page


@pytest.mark.parametrize(("form", "known"), [("trials", 1e-6), ("distributed", None)])
def test_a_fit_over_all_nodes_is_compared_with_no_other(form, known):
    assert registry.tolerance("xgboost", {"form": form}) == known
    assert registry.tolerance("pca", {}) == 1e-4


def test_where_no_score_is_better_than_another_none_is_called_the_best(tmp_path):
    facts = {**FACTS, "quality": "the figures of an answer", "ranked": False}
    entries = sweep_journal.entries(facts=facts, repeats=1)
    found = evidence(entries)
    heads = quality.table(found).heads
    assert heads == ("Engine", "Nodes", "Largest difference from plain")
    assert {len(row) for row in quality.table(found).rows} == {len(heads)}
    assert quality.drawing(found) == []
    assert quality.best_score(found, next(iter(found.clean))) is None
    built = build(sweep_journal.write(tmp_path / "flights", entries))
    for page in (built.html.read_text(), built.markdown.read_text()):
        assert "Score: the figures of an answer." in page
        assert "is better" not in page
        assert "The best of" not in page
        assert "Best score" not in page


def test_a_workload_says_whether_its_scores_are_better_or_just_equal():
    assert {name for name in registry.names() if not registry.ranked(name)} == {
        "flights", "pca",
    }  # fmt: skip


def test_published_times_stand_beside_ours_as_other_machines(tmp_path):
    entries = sweep_journal.entries(work=KNN, node_counts=(1, 2, 3, 4), repeats=1)
    rows = {(row[0], row[1]): row[2:] for row in published.table(evidence(entries)).rows}
    assert set(rows) == {
        ("Ray", "2"), ("Ray", "3"), ("Ray", "4"), ("Dask", "2"), ("Dask", "4"), ("Dask", "6"),
    }  # fmt: skip
    assert rows["Dask", "4"][2:] == ("2.73", "1.38")
    assert float(rows["Dask", "4"][1]) > 1.5
    assert rows["Dask", "6"] == (NOTHING, NOTHING, "2.69", "1.41")
    assert rows["Ray", "2"][1] == "1.00"
    built = build(sweep_journal.write(tmp_path / "knn", entries))
    assert "Published times beside ours: other machines" in built.html.read_text()
    assert "on other machines that nobody described" in built.markdown.read_text()


def test_a_workload_without_published_times_has_no_such_table():
    assert published.table(evidence(sweep_journal.entries(repeats=1))).rows == ()


def test_time_is_drawn_against_size_where_sizes_are_varied(tmp_path):
    entries = sweep_journal.entries(**varied(ROWS), facts=FACTS, repeats=2)
    (drawing,) = size_figure.time_against_size(evidence(entries))
    assert drawing.title == "Time against rows"
    for words in ("Ray x 3 with 100000: ", "Dask x 1 with 10000: ", "plain with 10000: 11"):
        assert words in drawing.svg
    assert "Ray x 2" not in drawing.svg
    page = build(sweep_journal.write(tmp_path / "sizes", entries)).html.read_text()
    assert page.count('id="size"') == 1


def test_nothing_is_drawn_against_size_where_something_else_is_varied():
    facts = {**FACTS, "size": "points"}
    entries = sweep_journal.entries(**varied(ROWS), facts=facts, repeats=1)
    assert size_figure.time_against_size(evidence(entries)) == []
