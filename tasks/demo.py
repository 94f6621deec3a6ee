"""`fab demo.*`: the main job from nothing to a report, and nothing left behind."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from contracts.errors import DONE, INTERRUPTED, TandemError, UsageError
from contracts.files import state_folder
from infra import docker_engine, pulumi_cli
from infra.processes import is_alive, read_record
from tasks.progress import say
from tasks.verb import Answer, verb

MIB = 1024**2
SWEEPS = ("demo-digits", "demo-covtype")
LIMIT_SECONDS = 1800
MOST_MEMORY, LEAST_MEMORY = 3072, 1024  # MiB of a machine
_DOORS = {
    "fab": (
        "fab local.up --name demo --nodes 3 --cpus 0.6 --memory {memory}",
        "fab local.down --name demo",
    ),
    "pulumi": (
        "pulumi up --yes --skip-preview --stack demo --config name=demo "
        "--config memory={memory}",
        "pulumi destroy --yes --skip-preview --stack demo --remove",
    ),
}
_WORDS_ON_DOORS = {
    "fab": "There is no pulumi program on PATH, so the machines come from fab local.up;\n"
    "with it, pulumi up would call the same driver.",
    "pulumi": "The pulumi program is on PATH, so the machines come from pulumi up.",
}


@dataclass(frozen=True)
class Phase:
    """One command of the demo, under a title."""

    title: str
    command: tuple[str, ...]


SET_UP = Phase("set-up", ("fab", "setup.run"))


@verb(
    help={
        "keep": "leave the machines running at the end, to look around",
        "dry-run": "print the commands and run none",
    }
)
def run(context: Context, keep: bool = False, dry_run: bool = False) -> Answer:
    """Make three machines, sweep a forest on Ray and Dask, build the report, remove all."""
    memory = _memory(_docker_memory())
    if dry_run:
        commands = [shlex.join(phase.command) for phase in (SET_UP, *_phases(_door(), memory))]
        return Answer({"door": _door(), "commands": commands}, "\n".join(commands))
    begin = time.monotonic()
    say(f"Tandem demo.\n\n{SET_UP.title}\n$ {shlex.join(SET_UP.command)}")
    seconds = {SET_UP.title: _run_phase(SET_UP, _environment())}
    door = _door()
    say(f"\n{_WORDS_ON_DOORS[door]}")
    phases = _phases(door, memory)
    seconds |= _run_phases(phases, door, keep=keep)
    seconds["together"] = time.monotonic() - begin
    reports = [str(Path("results", name, "report.html")) for name in SWEEPS]
    document = {"door": door, "seconds": seconds, "reports": reports}
    left = _kept(phases[-1]) if keep else [_gone()]
    rows = [f"  {title:<22} {took:7.1f} s" for title, took in seconds.items()]
    lines = ["", "The demo is done.", *rows, *left, *(f"Report: {one}" for one in reports)]
    return Answer(document, "\n".join(lines))


def _kept(removal: Phase) -> list[str]:
    """Say how to look around, and how to remove what was kept."""
    return [
        "The machines are still there.",
        f"Look around: {_typed(Phase('', ('fab', 'cluster.status')))}",
        f"Next: {_typed(removal)}",
    ]


def _gone() -> str:
    engine = read_record(state_folder() / "engine.json")
    if engine is not None and is_alive(engine):
        return (
            "No machine is left. The Docker engine that set-up started runs on; "
            "make clean stops it."
        )
    return "Nothing is left running."


def _typed(phase: Phase) -> str:
    """Return a command as one types it alone, for the machines of the demo."""
    command = shlex.join(phase.command)
    if phase == SET_UP:
        return command
    words = [f"TANDEM_STATE={shlex.quote(str(_state()))}"]
    if phase.command[0] == "pulumi" and "PULUMI_CONFIG_PASSPHRASE" not in os.environ:
        words.append("PULUMI_CONFIG_PASSPHRASE=")
    return " ".join([*words, command])


def _state() -> Path:
    return state_folder() / "demo"


def _docker_memory() -> int:
    """Return the bytes that Docker has, or this computer while set-up is to start it here."""
    try:
        with docker_engine.connect(timeout=10.0) as client:
            return int(client.info()["MemTotal"])
    except docker_engine.NoEngine:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _memory(total: int) -> str:
    """Return the memory of each of three machines where Docker has so many bytes in all.

    A quarter is left to the operator, or to the virtual machine that Docker runs in.

    Raises
    ------
    UsageError
        If that is too little; nothing is touched.
    """
    mib = min(MOST_MEMORY, total // 4 // MIB)
    if mib < LEAST_MEMORY:
        raise UsageError(
            f"Docker has {total / MIB / 1024:.1f} GiB of memory here, and the demo needs "
            f"{4 * LEAST_MEMORY // 1024}.",
            cause=f"Three machines of at least {LEAST_MEMORY} MiB take three quarters of it.",
            next_step="give Docker's virtual machine more memory, or make demo on a larger "
            "computer",
        )
    return f"{mib}m"


def _phases(door: str, memory: str) -> list[Phase]:
    up, down = (command.format(memory=memory) for command in _DOORS[door])
    sweep = (
        "fab sweep.run --workload forest --engines ray,dask --nodes 1,2,3 --repeats 1 --fresh"
    )
    commands = {
        "machines": up,
        "cluster": "fab cluster.start --nodes 3 --engine ray",
        "sweep on digits": f"{sweep} --preset demo --name {SWEEPS[0]}",
        "sweep on cover type": f"{sweep} --preset demo-cover-type --name {SWEEPS[1]}",
        "reports": f"fab report.build --name {','.join(SWEEPS)} --price 0.05 --currency USD",
        "removal": down,
    }
    return [Phase(title, tuple(shlex.split(text))) for title, text in commands.items()]


def _run_phases(phases: list[Phase], door: str, *, keep: bool) -> dict[str, float]:
    """Run the phases in turn; once there may be machines, remove them whatever happens."""
    environment = {**_environment(), "TANDEM_STATE": str(_state())}
    seconds: dict[str, float] = {}
    count = len(phases)

    def run_one(number: int) -> None:
        phase = phases[number - 1]
        say(f"\n[{number}/{count}] {phase.title}\n$ {shlex.join(phase.command)}")
        seconds[phase.title] = _run_phase(phase, environment)

    if door == "pulumi":
        _make_stack(environment)
    with contextlib.ExitStack() as at_the_end:
        if not keep:
            at_the_end.callback(run_one, count)
        for number in range(1, count):
            run_one(number)
    return seconds


def _door() -> str:
    return "pulumi" if pulumi_cli.find(state_folder()) else "fab"


def _environment() -> dict[str, str]:
    """Return an environment in which `fab` and `pulumi` are found by their names."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    pulumi = pulumi_cli.find(state_folder())
    if pulumi:
        folders.insert(1, str(pulumi.path.parent))
    return {"PULUMI_CONFIG_PASSPHRASE": "", **os.environ, "PATH": os.pathsep.join(folders)}


