"""The engine that is none, left at a bad moment."""

import threading

import pytest

from tests.doubles.run_specs import run_spec
from workloads.engines import Unit
from workloads.engines.plain_engine import PlainEngine

NAP = Unit("nap", "time:sleep", {"secs": 60})


@pytest.fixture
def engine(tmp_path):
    return PlainEngine(run_spec(tmp_path, {"dataset": "iris"}))


def stopped(thread):
    """Stand for `Thread.start` while a signal stops the program in it."""
    raise SystemExit(130)


def test_a_stop_while_a_thread_starts_leaves_an_engine_that_closes(engine, monkeypatch):
    begin, late = threading.Thread.start, []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: stopped(late.append(thread)))
    with pytest.raises(SystemExit):
        engine.submit("ticket", engine.slots[0], NAP, 60.0)
    engine.close()
    monkeypatch.undo()
    begin(late[0])
    late[0].join(20)
    assert not late[0].is_alive()
    assert engine.wait(0) == []
