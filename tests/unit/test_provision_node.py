"""Programs for nodes, run here: the frame, the environment's inspection, the monitor."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from provision.node import drive, environment, monitor, prepare, records
from provision.node.program import Failure
from provision.remote_program import _BOOT, Program, _bundle

PYTHON = (sys.executable, "-I", "-S", "-c", _BOOT)


def run(program, request, **options):
    """Run a program as a node would, without SSH, and return its last line."""
    done = subprocess.run(
        PYTHON, input=_bundle(program, request), capture_output=True, timeout=60, **options
    )
    return json.loads(done.stdout.splitlines()[-1])


def package(site, name, version, files):
    """Install a package of these files, as an installer would."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = []
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(content)
        lines.append(f"{path},sha256=x,{len(content)}")
    (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,"]) + "\n")


@pytest.fixture
def venv(tmp_path):
    """An environment with two packages and no interpreter to speak of."""
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    package(site, "Big_Thing", "1.2", {"big/__init__.py": "x = 1\n", "big/deep/core.py": "y\n"})
    package(site, "small", "0.1", {"small.py": "z"})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nversion_info = 3.11.2\n")
    return tmp_path


def test_an_environment_is_read_by_its_own_records(venv):
    found = environment.inspect(str(venv))
    assert found["packages"] == {"big-thing": "1.2", "small": "0.1"}
    assert found["python"] == "3.11.2"
    assert found["damaged"] == {}
    assert found["writable"] is True


@pytest.mark.parametrize(
    ("name", "harm", "words"),
    [
        ("a file deep inside is gone", lambda site: (site / "big/deep/core.py").unlink(),
         "big/deep/core.py is missing"),
        ("a file was cut short", lambda site: (site / "big/__init__.py").write_text("x"),
         "big/__init__.py has 1 bytes, not 6"),
        ("its record is gone", lambda site: (site / "Big_Thing-1.2.dist-info/RECORD").unlink(),
         "RECORD is missing"),
    ],
)  # fmt: skip
def test_a_package_that_lost_a_part_is_damaged(venv, name, harm, words):
    harm(venv / "lib" / "python3.11" / "site-packages")
    found = environment.inspect(str(venv))
    assert list(found["damaged"]) == ["big-thing"], name
    assert words in found["damaged"]["big-thing"][0]


def test_a_folder_without_an_interpreter_is_no_environment(venv):
    (venv / "bin" / "python").unlink()
    assert environment.inspect(str(venv)) is None
    assert environment.inspect(str(venv / "nothing")) is None


def test_a_program_answers_in_one_line(tmp_path):
    program = Program("check", needs=("environment", "records"))
    request = {"lock": "0" * 16, "code": "0" * 16, "address": "127.0.0.1"}
    answer = run(program, request, env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]})
    assert answer["result"]["home"] == f"{tmp_path}/.tandem"
    assert answer["result"]["owns_address"] is True
    assert answer["result"]["environments"] == []
    assert not (tmp_path / ".tandem").exists(), "looking changes nothing"


def test_a_failure_is_told_in_words_and_a_defect_with_its_place(tmp_path):
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    program = Program("drive", needs=("records",))
    request = {"ask": "launch", "folder": "abc", "python": "/x", "environment": {}}
    told = run(program, request, env=environ)["error"]
    assert told["problem"] == "The run abc has no specification on this node."
    told = run(program, {"ask": "dance"}, env=environ)["error"]
    assert told["kind"] == "defect"
    assert "KeyError" in told["problem"]


