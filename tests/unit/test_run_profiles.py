"""Profiles of runs: made beside the work, fetched as data, and no run fails for one."""

import dataclasses
import html
import json
import time

import pytest

from contracts.errors import TandemError
from tests.doubles import sweep_journal
from tests.doubles.drill import drill_spec
from tests.doubles.run_specs import write_run
from workloads import profiles as names
from workloads import registry
from workloads.driver import profiling
from workloads.driver import run as driver
from workloads.profiles import submissions
from workloads.profiles.graph import Task, folded
from workloads.profiles.on_ray import tasks_of
from workloads.runs import load
from workloads.sweeps import profiles
from workloads.sweeps.driver_output import DriverOutput
from workloads.sweeps.records import RunRecord, as_record, parse

TASKS = [Task("a", "part"), Task("b", "sum", ("a",))]
GRAPH = json.dumps(folded(TASKS, hub="the program")).encode()


class Shown:
    """A profile whose parts are as a test wants them."""

    def __init__(self, folder, begin=lambda: None, **parts):
        self.folder, self.begin, self._parts = folder, begin, parts
        self.stopped = 0

    def stop(self):
        self.stopped += 1

    def parts(self):
        return {name.replace("_", "-").replace("--", "."): make
                for name, make in self._parts.items()}  # fmt: skip


def run(tmp_path, monkeypatch, **options):
    """Drive a run of one program with such a profile; return what its driver told."""
    shown = Shown(tmp_path / names.FOLDER, **options)
    monkeypatch.setitem(registry._MODULES, "drill", "tests.doubles.drill")
    monkeypatch.setattr(profiling, "_open", lambda spec, engine, folder: shown)
    monkeypatch.setattr(profiling, "PROFILE_BEGIN_SECONDS", 0.5)
    monkeypatch.setattr(profiling, "PROFILE_SECONDS", 0.5)
    spec = drill_spec(tmp_path / "home", [{}], profile=True)
    assert driver.main([str(write_run(tmp_path, spec))]) == 0
    assert load(tmp_path / "spec.json").profile
    output = DriverOutput(spec.trials)
    assert len(list(output.feed((tmp_path / "results.jsonl").read_bytes()))) == 1
    assert (output.observed.ended, output.observed.rejected) == ("finished", [])
    return output.observed.profiles, shown


@pytest.mark.slow
def test_a_profile_is_made_after_the_last_word(tmp_path, monkeypatch):
    def report():
        told = (tmp_path / "results.jsonl").read_text()
        (tmp_path / names.FOLDER / names.DASK_REPORT).write_text(told)

    found, shown = run(
        tmp_path, monkeypatch, dask_report__html=report, task_graph__json=lambda: (TASKS, 3)
    )
    assert found == {names.DASK_REPORT: "", names.GRAPH: ""}
    assert '"finished"' in (tmp_path / names.FOLDER / names.DASK_REPORT).read_text()
    graph = json.loads((tmp_path / names.FOLDER / names.GRAPH).read_text())
    assert (graph["tasks"], graph["unseen"]) == (5, 3)
    assert shown.stopped == 1


@pytest.mark.slow
def test_no_run_fails_for_a_profile(tmp_path, monkeypatch):
    def fail():
        raise RuntimeError("the scheduler\nhas other things to do")

    def large():
        path = tmp_path / names.FOLDER / names.RAY_TIMELINE
        with open(path, "wb") as stream:
            stream.truncate(names.MOST_BYTES + 1)

    begin = time.monotonic()
    found, _ = run(
        tmp_path,
        monkeypatch,
        dask_report__html=fail,
        ray_timeline__json=large,
        task_graph__json=lambda: time.sleep(600),
    )
    assert found == {
        names.DASK_REPORT: "RuntimeError: the scheduler",
        names.RAY_TIMELINE: "ValueError: it has 16 MB, more than 16",
        names.GRAPH: "TimeoutError: it took more than 0 s",
    }
    assert not (tmp_path / names.FOLDER / names.RAY_TIMELINE).exists()
    assert time.monotonic() - begin < 60


