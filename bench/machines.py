"""Local machines for a measurement, made and removed through the verbs that users type."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import inventory
from contracts.endpoint import Endpoint
from contracts.environment import lock_fingerprint
from contracts.errors import TandemError
from contracts.inventory import Inventory, Node
from provision import bringup, remote_run
from provision.links import Links
from tasks.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
VERB_LIMIT_SECONDS = 3600
PROGRAM_LIMIT_SECONDS = 4 * 3600
COMPILE_LIMIT_SECONDS = 300.0
CPU_PERIOD = 100_000  # microseconds, Docker's own
# Nanoseconds of processor time, by the kernel's first kind of control groups or the second.
_CPU_USED = (
    "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || "
    "awk '/^usage_usec/ {print $2 * 1000}' /sys/fs/cgroup/cpu.stat"
)
_HIGHEST = (
    "cat /sys/fs/cgroup/memory/memory.max_usage_in_bytes 2>/dev/null || "
    "cat /sys/fs/cgroup/memory.peak"
)


@dataclass(frozen=True)
class Cluster:
    """Machines of one measurement, and the state folder of their own."""

    state: Path
    inventory: Inventory

    @property
    def environment(self) -> str:
        """The path of the Python environment on the nodes."""
        return f"/opt/tandem/env/{lock_fingerprint(LOCK.read_bytes())}"

    def fab(self, *words: str, folder: Path = ROOT) -> str:
        """Run a verb as a user would and return its standard output; raise if it fails."""
        return _fab(self.state, *words, folder=folder)

    def on_node(self, node: Node, shell_text: str) -> str:
        """Run shell text on a node through `docker exec`, as the SSH user."""
        done = subprocess.run(
            ["docker", "exec", "--user", self.inventory.ssh_user, node.instance_id,
             "sh", "-c", shell_text],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        return done.stdout

    def on_head(self, shell_text: str) -> str:
        """Run shell text on the head."""
        return self.on_node(self.inventory.head, shell_text)

    def bring(self, engine: str | None, *, nodes: int, lock: Path = LOCK) -> Endpoint:
        """Bring up an engine, or none, in a lock's environment; return where it answers."""
        request = bringup.Request(self.inventory, nodes, engine, self.state, lock)
        begin = bringup.start if engine else bringup.prepare
        tell = Progress(least_seconds=10.0)
        try:
            endpoint = begin(request, tell).endpoint
        except TandemError as error:  # it is not measured; small machines start slowly at times
            print(f"once more, because: {error.problem}", flush=True)
            endpoint = begin(request, tell).endpoint
        self._await_compiled()
        return endpoint

    def place(self, engine: str | None, endpoint: Endpoint) -> dict[str, Any]:
        """Return what a program on an endpoint's nodes is told of where it computes."""
        return {
            "engine": engine or "plain",
            "address": endpoint.address,
            "credentials": dict(endpoint.credentials),
            "addresses": {one: self.inventory.node(one).private_ip for one in endpoint.nodes},
            "slots": dict(endpoint.slots),
            "home": endpoint.home,
            "profile": False,
        }

    def _await_compiled(self) -> None:
        """Wait until the nodes have compiled a new environment's modules."""
        give_up = time.monotonic() + COMPILE_LIMIT_SECONDS
        for node in self.inventory.nodes:
            while self.on_node(node, "pgrep -f '[c]ompileall' || true"):
                if time.monotonic() > give_up:
                    raise SystemExit(f"{node.name}: modules are still being compiled")
                time.sleep(1.0)

    def python(
        self, node: Node, endpoint: Endpoint, program: str, task: Mapping[str, Any]
    ) -> Any:
        """Run a Python program on a node, as drivers are run; return its last line, JSON.

        Parameters
        ----------
        program : str
            Its text; `sys.argv[1]` is the task as JSON.
        """
        variables = remote_run.driver_environment(endpoint)
        words = [word for item in variables.items() for word in ("--env", "=".join(item))]
        done = subprocess.run(
            ["docker", "exec", "--interactive", "--user", self.inventory.ssh_user, *words,
             node.instance_id, f"{endpoint.environment}/bin/python", "-", json.dumps(task)],
            input=program, capture_output=True, text=True, timeout=PROGRAM_LIMIT_SECONDS,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"{node.name}: {task}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    def cpu_seconds(self) -> float:
        """Return the processor time that all nodes together have used since they were made."""
        used = [int(self.on_node(node, _CPU_USED)) for node in self.inventory.nodes]
        return sum(used) / 1e9

    def highest_memory(self) -> dict[str, int]:
        """Return the most bytes that each node ever held, files that are only cached too."""
        return {node.name: int(self.on_node(node, _HIGHEST)) for node in self.inventory.nodes}

    def memory(self, since_seconds: float) -> dict[str, list[int]]:
        """Return the bytes in use on each node, each second since then, without mere cache."""
        names = [node.name for node in self.inventory.nodes]
        with contextlib.closing(Links(self.inventory)) as links:
            found = remote_run.timeline(links, names, since_seconds)
        return {
            name: [int(value) for value in series["memory"]] for name, series in found.items()
        }

    @contextlib.contextmanager
    def faster(self, cpus: float) -> Iterator[None]:
        """Give every node more processor for the block: to prepare, never to measure."""
        self._limit(cpus)
        try:
            yield
        finally:
            self._limit(self.inventory.head.cpus)

    def _limit(self, cpus: float) -> None:
        names = [node.instance_id for node in self.inventory.nodes]
        subprocess.run(
            ["docker", "update", "--cpu-quota", str(int(cpus * CPU_PERIOD)), *names],
            check=True, timeout=60, stdout=subprocess.DEVNULL,
        )  # fmt: skip


@contextlib.contextmanager
def cluster(*, nodes: int, cpus: float, memory: str = "3g") -> Iterator[Cluster]:
    """Make machines for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder:
        state = Path(folder)
        name = f"bench-{os.getpid()}"
        size = ("--nodes", str(nodes), "--cpus", str(cpus), "--memory", memory)
        try:
            _fab(state, "local.up", "--name", name, *size)
            yield Cluster(state, inventory.load(state / "inventory.json"))
        finally:
            _fab(state, "local.down", "--name", name)


def _fab(state: Path, *words: str, folder: Path = ROOT) -> str:
    fab = str(Path(sys.executable).parent / "fab")
    done = subprocess.run(
        [fab, "--search-root", str(ROOT), *words],
        env={**os.environ, "TANDEM_STATE": str(state)}, cwd=folder,
        capture_output=True, text=True, timeout=VERB_LIMIT_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"fab {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout
