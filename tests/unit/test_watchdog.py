"""What the watchdog reads, what counts as use, and how it comes onto a machine."""

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contracts import limits
from provision import guard
from provision.node import machine_use, records, watchdog
from tests.unit.provision_examples import inventory

ROOT = Path(__file__).resolve().parents[2]
# Leads a session of its own under a record of the name given, and computes or sleeps.
WORKER = """
import os, sys, time
from provision.node import records
home, name, works = sys.argv[1:]
record = records.begin(home, name, "spec")
records.add(record, "main", os.getpid())
record["state"] = "ready"
records.save(home, record)
print("on", flush=True)
while True:
    sum(range(20000)) if works == "works" else time.sleep(0.05)
"""
QUIET = {"expires_at": None, "ttl_seconds": None, "idle_seconds": None}


@pytest.fixture
def at_work(tmp_path):
    """Give a function that starts a process under a record in a home of its own."""
    home, made = tmp_path / "ada" / ".tandem", []
    home.mkdir(parents=True)

    def start(name: str, works: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(home), name, works],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        made.append(process)
        assert process.stdout.readline() == b"on\n"
        return process

    yield start, machine_use.Use((f"{tmp_path}/*/.tandem",))
    for process in made:
        process.kill()
        process.wait(timeout=20)
        process.stdout.close()


def used(use: machine_use.Use) -> str:
    """Look twice, as CPU time is known from the second look on."""
    use.now()
    time.sleep(1.5)
    return use.now()


def test_a_driver_is_use_as_long_as_it_lives(at_work):
    start, use = at_work
    driver = start("run-forest", "sleeps")
    assert used(use) == "a driver"
    driver.kill()
    driver.wait(timeout=20)
    assert used(use) != "a driver"


def test_dask_that_computes_is_use_and_dask_that_waits_is_not(at_work, monkeypatch):
    monkeypatch.setattr(machine_use, "is_session", lambda title, user: False)
    monkeypatch.setattr(machine_use, "is_ray_task", lambda title: False)
    # On a computer that is busy with other things a process may get very little.
    monkeypatch.setattr(machine_use, "BUSY_CPUS", 0.02)
    start, use = at_work
    waiting = start("dask", "sleeps")
    assert used(use) == ""
    waiting.kill()
    start("dask", "works")
    assert used(use) == "an engine task"


@pytest.mark.parametrize(
    ("title", "user", "expected"),
    [
        ("sshd: ada@pts/0", 1000, True),
        ("sshd: ada@notty", 1000, True),
        ("sshd-session: ada@pts/1", 1000, True),
        ("sshd: ada", 1000, True),
        ("sshd: root@pts/0", 0, True),
        ("sshd: ada [priv]", 0, False),
        ("sshd: ada [net]", 104, False),
        ("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", 0, False),
        ("/usr/sbin/sshd -D", 0, False),
        ("vim sshd: ada@pts/0", 1000, False),
    ],
)
def test_only_a_session_whose_user_was_let_in_is_use(title, user, expected):
    assert machine_use.is_session(title, user) is expected


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("ray::fit", True),
        ("ray::_SlotActor.call", True),
        ("ray::IDLE", False),
        ("ray::IDLE_SpillWorker", False),
        ("ray::DashboardAgent", False),
        ("python ray::fit", False),
    ],
)
def test_ray_says_by_its_names_whether_it_has_a_task(title, expected):
    assert machine_use.is_ray_task(title) is expected


def test_a_moment_counts_before_seconds_since_the_first_start(tmp_path):
    first = str(tmp_path / "first.json")
    both = {**QUIET, "expires_at": time.time() + 50, "ttl_seconds": 5}
    assert 49 < (watchdog.seconds_left(both, first) or 0) <= 50
    assert watchdog.seconds_left(QUIET, first) is None


def test_seconds_count_from_the_first_start_across_restarts(tmp_path):
    first = tmp_path / "first.json"
    wish = {**QUIET, "ttl_seconds": 100}
    assert watchdog.seconds_left(wish, str(first)) == 100
    noted = json.loads(first.read_text())
    # Another boot is known by its id alone; then the clock on the wall counts.
    first.write_text(json.dumps({**noted, "boot": "another", "wall": time.time() - 40}))
    assert watchdog.seconds_left(wish, str(first)) == pytest.approx(60, abs=1)