@pytest.mark.slow
@pytest.mark.parametrize("begin", [lambda: time.sleep(600), lambda: 1 / 0])
def test_a_profile_that_does_not_begin_is_none(tmp_path, monkeypatch, begin):
    found, shown = run(tmp_path, monkeypatch, begin=begin, dask_report__html=lambda: None)
    assert list(found) == [names.GRAPH]
    assert found[names.GRAPH].startswith(("TimeoutError: it took", "ZeroDivisionError"))
    assert shown.stopped == 0


class Head:
    """The head's folder of a run, as the operator asks for it."""

    def __init__(self, files):
        self.files = files

    def fetch(self, folder, name):
        found = self.files.get(name)
        if isinstance(found, Exception):
            raise found
        return found


def fetched(tmp_path, files, told=None):
    told = dict.fromkeys(files, "") if told is None else told
    found = profiles.fetch(told, Head(files), "f" * 20, tmp_path)
    return {one["name"]: one for one in found}


def test_what_is_fetched_lies_in_the_folder_of_the_sweep(tmp_path):
    files = {names.GRAPH: GRAPH, names.DASK_REPORT: b"<p>hi</p>", names.RAY_TIMELINE: b"[1]"}
    found = fetched(tmp_path, files)
    assert found[names.GRAPH]["path"] == f"profiles/{'f' * 20}/task-graph.dot"
    for one in found.values():
        assert (tmp_path / one["path"]).stat().st_size == one["bytes"]
        assert "reason" not in one
    assert (tmp_path / found[names.GRAPH]["path"]).read_text().startswith("digraph")
    row = RunRecord("r", 1, "w", "ray", 1, 1, "finished", 1, 1, profiles=tuple(found.values()))
    record = json.loads(json.dumps(as_record(row)))
    assert parse({"schema": 1, "check": "", **record}) == row


def test_a_page_from_a_node_is_shut_in(tmp_path):
    page = '"><script>parent.document.title=1;fetch("https://x")</script><iframe>'
    found = fetched(tmp_path, {names.DASK_REPORT: page.encode() + b"\xff"})
    text = (tmp_path / found[names.DASK_REPORT]["path"]).read_text()
    assert "<script" not in text
    assert text.count("<iframe") == 1
    assert 'sandbox="allow-scripts"' in text
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text
    inner = text.partition('srcdoc="')[2].partition('"')[0]
    assert html.unescape(inner).startswith(page)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "it is not on the head"),
        (b"x" * (names.MOST_BYTES + 1), "it has more than 16 MB"),
        (b"{", "Expecting property name"),
        (b"[]", "the task graph"),
        (b'{"boxes": []}', "the task graph of a run"),
        (b"[" * 100_000, "recursion"),
        (TandemError("The head is gone."), "The head is gone."),
    ],
)
def test_what_cannot_be_kept_has_a_reason(tmp_path, content, reason):
    found = fetched(tmp_path, {names.GRAPH: content})[names.GRAPH]
    assert reason in found["reason"]
    assert "path" not in found
    assert list(tmp_path.iterdir()) == []


def test_what_the_driver_could_not_have_is_told_and_not_fetched(tmp_path):
    found = fetched(tmp_path, {}, {names.GRAPH: "no scheduler"})
    assert found == {names.GRAPH: {"name": names.GRAPH, "reason": "no scheduler"}}


def test_a_part_that_no_profile_has_is_rejected():
    output = DriverOutput(())
    list(output.feed(b'{"kind": "profile", "name": "../../.ssh/id_ed25519"}\n'))
    assert output.observed.profiles == {}
    assert len(output.observed.rejected) == 1


def events(*spans):
    """Ray's own records of tasks: id, name, parent, begin and end in seconds."""
    from ray.core.generated.gcs_pb2 import TaskEvents

    found = []
    for key, name, parent, first, last in spans:
        event = TaskEvents(task_id=key)
        event.task_info.name, event.task_info.parent_task_id = name, parent
        event.state_updates.state_ts_ns[1] = int(first * 1e9)
        event.state_updates.state_ts_ns[11] = int(last * 1e9)
        found.append(event)
    return found


