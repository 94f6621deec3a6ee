"""Settings of a sweep and parameters of its grid, from a journal whose effects are known."""

import dataclasses

import pytest

from tests.doubles import sweep_journal
from tests.doubles.sweep_journal import WORK, varied
from workloads.report import settings
from workloads.report.evidence import gather
from workloads.report.leading import leading, note, slowest_part
from workloads.report.page import build
from workloads.sweeps.plan import Variation
from workloads.sweeps.records import TrialRecord

pytestmark = pytest.mark.slow
ONE = dataclasses.replace(WORK, workload="xgboost", combinations=WORK.combinations[:1])
AXES = {"format": ["csv", "parquet", "npy"], "threads": [1, 4], "points": [1000, 4000]}
FORMAT = {"csv": 3.1, "npy": 1.3, "parquet": 1.0}
FACTS = {"size": "points"}


def seconds(run):
    """Formats matter, threads do not, points are no setting, and each node does its part."""
    given = run.work.parameters
    slow = FORMAT[given["format"]] * (1.02 if given["threads"] == 1 else 1.0)
    return slow * given["points"] / 1000 / run.cell.nodes * (0.999 + 0.001 * run.repeat)


def options(time=seconds, **more):
    """A sweep of which plain knows none of what is varied but the points."""
    subject = varied(AXES, ONE)
    baselines = {}
    for one in subject["variations"]:
        points = one.settings["points"]
        parameters = {**ONE.parameters, "points": points, "format": "npy", "threads": 1}
        work = dataclasses.replace(ONE, parameters=parameters)
        baselines[points] = Variation({"points": points}, work)
    subject["baselines"] = tuple(baselines.values())
    return {**subject, "time": time, "facts": FACTS, "node_counts": (1, 3), **more}


@pytest.fixture(scope="module")
def entries():
    return sweep_journal.entries(**options())


def test_each_setting_is_told_with_its_ratio(entries):
    (one,) = settings.settings_of(gather(sweep_journal.history(entries)))
    assert one.of == "the time of a run"
    rows = {row[0]: row[1:] for row in settings.table(one).rows}
    assert list(rows) == ["format", "nodes", "threads", "engine"]
    assert rows["format"][1:] == ("3.10x", "3.09 to 3.11", "16", "matters")
    assert rows["format"][0].startswith("csv: ")
    assert rows["threads"][-1] == "does not matter"
    assert rows["nodes"][1] == "3.00x"
    text = list(settings.sentences(one))
    assert text[0] == "format, csv to parquet: 3.10x (3.09 to 3.11), it matters."
    assert "threads, 1 to 4: 1.02x (1.02 to 1.02), it does not matter." in text


def test_a_sweep_of_sizes_alone_has_no_settings():
    axes = {"points": [1000, 4000]}
    found = sweep_journal.entries(**varied(axes, ONE), facts=FACTS)
    assert settings.settings_of(gather(sweep_journal.history(found))) == []
    assert settings.settings_of(gather(sweep_journal.history(sweep_journal.entries()))) == []


def test_a_best_value_that_depends_on_the_engine_is_told():
    def time(run):
        quick = run.cell.engine == "ray" and run.work.parameters["format"] == "csv"
        return seconds(run) * (0.1 if quick else 1)

    (one,) = settings.settings_of(gather(sweep_journal.history(
        sweep_journal.entries(**options(time)))))  # fmt: skip
    text = " ".join(settings.sentences(one))
    assert "format depends on engine: the best is " in text
    assert "csv with engine=ray" in text
    assert "parquet with engine=dask" in text


def test_parameters_of_the_grid_by_the_time_of_a_trial():
    found = [
        dataclasses.replace(one, result=dataclasses.replace(
            one.result, seconds=0.1 * one.result.parameters["n_estimators"]))
        if isinstance(one, TrialRecord) else one
        for one in sweep_journal.entries()
    ]  # fmt: skip
    (one,) = settings.settings_of(gather(sweep_journal.history(found)))
    assert one.of == "the time of a trial"
    assert [row[0] for row in settings.table(one).rows] == ["n_estimators", "max_depth"]
    trees, depth = one.effects
    assert (trees.ratio, trees.verdict) == (pytest.approx(4.0), "matters")
    assert (depth.ratio, depth.verdict) == (1.0, "does not matter")


def test_the_page_has_the_settings_and_draws_no_more_lines_than_can_be_told_apart(
    tmp_path, entries
):
    built = build(sweep_journal.write(tmp_path / "xgboost", entries))
    text = built.html.read_text()
    assert text.count('<figure id="settings">') == 1
    assert "Which setting matters" in built.markdown.read_text()
    assert "There are too many variations to draw them all" in text
    assert 10 < text.count("<figure") < 30
    assert len(built.evidence.series()) == 26
    for part in built.evidence.parts():
        kept = leading(part)
        assert [one.engine for one in kept.series()] == ["ray", "dask", "plain"]
        best = {name for cell in kept.clean for name in cell.variation}
        assert {"format=parquet", "threads=4"} <= best | {"points=1000", "points=4000"}
    assert slowest_part(built.evidence).part == ("points=4000",)
    assert note(gather(sweep_journal.history(sweep_journal.entries()))) == ""