def test_a_note_of_the_machine_that_an_image_was_taken_of_does_not_count(tmp_path):
    first = tmp_path / "first.json"
    wish = {**QUIET, "ttl_seconds": 100}
    watchdog.seconds_left(wish, str(first))
    noted = json.loads(first.read_text())
    days_ago = {"boot": "another", "wall": time.time() - 3 * 86400}
    first.write_text(json.dumps({**noted, **days_ago, "machine": "i-of-the-image"}))
    assert watchdog.seconds_left(wish, str(first)) == 100
    assert json.loads(first.read_text())["machine"] == noted["machine"]


def test_a_clock_that_was_wrong_at_the_first_start_ends_nothing(tmp_path):
    first = tmp_path / "first.json"
    wish = {**QUIET, "ttl_seconds": 100}
    watchdog.seconds_left(wish, str(first))
    noted = json.loads(first.read_text())
    first.write_text(json.dumps({**noted, "wall": 0.0}))
    assert watchdog.seconds_left(wish, str(first)) == pytest.approx(100, abs=1)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"ttl_seconds": "x"}', '{"idle_seconds": -1}']
)
def test_limits_that_cannot_be_read_are_no_limits(tmp_path, text):
    path = tmp_path / "limits.json"
    path.write_text(text)
    assert watchdog.read_limits(str(path)) is None


def test_a_machine_without_limits_that_can_be_read_ends_all_the_same(tmp_path):
    files = watchdog.Files(*(str(tmp_path / name) for name in ("none", "first", "report")))

    class End(Exception):
        pass

    def end(reason: str) -> None:
        raise End(reason)

    watchdog.seconds_left(watchdog.FALLBACK, str(tmp_path / "first"))
    noted = json.loads((tmp_path / "first").read_text())
    (tmp_path / "first").write_text(json.dumps({**noted, "boot": "another", "wall": 0.0}))
    with pytest.raises(End, match="its time is up"):
        watchdog.watch(end, files, machine_use.Use(()))
    assert json.loads((tmp_path / "report").read_text())["seconds_left"] < 0


def test_the_same_sources_make_the_same_program_and_it_runs_by_itself(tmp_path):
    packed = limits.pack(ROOT)
    assert packed == limits.pack(ROOT)
    program = tmp_path / "watchdog.pyz"
    program.write_bytes(packed)
    code = f"import sys; sys.path.insert(0, {str(program)!r}); import provision.node.watchdog"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("install", "shutdown", "told"),
    [
        ("exit 0", "exit 0", []),
        ("exit 1", "exit 0", ["-P +2"]),
        # Nobody is there yet who would wait: a shell does, and nobody waits for that.
        ("exit 1", 'test "$2" = now', ["-P +2", "sleep 120", "-P now"]),
    ],
)
def test_a_machine_whose_watchdog_does_not_start_ends_all_the_same(
    tmp_path, install, shutdown, told
):
    said, programs = tmp_path / "said", tmp_path / "programs"
    programs.mkdir()
    for name, text in {
        "python3": install,
        "shutdown": f'echo "$*" >> {said}; {shutdown}',
        "sleep": f'echo "sleep $*" >> {said}',
        "poweroff": f"echo poweroff >> {said}",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    script = limits.boot_script(b"", limits.Limits(ttl_seconds=120))
    for folder in ("/opt/tandem", "/etc/tandem"):
        script = script.replace(folder, f"{tmp_path}{folder}")
    path = f"{programs}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", script], env={"PATH": path}, timeout=60)
    assert (done.returncode == 0) is (told == [])
    end = time.monotonic() + 20
    while (lines := said.read_text().splitlines() if said.exists() else []) != told:
        assert time.monotonic() < end, lines
        time.sleep(0.05)


def test_user_data_stays_within_what_a_machine_takes():
    script = limits.boot_script(limits.pack(ROOT), limits.Limits(ttl_seconds=3600))
    # Of 16,384 bytes; keys and the rest need some.
    assert len(gzip.compress(script.encode(), mtime=0)) < 14_000
    assert script.startswith("#!/bin/sh\n")


def test_an_inventory_without_limits_sets_none_and_one_with_them_all():
    assert guard.limits_of(inventory()) is None
    found = guard.limits_of(
        inventory(expires_at="2026-11-21T18:00:00+00:00", ttl_hours=2, idle_minutes=30)
    )
    assert found == limits.Limits("2026-11-21T18:00:00+00:00", 7200, 1800)
    assert found.document()["expires_at"] == 1795284000.0


def test_records_of_another_boot_are_no_use(at_work, tmp_path):
    start, use = at_work
    start("run-old", "sleeps")
    path = tmp_path / "ada/.tandem/run/run-old.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "era": "before"}))
    assert records.names(str(tmp_path / "ada/.tandem")) == ["run-old"]
    assert used(use) != "a driver"
