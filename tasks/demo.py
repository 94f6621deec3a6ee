"""`fab demo.*`: the main job from nothing to a report, and nothing left behind."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from contracts.errors import DONE, INTERRUPTED, TandemError
from tasks.verb import Answer, state_folder, verb

NAME = "demo"
NODES = "3"
CPUS = "0.6"
MEMORY = "3g"
LIMIT_SECONDS = 1800


@dataclass(frozen=True)
class Phase:
    """One command of the demo, and why it is there."""

    title: str
    command: tuple[str, ...]


@verb(
    help={
        "keep": "leave the machines running at the end, to look around",
        "dry-run": "print the commands and run none",
    }
)
def run(context: Context, keep: bool = False, dry_run: bool = False) -> Answer:
    """Make three machines, sweep a forest on Ray and Dask, build the report, remove all."""
    door = "pulumi" if shutil.which("pulumi") else "fab"
    phases = _phases(door)
    if dry_run:
        commands = [shlex.join(phase.command) for phase in phases]
        return Answer({"door": door, "commands": commands}, "\n".join(commands))
    begin = time.monotonic()
    _say(_opening(door))
    environment = _environment()
    seconds: dict[str, float] = {}
    *work, removal = phases
    try:
        for number, phase in enumerate(work, 1):
            seconds[phase.title] = _run_phase(phase, f"{number}/{len(phases)}", environment)
    finally:
        if not keep:
            seconds[removal.title] = _run_phase(
                removal, f"{len(phases)}/{len(phases)}", environment
            )
    total = time.monotonic() - begin
    reports = [
        str(Path("results", f"{NAME}-{data}", "report.html")) for data in ("digits", "covtype")
    ]
    document = {"door": door, "seconds": seconds, "total_seconds": total, "reports": reports}
    return Answer(document, _closing(seconds, total, reports, keep))


def _phases(door: str) -> list[Phase]:
    up, down = (_pulumi_phases if door == "pulumi" else _fab_phases)()
    nodes = ",".join(str(count) for count in range(1, int(NODES) + 1))
    sweep = (
        "fab",
        "sweep.run",
        "--workload",
        "forest",
        "--engines",
        "ray,dask",
        "--nodes",
        nodes,
    )
    return [
        Phase("set-up", ("fab", "setup.run")),
        Phase("machines", up),
        Phase("cluster", ("fab", "cluster.start", "--nodes", NODES, "--engine", "ray")),
        Phase(
            "sweep on digits",
            (
                *sweep,
                "--repeats",
                "1",
                "--preset",
                "demo",
                "--name",
                f"{NAME}-digits",
                "--fresh",
            ),
        ),
        Phase(
            "sweep on cover type",
            (
                *sweep,
                "--repeats",
                "1",
                "--preset",
                "demo-cover-type",
                "--name",
                f"{NAME}-covtype",
                "--fresh",
            ),
        ),
        Phase("reports", ("fab", "report.build", "--name", f"{NAME}-digits,{NAME}-covtype")),
        Phase("removal", down),
    ]


def _fab_phases() -> tuple[tuple[str, ...], tuple[str, ...]]:
    size = ("--nodes", NODES, "--cpus", CPUS, "--memory", MEMORY)
    return (
        ("fab", "local.up", "--name", NAME, *size),
        ("fab", "local.down", "--name", NAME),
    )


def _pulumi_phases() -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (
        ("pulumi", "up", "--yes", "--stack", "local"),
        ("pulumi", "destroy", "--yes", "--stack", "local"),
    )


def _environment() -> dict[str, str]:
    """Return an environment in which the demo has a state folder of its own."""
    folder = state_folder() / NAME
    return {
        "PULUMI_CONFIG_PASSPHRASE": "",
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "TANDEM_STATE": str(folder),
    }


def _run_phase(phase: Phase, number: str, environment: dict[str, str]) -> float:
    _say(f"\n[{number}] {phase.title}\n$ {shlex.join(phase.command)}")
    begin = time.monotonic()
    done = subprocess.run(
        phase.command, env=environment, stdout=sys.stderr, timeout=LIMIT_SECONDS, check=False
    )
    if done.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode != DONE:
        raise TandemError(
            f"The demo stopped at '{phase.title}': the command ended with {done.returncode}.",
            cause="What it printed stands above.",
            next_step=f"mend that, then make demo again, or alone: {shlex.join(phase.command)}",
        )
    return time.monotonic() - begin


def _opening(door: str) -> str:
    if door == "pulumi":
        return (
            "Tandem demo. The pulumi program is on PATH, so the machines come from pulumi up."
        )
    return (
        "Tandem demo. There is no pulumi program on PATH, so the machines come from\n"
        "fab local.up; with it, pulumi up would call the same driver."
    )


def _closing(seconds: dict[str, float], total: float, reports: list[str], keep: bool) -> str:
    rows = [f"  {title:<22} {took:7.1f} s" for title, took in seconds.items()]
    left = (
        f"The machines are still there. Next: fab local.down --name {NAME}"
        if keep
        else "Nothing is left running."
    )
    listed = "\n".join(f"  {report}" for report in reports)
    return "\n".join(
        [
            "",
            "The demo is done.",
            *rows,
            f"  {'together':<22} {total:7.1f} s",
            left,
            "Reports:",
            listed,
        ]
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


collection = Collection("demo", run)
