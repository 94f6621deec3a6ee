"""The demo: its phases in turn, what is removed when one fails, and what it tells to type."""

import json
import os

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from contracts.errors import BAD_USAGE, DONE, FAILED, INTERRUPTED, TandemError
from infra.processes import start_ticks
from tasks import demo

TITLES = ["machines", "cluster", "sweep on digits", "sweep on cover type", "reports"]


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path / "my state"))
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.setattr(demo.pulumi_cli, "find", lambda state: None)
    monkeypatch.setattr(demo, "_docker_memory", lambda: 16 << 30)
    return tmp_path / "my state"


@pytest.fixture
def shown(monkeypatch, capsys):
    """Run the demo with phases that do nothing; return its code, its phases and its words."""

    def run(failing="", error=None, **options):
        done = []

        def phase(one, environment):
            done.append((one.title, environment.get("TANDEM_STATE")))
            if one.title == failing:
                raise error or TandemError("It failed.")
            return 1.0

        monkeypatch.setattr(demo, "_run_phase", phase)
        code = DONE
        try:
            demo.run(Context(), **options)
        except Exit as ended:
            code = ended.code
        return code, done, capsys.readouterr()

    return run


def titles(done):
    return [title for title, _ in done]


def test_every_phase_runs_once_in_a_state_folder_of_the_demo(shown, state):
    code, done, printed = shown()
    assert code == DONE
    assert titles(done) == ["set-up", *TITLES, "removal"]
    assert {folder for _, folder in done[1:]} == {str(state / "demo")}
    assert "Nothing is left running." in printed.out


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize(
    ("error", "expected"), [(None, FAILED), (KeyboardInterrupt(), INTERRUPTED)]
)
def test_whatever_fails_once_there_may_be_machines_they_are_removed(
    shown, title, error, expected
):
    code, done, printed = shown(failing=title, error=error)
    assert code == expected
    assert titles(done) == ["set-up", *TITLES[: TITLES.index(title) + 1], "removal"]
    assert "Nothing is left running." not in printed.out


def test_nothing_is_removed_before_there_can_be_machines(shown):
    code, done, _ = shown(failing="set-up")
    assert (code, titles(done)) == (FAILED, ["set-up"])


def test_machines_that_are_kept_are_told_with_commands_that_find_them(shown, state):
    code, done, printed = shown(keep=True)
    assert (code, titles(done)) == (DONE, ["set-up", *TITLES])
    folder = f"TANDEM_STATE='{state / 'demo'}'"
    assert f"Look around: {folder} fab cluster.status\n" in printed.out
    assert f"Next: {folder} fab local.down --name demo\n" in printed.out


def test_a_phase_that_failed_is_told_as_one_types_it_alone(state):
    phase = demo.Phase("cluster", ("sh", "-c", "exit 7"))
    with pytest.raises(TandemError) as raised:
        demo._run_phase(phase, os.environ)
    assert "ended with 7" in raised.value.problem
    folder = f"TANDEM_STATE='{state / 'demo'}'"
    assert raised.value.next_step.endswith(f"or alone: {folder} sh -c 'exit 7'")


def test_an_engine_that_was_started_for_it_is_not_passed_over(shown, state):
    state.mkdir()
    record = {"pid": os.getpid(), "start_ticks": start_ticks(os.getpid())}
    (state / "engine.json").write_text(json.dumps(record))
    _, _, printed = shown()
    assert "Nothing is left" not in printed.out
    assert "started runs on; make clean stops it" in printed.out


def with_pulumi(monkeypatch, folder, stacks):
    """Put a program on PATH that knows these stacks, in place of pulumi."""
    program = folder / "pulumi"
    program.write_text(f"#!/bin/sh\necho '{json.dumps([{'name': one} for one in stacks])}'\n")
    program.chmod(0o755)
    found = demo.pulumi_cli.PulumiCli(program, "3", "found on PATH")
    monkeypatch.setattr(demo.pulumi_cli, "find", lambda state: found)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))


@pytest.mark.parametrize("stacks", [[], ["local"], ["demo", "local"]])
def test_pulumi_makes_the_machines_where_there_is_one_and_its_stack_is_made_once(
    shown, monkeypatch, tmp_path, stacks
):
    with_pulumi(monkeypatch, tmp_path, stacks)
    _, done, printed = shown(dry_run=True, json=True)
    document = json.loads(printed.out)
    assert (document["door"], done) == ("pulumi", [])
    assert document["commands"][1].startswith("pulumi up ")
    code, done, printed = shown(keep=True)
    assert code == DONE
    assert titles(done).count("stack") == (0 if "demo" in stacks else 1)
    assert "PULUMI_CONFIG_PASSPHRASE= pulumi destroy" in printed.out


@pytest.mark.parametrize("door", ["fab", "pulumi"])
@pytest.mark.parametrize(
    ("gib", "memory"), [(4, "1024m"), (8, "2048m"), (12, "3072m"), (64, "3072m")]
)
def test_three_machines_fit_into_the_memory_that_docker_has(door, gib, memory):
    up = demo._phases(door, demo._memory(gib << 30))[0]
    assert up.command[-1].removeprefix("memory=") == memory


def test_too_little_memory_is_refused_before_anything_is_made(shown, monkeypatch):
    monkeypatch.setattr(demo, "_docker_memory", lambda: (4 << 30) - 1024**3)
    code, done, printed = shown()
    assert (code, done) == (BAD_USAGE, [])
    assert "Docker has 3.0 GiB of memory here, and the demo needs 4" in printed.err


def test_the_memory_is_known_with_and_without_an_engine(monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    assert demo._docker_memory() > 1 << 28
