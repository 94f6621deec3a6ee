"""Progress: ends are printed, long steps are told again, a terminal gets one live line."""

import io
import time

from contracts.progress import Event
from tasks import progress
from tasks.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_has_one_line_for_each_step_that_ended():
    out = io.StringIO()
    tell = Progress(stream=out)
    tell(Event("node-1", "connect", "started"))
    tell(Event("node-1", "connect", "done", 0.4))
    tell(Event("node-2", "connect", "failed", 3.0, "no route"))
    tell(Event("node-2", "check", "skipped", detail="not reached"))
    lines = out.getvalue().splitlines()
    assert [line.split("  ")[-1].strip() for line in lines] == [
        "0.4 s",
        "no route",
        "not reached",
    ]
    assert "\x1b" not in out.getvalue()


def test_quick_steps_can_be_left_out_and_failures_cannot():
    out = io.StringIO()
    tell = Progress(stream=out, least_seconds=1.0)
    tell(Event("node-1", "connect", "started"))
    tell(Event("node-1", "connect", "done", 0.4))
    assert out.getvalue() == ""
    tell(Event("node-1", "connect", "failed", 0.4, "refused"))
    tell(Event("sweep", "results", "done", detail="kept in another folder"))
    tell(Event("node-1", "join", "done", 4.0))
    assert len(out.getvalue().splitlines()) == 3


def test_a_step_that_goes_on_is_told_again(monkeypatch):
    monkeypatch.setattr(progress, "_REMINDER_SECONDS", 0.1)
    monkeypatch.setattr(progress, "_TICK_SECONDS", 0.02)
    out = io.StringIO()
    tell = Progress(stream=out)
    tell(Event("sweep", "1/7", "running", fraction=0.5, detail="36/72 units"))
    deadline = time.monotonic() + 20
    while "36/72" not in out.getvalue() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "50%  36/72 units" in out.getvalue()
    tell(Event("sweep", "1/7", "done", 1.0))


def test_a_terminal_shows_what_runs_and_erases_it_at_the_end(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    out = Terminal()
    tell = Progress(stream=out)
    tell(Event("node-1", "ray join", "started"))
    tell(Event("node-2", "ray join", "started"))
    tell(Event("node-2", "ray join", "done", 1.0))
    live = out.getvalue().split("\r\x1b[K")[-1]
    assert "node-1 ray join" in live
    assert len(live) <= 59
    tell(Event("node-1", "ray join", "done", 1.5))
    assert out.getvalue().endswith("\r\x1b[K")
