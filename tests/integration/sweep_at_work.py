"""Sweeps in a process of their own, and what of them is on the operator's disk."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.command_line import FAB, ROOT
from workloads.sweeps.journal import Journal

DEADLINE = 240.0


@contextmanager
def sweep_started(
    machines, results: Path, arguments: Sequence[str]
) -> Iterator[subprocess.Popen[str]]:
    """A sweep in a process of its own, killed at the end of the block."""
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.with_suffix(".log").open("w") as stream:
        sweep = subprocess.Popen(
            [*FAB, *arguments],
            cwd=ROOT,
            env={**os.environ, "TANDEM_STATE": str(machines.state)},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            text=True,
        )
        try:
            yield sweep
        finally:
            sweep.kill()
            sweep.wait(DEADLINE)


@contextmanager
def under_way(
    machines, results: Path, arguments: Sequence[str], trials: int
) -> Iterator[subprocess.Popen[str]]:
    """A sweep of which at least so many results are acknowledged, still at work."""
    log = results.with_suffix(".log")
    with sweep_started(machines, results, arguments) as sweep:
        deadline = time.monotonic() + DEADLINE
        while len(acknowledged(results)) < trials:
            assert sweep.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield sweep


def journal(results: Path) -> Journal:
    """The journal of the sweep of forests under `results`."""
    return Journal(results / "forest" / "journal.jsonl")


def acknowledged(results: Path) -> list[str]:
    """The trials whose result is on the disk, one entry for each line."""
    return [
        record["result"]["trial_id"]
        for record in journal(results).read().records
        if record["kind"] == "trial"
    ]