def _make_stack(environment: Mapping[str, str]) -> None:
    """Make the demo's own stack, unless an earlier demo left it; select none."""
    listed = subprocess.run(
        ["pulumi", "stack", "ls", "--json"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if listed.returncode != DONE:
        raise TandemError(
            "The stacks of this project cannot be listed.",
            cause=listed.stderr.strip()[-1000:],
            next_step="pulumi stack ls, until it works; then make demo",
        )
    names = {stack["name"] for stack in json.loads(listed.stdout)}
    if "demo" not in names:
        make = Phase("stack", ("pulumi", "stack", "init", "demo", "--no-select"))
        _run_phase(make, environment)


def _run_phase(phase: Phase, environment: Mapping[str, str]) -> float:
    begin = time.monotonic()
    with _interrupts_left_to_the_child(), subprocess.Popen(
        phase.command, env=environment, stdout=sys.stderr
    ) as child:  # fmt: skip
        try:
            code = child.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            code = child.wait()
    if code in (INTERRUPTED, -signal.SIGINT):
        raise KeyboardInterrupt
    if code != DONE:
        raise TandemError(
            f"The demo stopped at '{phase.title}': the command ended with {code}.",
            cause="What it printed stands above.",
            next_step=f"mend that, then make demo again, or alone: {_typed(phase)}",
        )
    return time.monotonic() - begin


@contextlib.contextmanager
def _interrupts_left_to_the_child() -> Iterator[None]:
    """Let Ctrl-C reach the child alone: it cleans up, and ends with the code that says so."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


collection = Collection("demo", run)