@pytest.mark.slow
def test_rounds_and_needs_of_tasks_of_ray():
    driver_task = b"\0"
    known = events(
        (b"\1", "early", driver_task, 1, 2),
        (b"\2", "a", driver_task, 10, 12),
        (b"\3", "b", driver_task, 10.1, 11),
        (b"\4", "nested", b"\3", 10.5, 10.8),
        (b"\5", "c", driver_task, 13, 14),
        (b"\6", "late", driver_task, 50, 51),
    )
    found, unseen = tasks_of(known, {"05": (7, ["02", "03"])}, 9.0, 20.0)
    assert unseen == 0
    assert found == [
        Task("02", "a", (), 0),
        Task("03", "b", (), 0),
        Task("04", "nested", ("03",), 0),
        Task("05", "c", ("02", "03"), 7),
    ]
    found, _ = tasks_of(known, {}, 9.0, 20.0)
    assert [task.round for task in found] == [0, 0, 0, 1]


class Reference:
    """What Ray returns for a task."""

    def __init__(self, name):
        self._name = name.encode()

    def task_id(self):
        return self._name


def test_what_a_task_needs_is_read_off_its_arguments():
    notes = submissions.Notes()
    submit = notes.noting(lambda self, args, kwargs, **options: kwargs["gives"])
    fetch = notes.fetching(lambda value: value)
    fetch(0)
    one, two = Reference("1"), Reference("2")
    submit(None, (7, [one, {"deep": two}]), {"gives": Reference("3"), "x": one}, name="n")
    assert fetch("what was found") == "what was found"
    submit(None, None, {"gives": [Reference("4"), Reference("4")]})
    submit(None, (one,), {"gives": None})
    assert notes.tasks == {"33": (0, ["31", "32", "33", "31"]), "34": (1, ["34", "34"])}


@pytest.fixture
def sweep(tmp_path):
    """A sweep's folder whose runs of Ray have graphs, some of them."""

    def change(row):
        if row.engine != "ray" or row.repeat > 1:
            return row
        parts = profiles.fetch(
            {names.GRAPH: "", names.RAY_TIMELINE: "it <b>failed</b>"},
            Head({names.GRAPH: GRAPH}), f"{row.nodes:020x}", tmp_path / "forest",
        )  # fmt: skip
        return dataclasses.replace(row, profiles=parts)

    return sweep_journal.write(tmp_path / "forest", sweep_journal.entries(change=change))


def reported(sweep):
    from workloads.report.page import build

    built = build(sweep)
    return built.html.read_text(), built.markdown.read_text()


@pytest.mark.slow
def test_the_report_links_to_profiles_and_draws_one_graph_a_series(sweep):
    page, text = reported(sweep)
    assert page.count('<img src="data:image/svg+xml;base64,') == 1
    assert "Tasks of Ray on 3 nodes" in page
    for nodes in (1, 2, 3):
        assert f'href="profiles/{nodes:020x}/task-graph.dot"' in page
        assert f"](profiles/{nodes:020x}/task-graph.dot)" in text
    assert "no ray-timeline.json: it &lt;b&gt;failed" in page
    assert '<a href="#profiles">' in page


@pytest.mark.slow
def test_without_graphviz_the_report_says_how_to_get_it(sweep, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    page, _ = reported(sweep)
    assert "data:image/svg" not in page
    assert "apt-get install graphviz" in page
    assert "task-graph.dot" in page


@pytest.mark.slow
def test_a_path_out_of_the_folder_is_no_link(sweep, tmp_path):
    from workloads.report.profiles import _inside

    (tmp_path / "secret").write_text("x")
    assert _inside("../secret", sweep) is None
    assert _inside("/etc/passwd", sweep) is None
    assert _inside(None, sweep) is None
    assert _inside("journal.jsonl", sweep) == "journal.jsonl"
