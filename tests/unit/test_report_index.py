"""The first page over all sweeps: the answers, their links, and what is not in them."""

import dataclasses
import json
import re
from types import SimpleNamespace

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from contracts.errors import BAD_USAGE, DONE, PARTIAL
from tasks import report
from tests.doubles import sweep_journal
from tests.doubles.report_page import HOSTILE, Page
from tests.doubles.sweep_journal import REUSE, WORK, varied
from workloads.report import index
from workloads.report.reading import read
from workloads.sweeps.plan import Work

pytestmark = pytest.mark.slow
KNN = dataclasses.replace(WORK, workload="knn")
FEW = {"engines": ("dask", "plain"), "node_counts": (1, 3), "repeats": 2}
OLD = "forest-until-20261122-005128"


def tiny(run):
    return {"plain": 0.1, "ray": 0.9, "dask": 0.6}[run.cell.engine] * (1 + run.cell.nodes)


@pytest.fixture
def typed(capsys):
    """Build reports as `fab` would; return the exit code and what was written."""

    def run(**options):
        code = DONE
        try:
            report.build(Context(), **options)
        except Exit as ended:
            code = ended.code
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return run


@pytest.fixture
def swept(tmp_path, monkeypatch):
    """The results of three workloads, of one that was started anew, and a broken journal."""
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results"
    sweep_journal.write(results / OLD, sweep_journal.entries(**FEW))
    sweep_journal.write(results / "forest", sweep_journal.entries(**FEW))
    sweep_journal.write(results / "digits", sweep_journal.entries(**FEW, work=KNN, time=tiny))
    sweep_journal.write(
        results / "shared", sweep_journal.entries(**FEW, **varied(REUSE), price=None)
    )
    sweep_journal.write(results / "broken", [])
    return results


def test_one_page_answers_for_all_sweeps(typed, swept):
    code, out, _ = typed(json=True)
    document = json.loads(out)
    assert code == PARTIAL
    assert set(document["unreadable"]) == {"broken"}
    assert set(document["reports"]) == {"forest", "digits", "shared"}
    answers = {one["sweep"]: one for one in document["answers"]}
    assert {name: one["verdict"] for name, one in answers.items()} == {
        "forest": "yes", "digits": "no", "shared": "yes"}  # fmt: skip
    assert (answers["forest"]["engine"], answers["forest"]["nodes"]) == ("dask", 3)
    assert answers["shared"]["cost"] is None
    settings = [one for one in document["settings"] if one["sweep"] == "shared"]
    assert (settings[0]["name"], settings[0]["verdict"]) == ("reuse", "matters")

    path = swept / "index.html"
    assert document["index"] == "results/index.html"
    page = Page(path.read_text())
    text = " ".join(page.words).replace("\u00a0", " ")
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert "Worth distributing: forest. Do not distribute: knn." in text
    assert "Do not distribute this: one plain machine takes 0.200 s" in text
    assert "Where the time goes on Dask on 3 nodes" in text
    assert "Published times beside ours: other machines" in text
    assert "reuse, false to true" in text
    assert f"{OLD}" in text
    assert "broken cannot be read: The journal holds no plan" in text
    assert "Do not distribute: knn." in (swept / "index.md").read_text()


def test_every_link_leads_to_a_page_or_a_part_of_it(typed, swept):
    typed()
    for name in ("index.html", "settings.html", "forest/report.html"):
        path = swept / name
        page = Page(path.read_text())
        links = [link for link in page.links if not link.startswith("data:")]
        assert links
        for link in links:
            file, _, part = link.partition("#")
            target = (path.parent / file) if file else path
            assert target.is_file(), f"{name}: {link}"
            assert not part or part in Page(target.read_text()).ids, f"{name}: {link}"
        assert not [tag for tag, _ in page.tags if tag in ("script", "iframe", "img")]
        assert re.findall(r"url\((?!#)|@import|https?://", re.sub(
            r'xmlns[^"]*"[^"]*"', "", path.read_text())) == []  # fmt: skip


def test_a_named_sweep_is_written_anew_and_the_others_are_read(typed, swept):
    (swept / "broken" / "journal.jsonl").unlink()
    assert typed()[0] == DONE
    before = {path: path.stat().st_mtime_ns for path in swept.glob("*/report.html")}
    code, out, _ = typed(name="digits", json=True)
    assert code == DONE
    assert set(json.loads(out)["reports"]) == {"digits"}
    assert {one["sweep"] for one in json.loads(out)["answers"]} == {
        "forest",
        "digits",
        "shared",
    }
    changed = [path for path in before if path.stat().st_mtime_ns != before[path]]
    assert changed == [swept / "digits" / "report.html"]


def test_a_sweep_without_a_page_gets_one(typed, swept):
    typed(name="digits")
    assert (swept / "forest" / "report.html").is_file()
    assert not (swept / OLD / "report.html").exists()
    code, _, err = typed(name="broken")
    assert (code, "no plan of a sweep" in err) == (BAD_USAGE, True)


def test_hostile_names_stay_texts(tmp_path):
    combination = {HOSTILE: 1, "n_estimators": 1, "max_depth": None}
    work = Work("forest", {"folds": 3}, (combination,), 0, HOSTILE, "0" * 16)
    entries = sweep_journal.entries(**varied({HOSTILE: [HOSTILE, "b"]}, work))
    sweep_journal.write(tmp_path / "x", entries)
    path = index.write(tmp_path, [read(tmp_path / "x")], unreadable={HOSTILE: HOSTILE})
    for page in (Page(path.read_text()), Page((tmp_path / "settings.html").read_text())):
        assert not [tag for tag, _ in page.tags if tag in ("script", "img")]
        assert not [1 for _, given in page.tags for key in given if key.startswith("on")]
    assert "<script" not in (tmp_path / "index.md").read_text()


def test_verdicts_of_one_workload_that_differ_depend():
    def reading(workload, *verdicts):
        found = [SimpleNamespace(workload=workload, verdict=one) for one in verdicts]
        return SimpleNamespace(findings=found)

    found = index.headline([reading("a", "yes", "unknown"), reading("b", "no"),
                            reading("c", "yes", "no"), reading("d", "unknown")])  # fmt: skip
    assert found == (
        "Worth distributing: a. Do not distribute: b. It depends on data and settings: c. "
        "Not certain yet: d."
    )
    assert index.headline([]) == "No sweep has been measured yet."
