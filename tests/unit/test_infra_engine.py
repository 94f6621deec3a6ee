"""Finding a Docker engine, and stopping only the one that we started."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import docker.errors
import pytest

from contracts.errors import DeadlineError, TandemError
from contracts.progress import tell_nobody
from infra import commands, docker_engine, pulumi_cli
from infra.processes import Started, is_alive, read_record, start_ticks


def test_the_user_s_choice_of_engine_is_the_only_one_tried():
    chosen = {"DOCKER_HOST": "tcp://10.0.0.1:2375", "XDG_RUNTIME_DIR": "/run/user/1"}
    assert docker_engine.sockets(chosen, Path("/home/a")) == ("tcp://10.0.0.1:2375",)


def test_rootless_engines_are_tried_after_the_system_s():
    found = docker_engine.sockets({"XDG_RUNTIME_DIR": "/run/user/1"}, Path("/home/a"))
    assert found[0] == "unix:///var/run/docker.sock"
    assert "unix:///run/user/1/docker.sock" in found


def test_no_engine_is_one_error_with_a_next_step(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(docker_engine.NoEngine) as caught, docker_engine.connect():
        pass
    assert "none.sock" in str(caught.value)
    assert caught.value.next_step
    assert caught.value.exit_code == 1
    assert not docker_engine.answers()


@pytest.mark.parametrize(
    ("cause", "root", "advice"),
    [
        ("permission denied", False, "usermod -aG docker"),
        ("connection refused", False, "Docker"),
        ("no such file or directory", True, "setup.run"),
    ],
)
def test_the_advice_fits_the_cause(monkeypatch, cause, root, advice):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(docker_engine.shutil, "which", lambda name: None)
    assert advice.lower() in docker_engine.advice([f"unix:///x: {cause}"]).lower()


def test_without_root_and_without_docker_the_message_says_what_to_install(monkeypatch):
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(docker_engine.shutil, "which", lambda name: None)
    assert "apt-get install docker.io" in docker_engine.advice(["unix:///x: not there"])


def test_a_program_that_fails_is_told_with_the_end_of_its_output():
    command = ["sh", "-c", "echo one; echo two >&2; exit 3"]
    told = []
    with pytest.raises(TandemError, match=r"(?s)ended with 3\..*one\ntwo"):
        commands.run(command, "count", told.append, timeout=60)
    assert [event.state for event in told] == ["started", "running", "running", "failed"]
    assert told[1].detail == "one"


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path):
    script = f"sleep 600 & echo $! > {tmp_path}/child; echo waiting; wait"
    with pytest.raises(DeadlineError, match="Last state seen: waiting") as caught:
        commands.run(["sh", "-c", script], "wait", tell_nobody, timeout=1)
    assert caught.value.exit_code == 5
    child = int((tmp_path / "child").read_text())
    end = time.monotonic() + 30
    while start_ticks(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert start_ticks(child) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("write /var/lib/docker/x: no space left on device", "the disk is full"),
        ("Bind for 127.0.0.1:32768 failed: port is already allocated", "already allocated"),
    ],
)
def test_what_the_engine_refuses_is_told_in_its_words(words, told):
    error = docker_engine.refusal("It failed", docker.errors.APIError("500", explanation=words))
    assert told in str(error)
    assert words in str(error)
    assert error.next_step


def test_a_process_is_told_from_a_later_one_with_its_number():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        ticks = start_ticks(process.pid)
        assert ticks
        assert is_alive(Started(process.pid, ticks))
        assert not is_alive(Started(process.pid, ticks + 1))
    finally:
        process.communicate(b"\n")
    assert not is_alive(Started(process.pid, ticks))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": "x"}'])
def test_a_torn_record_names_no_process(tmp_path, content):
    record = tmp_path / "engine.json"
    record.write_text(content)
    assert read_record(record) is None
    assert read_record(tmp_path / "none.json") is None


def test_an_engine_that_we_did_not_start_is_not_stopped(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        # The record of an engine that ended, whose number another process got since.
        record = {"pid": other.pid, "start_ticks": (start_ticks(other.pid) or 0) - 100}
        (tmp_path / "engine.json").write_text(json.dumps(record))
        assert docker_engine.stop(tmp_path, tell_nobody) is False
        assert other.poll() is None
        other.communicate(b"\n")
    assert not (tmp_path / "engine.json").exists()


def test_pulumi_is_taken_from_the_path_or_the_tool_folder_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert pulumi_cli.find(tmp_path) is None
    own = tmp_path / "tools/pulumi/bin/pulumi"
    _script(own, "echo v3.1.0")
    assert pulumi_cli.find(tmp_path).version == "v3.1.0"
    _script(tmp_path / "path/pulumi", "echo v3.2.0")
    assert pulumi_cli.find(tmp_path).origin == "found on PATH"
    _script(tmp_path / "path/pulumi", "exit 1")
    assert pulumi_cli.find(tmp_path).path == own


def test_where_pulumi_cannot_be_had_a_plain_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pulumi_cli, "_INSTALLER", "raise SystemExit(1)")
    told = []
    assert pulumi_cli.ensure(tmp_path, told.append) is None
    assert told[-1].state == "skipped"
    assert "local machines do not" in told[-1].detail


def _script(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