def test_a_driver_lives_on_and_is_followed_from_any_place(tmp_path):
    folder = tmp_path / ".tandem" / "runs" / "abc"
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text("{}")
    package_folder = tmp_path / "code" / "workloads"
    package_folder.mkdir(parents=True)
    (package_folder / "driver.py").write_text(
        "import time\n"
        "with open('results.jsonl', 'a') as stream:\n"
        "    for line in ('one', 'zw\\u00f6lf'):\n"
        "        print(line, file=stream, flush=True)\n"
        "        time.sleep(0.2)\n"
    )
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    program = Program("drive", needs=("records",))
    launch = {
        "ask": "launch",
        "folder": "abc",
        "python": sys.executable,
        "environment": {"PYTHONPATH": str(tmp_path / "code")},
    }
    assert run(program, launch, env=environ)["result"] == {"started": True}
    text = b""
    follow = {"ask": "follow", "folder": "abc", "offset": 0, "seconds": 30}
    with subprocess.Popen(
        PYTHON, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    ) as process:
        process.stdin.write(_bundle(program, follow))
        process.stdin.flush()
        for line in process.stdout:
            record = json.loads(line)
            if "result" in record:
                break
            text += record["event"]["data"].encode("latin-1")
    assert text.decode() == "one\nzwölf\n"
    assert record["result"] == {"ended": True, "offset": len(text)}
    again = run(program, {**follow, "offset": 4}, env=environ)
    assert again["result"]["ended"] is True
    assert run(program, {"ask": "stop", "folder": "abc", "grace": 1}, env=environ) == {
        "result": {"ended": 0}
    }


def test_following_a_run_that_is_not_there_ends_at_once(tmp_path):
    program = Program("drive", needs=("records",))
    request = {"ask": "follow", "folder": "none", "offset": 0, "seconds": 30}
    answer = run(program, request, env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]})
    assert answer["result"] == {"ended": True, "offset": 0}


def test_code_is_unpacked_whole_and_older_code_is_forgotten(tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    for number in range(5):
        name = f"{number:016x}"
        with zipfile.ZipFile(folder / f"{name}.whl", "w") as archive:
            archive.writestr("workloads/__init__.py", "x")
            archive.writestr("t-1.dist-info/RECORD", "workloads/__init__.py,sha256=x,1\n")
        prepare._unpack(str(tmp_path), name)
        os.utime(folder / name, (number, number))
        assert environment.intact(str(folder / name))
    assert len(list(folder.iterdir())) == prepare.CODE_KEPT
    (folder / f"{4:016x}" / "workloads" / "__init__.py").write_text("torn")
    assert not environment.intact(str(folder / f"{4:016x}"))


def test_the_monitor_samples_and_is_read_by_age(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    home = tmp_path / ".tandem"
    home.mkdir()
    now = time.monotonic()
    old = [json.dumps([now - age, 0.5, 1000, 10, 20]) for age in (500.0, 20.0)]
    (home / "monitor.jsonl.1").write_text("\n".join(old) + "\n")
    young = json.dumps([now - 1.0, 0.25, 2000, 30, 40])
    of_an_older_version = json.dumps([now - 1.0, 0.25, 2000])
    lines = f'{young}\n{of_an_older_version}\n[1, 2\n"x'
    (home / "monitor.jsonl").write_text(lines)
    found = monitor.main({"seconds": 60}, None)
    # It waits in vain for a sample that is younger than the call.
    assert [(round(age), *values) for age, *values in found] == [
        (22, 0.5, 1000, 10, 20),
        (3, 0.25, 2000, 30, 40),
    ]


def test_the_machine_tells_what_it_uses():
    assert monitor.memory_used() > 1024**2
    before = monitor.cpu_seconds()
    give_up = time.monotonic() + 30
    while monitor.cpu_seconds() <= before and time.monotonic() < give_up:
        sum(range(10_000))
    assert monitor.cpu_seconds() > before


def test_a_process_that_does_not_end_is_a_failure_with_a_next_step(tmp_path, monkeypatch):
    def stop(home, name, grace):
        raise TimeoutError("process 7 does not end")

    monkeypatch.setattr(records, "stop", stop)
    with pytest.raises(Failure, match="process 7") as caught:
        prepare.stop(str(tmp_path), "ray", 0)
    assert caught.value.record["next_step"]


def test_record_names_of_runs_are_told_apart_from_engines():
    assert drive.record_name("abc") == "run-abc"
    assert Path(records.FOLDER).name == "run"
