"""The files of a report: complete, harmless whatever a name holds, the same from run to run."""

import csv
import dataclasses
import re

import pytest

from contracts.errors import UsageError
from tests.doubles import sweep_journal
from tests.doubles.report_page import HOSTILE, Page
from workloads.report.page import build
from workloads.sweeps.plan import Work
from workloads.sweeps.records import PlanRecord, TrialRecord

pytestmark = pytest.mark.slow


def built(tmp_path, entries, **options):
    folder = sweep_journal.write(tmp_path / "forest", entries)
    return build(folder, made_at="2026-11-21", **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The report of a sweep without trouble."""
    return built(tmp_path_factory.mktemp("whole"), sweep_journal.entries())


def test_a_whole_page(whole):
    page = Page(whole.html.read_text())
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    text = " ".join(page.words)
    for part in ("How it scales", "What the machines did", "Scores", "left out", "Versions"):
        assert part in text
    figures = {found["id"] for tag, found in page.tags if tag == "figure"}
    assert figures == {
        "time", "speed-up", "efficiency", "cost", "phases", "memory-peak", "moved", "cpu-ray",
        "memory-ray", "cpu-dask", "memory-dask", "cpu-plain", "memory-plain", "bringup-ray",
        "bringup-dask", "quality",
    }  # fmt: skip
    assert "126 results of 6 combinations agree" in text
    assert "scikit-learn" in text
    assert "1.9.1" in text


def test_the_page_needs_nothing_else(whole):
    text = whole.html.read_text()
    page = Page(text)
    outside = [link for link in page.links if not link.startswith(("#", "data:"))]
    assert outside == ["../index.html"]
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert "@import" not in text
    assert not [tag for tag, _ in page.tags if tag in ("script", "iframe", "object")]
    assert re.findall(r"url\((?!#)", text) == []


def test_no_colour_of_a_figure_is_fixed(whole):
    text = whole.html.read_text()
    drawn = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawn) == 16
    assert re.findall(r"#01[0-9a-f]{4}\b", " ".join(drawn)) == []
    colours = set(re.findall(r"(?:fill|stroke): ?(#[0-9a-f]{3,6})", " ".join(drawn)))
    assert colours == set()


def test_each_figure_says_what_it_shows(whole):
    page = Page(whole.html.read_text())
    for tag, found in page.tags:
        if tag == "svg":
            assert found["role"] == "img"
            assert set(found["aria-labelledby"].split()) <= set(page.ids)


def test_the_same_journal_gives_the_same_files(tmp_path, whole):
    two = built(tmp_path, sweep_journal.entries())
    for name in ("html", "markdown", "csv"):
        assert getattr(whole, name).read_bytes() == getattr(two, name).read_bytes()


def test_hostile_texts_stay_texts(tmp_path):
    work = Work("forest", {"folds": 3}, ({HOSTILE: HOSTILE},), 0, HOSTILE, "0" * 16)

    def change(row):
        if row.repeat == 2:
            return dataclasses.replace(row, status="failed", reason=HOSTILE)
        names = {name: row.timeline[name] for name in row.machines}
        return dataclasses.replace(
            row,
            versions={HOSTILE: HOSTILE},
            rejected=(HOSTILE,),
            machines=(HOSTILE, *row.machines[1:]),
            timeline={HOSTILE: names[row.machines[0]], **names},
            bringup={"seconds": 1, "changed": [1], "phases": {HOSTILE: [[HOSTILE, 1.0]]}},
        )

    entries = []
    for entry in sweep_journal.entries(work=dataclasses.replace(work, combinations=(
        {"n_estimators": 1, "max_depth": None},)), change=change):  # fmt: skip
        if isinstance(entry, PlanRecord):
            facts = {HOSTILE: HOSTILE}
            boxes = ({**entry.machines[0], "name": HOSTILE}, *entry.machines[1:])
            entry = dataclasses.replace(entry, facts=facts, machines=boxes)
        if isinstance(entry, TrialRecord):
            failed = dataclasses.replace(entry.result, status="failed", reason=HOSTILE)
            entry = dataclasses.replace(entry, result=failed)
        entries.append(entry)
    found = built(tmp_path, entries, price=1.0, currency=HOSTILE)
    page = Page(found.html.read_text())
    assert not [tag for tag, _ in page.tags if tag in ("script", "img")]
    assert not [1 for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert HOSTILE in " ".join(page.words)
    assert "<script" not in found.markdown.read_text()


def test_a_formula_is_not_a_formula_in_the_csv(tmp_path):
    def change(row):
        return dataclasses.replace(row, begun_at="=HYPERLINK(1)")

    found = built(tmp_path, sweep_journal.entries(repeats=1, change=change))
    rows = list(csv.DictReader(found.csv.read_text().splitlines()))
    assert {row["begun_at"] for row in rows} == {"'=HYPERLINK(1)"}


def test_the_csv_has_every_row_and_says_which_count(tmp_path):
    def change(row):
        return dataclasses.replace(row, starts=2 if row.repeat == 1 else 1)

    found = built(tmp_path, sweep_journal.entries(repeats=2, change=change))
    rows = list(csv.DictReader(found.csv.read_text().splitlines()))
    assert len(rows) == 14
    assert [row["comparable"] for row in rows] == ["False"] * 7 + ["True"] * 7
    assert rows[0]["left_out_because"] == "the driver was started 2 times"
    assert float(rows[0]["work_seconds"]) == float(rows[0]["wall_seconds"])
    assert float(rows[-1]["cost"]) > 0


def test_an_unfinished_sweep_says_so_at_the_top(tmp_path):
    found = built(
        tmp_path, sweep_journal.entries(change=lambda row: row if row.repeat < 3 else None)
    )
    text = found.html.read_text().replace("\u00a0", " ")
    assert "<strong>Incomplete.</strong> 7 of 21 planned runs" in text
    assert text.index("Incomplete.") < text.index("How it scales")
    assert "**Incomplete.** 7 of 21" in found.markdown.read_text()


def test_a_whole_sweep_does_not(whole):
    assert "ncomplete" not in whole.html.read_text().partition("</style>")[2]
    assert "ncomplete" not in whole.markdown.read_text()


def test_scores_that_differ_are_shouted_about(tmp_path):
    entries, changed = [], False
    for entry in sweep_journal.entries():
        if isinstance(entry, TrialRecord) and not changed:
            other = dataclasses.replace(entry.result, scores=(0.1, 0.2, 0.3))
            entry, changed = dataclasses.replace(entry, result=other), True
        entries.append(entry)
    text = built(tmp_path, entries).html.read_text()
    assert "1 of 6 combinations do NOT agree" in text
    assert 'class="warning"' in text


def test_damage_to_the_journal_is_told(tmp_path):
    folder = sweep_journal.write(tmp_path / "forest", sweep_journal.entries())
    with (folder / "journal.jsonl").open("ab") as stream:
        stream.write(b'{"check":"torn')
    assert "1 damaged piece of the journal was set aside" in build(folder).html.read_text()


def test_runs_of_other_work_are_kept_out(tmp_path):
    other = dataclasses.replace(sweep_journal.WORK, sources="f" * 16)
    old = sweep_journal.entries(work=other, time=lambda run: 1.0)
    found = built(tmp_path, [*old, *sweep_journal.entries()])
    assert found.evidence.other_rows == 21
    assert min(one for cell in found.evidence.clean for one in found.evidence.seconds(cell)) > 9
    assert "21 runs of other parameters" in found.html.read_text()


@pytest.mark.parametrize(
    "options",
    [
        {"engines": ["ray"], "node_counts": [1], "repeats": 1, "price": None},
        {"engines": ["plain"], "node_counts": [1], "repeats": 1},
        {"engines": ["dask"], "node_counts": [2, 3], "repeats": 2},
        {"change": lambda row: None},
        {"change": lambda row: dataclasses.replace(row, timeline={}, bringup={}, phases={})},
        {"change": lambda row: dataclasses.replace(row, status="failed", ok=0)},
        {"node_counts": [1, 2, 4, 8, 16], "repeats": 1},
    ],
)
def test_whatever_there_is_a_page_comes_of_it(tmp_path, options):
    found = built(tmp_path, sweep_journal.entries(**options))
    assert Page(found.html.read_text()).open == []
    assert "nan" not in found.html.read_text().lower().replace("tenan", "")


def test_no_journal(tmp_path):
    with pytest.raises(UsageError, match="no plan of a sweep"):
        build(tmp_path / "none")
