"""The double of Pulumi's engine itself, on a provider that only writes files."""

import json
import os
import signal
import time

import pytest

from tests.doubles.pulumi_stack import LOCKED, PulumiStack

pytestmark = pytest.mark.slow

DESCRIPTION = """
name: shelf
runtime: python
config:
  texts: {type: string, default: "{}"}
  count: {type: integer, default: 1}
"""

PROGRAM = """
import json
import os
import signal
import pulumi
from shelf import Note
texts = json.loads(pulumi.Config().require("texts"))
notes = {name: Note(name, text) for name, text in texts.items()}
pulumi.export("paths", {name: note.path for name, note in notes.items()})
"""

PROVIDER = """
import os
from pathlib import Path
from pulumi.dynamic import (
    CheckFailure, CheckResult, CreateResult, DiffResult, ReadResult, Resource,
    ResourceProvider, UpdateResult,
)

class Notes(ResourceProvider):
    serialize_as_secret_always = False

    def check(self, olds, news):
        bad = [CheckFailure("text", "a note is not empty")] if not news["text"] else []
        return CheckResult(news, bad)

    def diff(self, id_, olds, news):
        replaces = ["name"] if "new name" in news["text"] else []
        first = "beside" not in news["text"]
        return DiffResult(olds["text"] != news["text"], replaces, delete_before_replace=first)

    def create(self, props):
        path = Path(os.environ["SHELF"]) / f"{props['name']}-{os.urandom(3).hex()}"
        if props["text"] == "unwritable":
            raise OSError("the shelf is full")
        if props["text"] == "killer":
            os._exit(9)
        path.write_text(props["text"])
        return CreateResult(str(path), {**props, "path": str(path)})

    def update(self, id_, olds, news):
        Path(id_).write_text(news["text"])
        return UpdateResult({**news, "path": id_})

    def read(self, id_, props):
        path = Path(id_)
        if not path.exists():
            return ReadResult("", {})
        found = {**props, "text": path.read_text()}
        return ReadResult(id_, found, found)

    def delete(self, id_, props):
        Path(id_).unlink()

class Note(Resource, name="Note"):
    def __init__(self, name, text):
        super().__init__(Notes(), name, {"name": name, "text": text, "path": None})
"""


@pytest.fixture
def shelf(tmp_path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    return folder


@pytest.fixture
def stack(tmp_path, shelf):
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text(DESCRIPTION)
    (project / "__main__.py").write_text(PROGRAM)
    (project / "shelf.py").write_text(PROVIDER)
    made = PulumiStack(project, "dev", tmp_path / "state.json")
    made.use({"SHELF": str(shelf)})
    return made


def texts(shelf):
    return sorted(path.read_text() for path in shelf.iterdir())


def test_a_stack_lives_from_preview_to_destroy(stack, shelf):
    stack.settings["texts"] = json.dumps({"a": "one", "b": "two"})
    assert sorted(stack.preview().changes()) == [("create", "a"), ("create", "b")]
    assert texts(shelf) == []
    made = stack.up()
    assert texts(shelf) == ["one", "two"]
    assert sorted(made.outputs["paths"]) == ["a", "b"]
    assert stack.up().changes() == []

    stack.settings["texts"] = json.dumps({"a": "new name"})
    changes = stack.up().changes()
    assert changes == [("delete", "a"), ("create", "a"), ("delete", "b")]
    assert texts(shelf) == ["new name"]

    (path,) = shelf.iterdir()
    path.write_text("changed by hand")
    assert stack.refresh().changes() == [("update", "a")]
    assert stack.up().succeeded
    assert texts(shelf) == ["new name"]

    assert stack.destroy().changes() == [("delete", "a")]
    assert texts(shelf) == []
    assert not stack.checkpoint().resources


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "a note is not empty"), ("unwritable", "the shelf is full"), ("killer", "")],
)
def test_a_failed_step_is_told_and_not_recorded(stack, shelf, text, words):
    stack.settings["texts"] = json.dumps({"a": text})
    failed = stack.up()
    assert not failed.succeeded
    assert words in "".join(failed.diagnostics)
    assert not stack.checkpoint().resources
    assert not stack.checkpoint().pending
    assert texts(shelf) == []


def test_a_value_of_the_wrong_type_is_refused_before_the_program_runs(stack):
    stack.settings["count"] = "many"
    with pytest.raises(ValueError, match="many"):
        stack.up()


def test_a_successor_may_be_there_before_what_it_replaces_goes(stack, shelf):
    stack.settings["texts"] = json.dumps({"a": "one"})
    stack.up()
    stack.settings["texts"] = json.dumps({"a": "new name beside"})
    assert stack.up().changes() == [("create", "a"), ("delete", "a")]
    assert texts(shelf) == ["new name beside"]
    assert stack.up().changes() == []


def test_one_operation_at_a_time_and_the_lock_outlives_a_kill(stack, shelf):
    stack.settings["texts"] = json.dumps({"a": "killer"})
    process = stack.start("up")
    end = time.monotonic() + 60
    while not list(shelf.parent.glob("*.lock")):
        assert time.monotonic() < end
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    stack.settings["texts"] = json.dumps({"a": "one"})
    refused = stack.up()
    assert (refused.succeeded, LOCKED in refused.told()) == (False, True)
    stack.cancel()
    assert stack.up().succeeded
    assert texts(shelf) == ["one"]
