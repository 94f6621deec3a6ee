"""Files: a reader sees old or new, a record is there or not, and one process writes."""

import multiprocessing
import os
import resource
import stat

import pytest

from contracts.errors import REFUSED, RefusedError
from contracts.files import append_line, single_writer, write_atomically, write_json


def test_a_file_is_replaced_whole_and_with_its_mode(tmp_path):
    path = tmp_path / "deep" / "token"
    write_atomically(path, "one", mode=0o600)
    write_atomically(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["token"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "state.json"
    write_json(path, {"a": 1})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    path.with_suffix(".d").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(path.with_suffix(".d"), "x")
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["state.d", "state.json"]


def test_lines_are_appended_one_by_one(tmp_path):
    path = tmp_path / "results" / "journal.jsonl"
    append_line(path, "first")
    append_line(path, "second")
    assert path.read_text() == "first\nsecond\n"
    with pytest.raises(ValueError, match="one line"):
        append_line(path, "two\nlines")


def test_a_line_that_does_not_fit_is_cut_off_again(tmp_path):
    path = tmp_path / "journal.jsonl"
    append_line(path, "kept")
    child = multiprocessing.get_context("spawn").Process(
        target=_append_beyond_limit, args=(path,)
    )
    child.start()
    child.join(30)
    assert child.exitcode == 7
    assert path.read_text() == "kept\n"


def _append_beyond_limit(path):
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
    try:
        append_line(path, "x" * 100)
    except OSError:
        os._exit(7)


def test_a_second_writer_is_refused_and_told_who_holds_the_lock(tmp_path):
    path = tmp_path / "lock"
    with single_writer(path, purpose="A sweep"):
        second = single_writer(path, purpose="A sweep")
        with pytest.raises(RefusedError, match=f"pid {os.getpid()} on") as caught:
            second.__enter__()
        assert caught.value.exit_code == REFUSED
    with single_writer(path, purpose="A sweep"):
        pass


def test_a_killed_holder_leaves_the_lock_free(tmp_path):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    child = context.Process(target=_hold, args=(tmp_path / "lock", held))
    child.start()
    assert held.wait(30)
    with pytest.raises(RefusedError), single_writer(tmp_path / "lock", purpose="It"):
        pass
    child.kill()
    child.join(30)
    with single_writer(tmp_path / "lock", purpose="It"):
        pass


def _hold(path, held):
    import time

    with single_writer(path, purpose="It"):
        held.set()
        time.sleep(60)
