"""A real Dask and a real Ray of two nodes on loopback addresses, for tests without machines."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.environment import RAY_CLIENT
from contracts.trial import TrialResult
from tests.doubles.run_specs import write_run
from workloads.engines import knock
from workloads.runs import RunSpec
from workloads.sweeps.driver_output import DriverOutput, Observed

ROOT = Path(__file__).resolve().parents[2]
# Not 127.0.0.1, in place of which clients of Ray take the address that the machine has outside.
ADDRESSES = {"head": "127.0.0.2", "worker-1": "127.0.0.3"}
START_SECONDS = 120


@dataclass
class Loopback:
    """An engine as a run's specification names it, and what ends its second node."""

    engine: str
    address: str
    credentials: Mapping[str, str]
    end_worker: Any
    environment: Mapping[str, str] = field(default_factory=dict)

    def place(self, *, nodes: int = 2) -> dict[str, Any]:
        """Return the fields of a specification that say where a run computes."""
        names = tuple(ADDRESSES)[:nodes]
        return {
            "engine": self.engine,
            "address": self.address,
            "nodes": names,
            "addresses": {name: ADDRESSES[name] for name in names},
            "slots": dict.fromkeys(names, 1),
            "credentials": dict(self.credentials),
        }


def on_loopback(engine: str, folder: Path) -> AbstractContextManager[Loopback]:
    """Start two nodes of an engine, with what they write in a folder; end them at the end."""
    return {"dask": _dask_on_loopback, "ray": _ray_on_loopback}[engine](folder)


@contextlib.contextmanager
def _dask_on_loopback(folder: Path) -> Iterator[Loopback]:
    """Start a scheduler and two workers as processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        own = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
        stack.enter_context(_process(folder, "distributed.cli.dask_scheduler", *own))
        _await(port)
        workers = [
            stack.enter_context(
                _process(
                    folder, "distributed.cli.dask_worker", address, "--host", ip,
                    "--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name,
                    "--death-timeout", "60",
                )
            )
            for name, ip in ADDRESSES.items()
        ]  # fmt: skip
        yield Loopback("dask", address, {}, workers[1].kill)


@contextlib.contextmanager
def _ray_on_loopback(folder: Path) -> Iterator[Loopback]:
    """Start two nodes of Ray, which ask for a token."""
    token = folder / "token"
    token.write_text("0123456789abcdef" * 4)
    token.chmod(0o600)
    environment = {
        **os.environ,
        **RAY_CLIENT,  # a server that knows nothing of its clients' pings ends a long call
        "PYTHONPATH": str(ROOT),
        "RAY_AUTH_TOKEN_PATH": str(token),
    }
    # In a process of its own: Ray's library asks for the mode once, and other tests use it too.
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.ray_on_loopback", *ADDRESSES.values()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT, text=True,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        lines, words = process.stdout, process.stdin

        def end_worker() -> None:
            words.write("end\n")
            words.flush()
            assert lines.readline() == "ended\n"

        try:
            address = lines.readline().strip()
            assert address, "Ray did not start"
            yield Loopback("ray", address, {"ray_token": str(token)}, end_worker)
        finally:
            words.close()
            process.wait(timeout=60)


def driven(folder: Path, spec: RunSpec) -> tuple[list[TrialResult], Observed]:
    """Drive a run to its end; return its results in the order of its trials, and the rest."""
    write_run(folder, spec)
    with drive(folder) as process:
        assert process.wait(timeout=300) == 0, (folder / "results.jsonl").read_text()
    output = DriverOutput(spec.trials)
    found = {one.trial_id: one for one in output.feed((folder / "results.jsonl").read_bytes())}
    assert (output.observed.ended, output.observed.rejected) == ("finished", [])
    return [found[trial.trial_id] for trial in spec.trials], output.observed


def drive(folder: Path) -> subprocess.Popen[bytes]:
    """Start the driver of the run in a folder as a process, as a node's starter does."""
    code = (
        "import os, sys\nfrom workloads import registry\nfrom workloads.driver import run\n"
        "registry._MODULES['drill'] = 'tests.doubles.drill'\n"
        "os._exit(run.main(sys.argv[1:]))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "spec.json")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@contextlib.contextmanager
def _process(folder: Path, module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "DASK_TEMPORARY_DIRECTORY": str(folder),
    }
    with open(folder / "engine.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=log, stderr=log, env=environment, cwd=folder,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait(timeout=30)


def _await(port: int) -> None:
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            knock(f"127.0.0.1:{port}", 5)
        except OSError:
            assert time.monotonic() < give_up, f"nothing listens on port {port}"
            time.sleep(0.1)
        else:
            return
