"""Three machines to break: runs on them, faults in them, and proof of both."""

import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contracts.endpoint import Endpoint
from contracts.inventory import Node
from infra import local_nodes
from infra.local_nodes import LocalSettings
from provision import bringup, code_bundle
from tests.chaos.checker import records_of
from tests.doubles.run_specs import chaos_spec
from workloads import runs
from workloads.runs import RunSpec

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).with_name("chaos_workload.py")
NODES = 3


def project_with_chaos(folder: Path) -> Path:
    """Copy the project's sources, with one workload more, and return the copy."""
    for name in code_bundle.PACKAGES:
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(HERE, folder / "workloads")
    with open(folder / "workloads" / "registry.py", "a") as registry:
        registry.write('\n_MODULES["chaos"] = "workloads.chaos_workload"\n')
    return folder


def command(*parts: str, given: bytes | None = None, seconds: float = 60.0) -> str:
    """Run a command on this computer and return what it printed."""
    done = subprocess.run(parts, input=given, capture_output=True, timeout=seconds, check=False)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"{' '.join(parts)[:200]} ended with {done.returncode}: {words}")
    return done.stdout.decode(errors="replace")


class Arena:
    """A cluster that tests may break; `start` mends it before the next one."""

    def __init__(self, folder: Path, name: str, *, cpus: float, memory_bytes: int) -> None:
        self._settings = LocalSettings(
            nodes=NODES,
            state=folder / "state",
            cluster_id=name,
            cpus=cpus,
            memory_bytes=memory_bytes,
        )
        (folder / "project").mkdir()
        self._project = project_with_chaos(folder / "project")
        self._cut: set[str] = set()
        self.inventory = local_nodes.up(self._settings)
        self.endpoint: Endpoint | None = None

    @property
    def network(self) -> str:
        """The Docker network of the machines."""
        found = command(
            "docker", "network", "ls", "-q", "--filter",
            f"label=tandem.cluster={self._settings.cluster_id}",
        )  # fmt: skip
        return found.split()[0]

    @property
    def head(self) -> str:
        """The name of the head."""
        return self.inventory.head.name

    @property
    def workers(self) -> list[str]:
        """The names of the other nodes."""
        return [node.name for node in self.inventory.nodes if node.name != self.head]

    def start(self, engine: str) -> Endpoint:
        """Mend all that was broken and bring the engine up on every node."""
        for node in self.inventory.nodes:
            if self.state_of(node.name)["Paused"]:
                command("docker", "unpause", node.instance_id)
        for name in list(self._cut):
            self.join_network(name)
        self.inventory = local_nodes.up(self._settings)
        request = bringup.Request(
            inventory=self.inventory,
            nodes=NODES,
            engine=engine,
            state=self._settings.state,
            lock=ROOT / "requirements.lock",
            root=self._project,
        )
        self.endpoint = bringup.start(request).endpoint
        return self.endpoint

    def down(self) -> None:
        """Remove the machines."""
        local_nodes.down(self._settings.cluster_id, "fab", self._settings.state)

    def node(self, name: str) -> Node:
        """Return the inventory's entry of a node."""
        return next(node for node in self.inventory.nodes if node.name == name)

    def state_of(self, name: str) -> dict[str, Any]:
        """Return what Docker says of a machine: Running, Paused, ..."""
        shown = command(
            "docker", "inspect", "-f", "{{json .State}}", self.node(name).instance_id
        )
        state: dict[str, Any] = json.loads(shown)
        return state

    def on(self, name: str, *parts: str, given: bytes | None = None) -> str:
        """Run a command on a node and return what it printed."""
        flags = ("-i",) if given is not None else ()
        container = self.node(name).instance_id
        return command("docker", "exec", *flags, "-u", "tandem", container, *parts, given=given)

    def kill_machine(self, name: str) -> None:
        """End a machine as a power cut would."""
        command("docker", "kill", self.node(name).instance_id)
        assert not self.state_of(name)["Running"]

    def pause_machine(self, name: str) -> None:
        """Freeze every process of a machine; its connections stay open and silent."""
        command("docker", "pause", self.node(name).instance_id)
        assert self.state_of(name)["Paused"]

    def wake_machine(self, name: str) -> None:
        """Let a frozen machine go on."""
        command("docker", "unpause", self.node(name).instance_id)

    def cut_network(self, name: str) -> None:
        """Take a machine off the network without closing any connection."""
        command("docker", "network", "disconnect", self.network, self.node(name).instance_id)
        self._cut.add(name)
        assert not self.reaches(self.head, name)

    def join_network(self, name: str) -> None:
        """Put a machine that was cut off back where it was."""
        node = self.node(name)
        command(
            "docker", "network", "connect", "--ip", node.private_ip, self.network,
            node.instance_id,
        )  # fmt: skip
        self._cut.discard(name)

    def reaches(self, one: str, other: str) -> bool:
        """Say whether a node's SSH port answers to another node."""
        program = (
            "import socket, sys\n"
            "try: socket.create_connection((sys.argv[1], 22), timeout=3).close()\n"
            "except OSError: print('no')\n"
            "else: print('yes')\n"
        )
        address = self.node(other).private_ip
        return self.on(one, "python3", "-c", program, address).strip() == "yes"

    def kill(self, name: str, pid: int) -> None:
        """SIGKILL a process on a node and see it gone."""
        self.on(name, "kill", "-9", str(pid))
        wait_until(lambda: not self.runs(name, pid), 20, f"process {pid} on {name} to end")

    def runs(self, name: str, pid: int) -> bool:
        """Say whether a process of a node runs."""
        shown = self.on(name, "sh", "-c", f"ps -o stat= -p {pid} || true").strip()
        return bool(shown) and not shown.startswith("Z")

    def pids(self, name: str, pattern: str) -> list[int]:
        """Return the processes of a node whose command line holds a pattern."""
        not_itself = f"[{pattern[0]}]{pattern[1:]}"
        found = self.on(name, "sh", "-c", f"pgrep -f '{not_itself}' || true")
        return [int(pid) for pid in found.split()]

    def engine_pids(self, name: str) -> dict[str, int]:
        """Return the main processes of the engine on a node, by the record of their start."""
        assert self.endpoint is not None
        text = self.on(name, "cat", f"{self.endpoint.home}/run/{self.endpoint.engine}.json")
        return {kind: found[0] for kind, found in json.loads(text)["processes"].items()}

    def attempts(self, name: str) -> list[int]:
        """Return the numbers of the trials that were begun on a node in its last run."""
        assert self.endpoint is not None
        path = f"{self.endpoint.home}/chaos/attempts.jsonl"
        text = self.on(name, "sh", "-c", f"cat {path} 2>/dev/null || true")
        return [json.loads(line)["number"] for line in text.splitlines()]

    def spec(self, trials: Sequence[dict[str, Any]], **changes: Any) -> RunSpec:
        """Return a run of these trials on every node."""
        assert self.endpoint is not None
        at = self.endpoint
        return chaos_spec(
            Path(at.home),
            trials,
            **{
                "run_id": secrets.token_hex(10),
                "engine": at.engine,
                "address": at.address,
                "nodes": at.nodes,
                "addresses": {node.name: node.private_ip for node in self.inventory.nodes},
                "slots": at.slots,
                "credentials": at.credentials,
                "run_deadline_seconds": 240.0,
                "unit_deadline_seconds": 60.0,
                **changes,
            },
        )

    def launch(self, spec: RunSpec) -> "Run":
        """Start the driver of a run on the head."""
        assert self.endpoint is not None
        for node in self.inventory.nodes:
            self.on(node.name, "sh", "-c", f"rm -rf {self.endpoint.home}/chaos")
        run = Run(self, spec)
        run.write()
        run.start()
        return run


class Run:
    """One run of a driver on the head, and what it wrote so far."""

    def __init__(self, arena: Arena, spec: RunSpec) -> None:
        assert arena.endpoint is not None
        self._arena = arena
        self._at = arena.endpoint
        self._folder = f"{spec.home}/runs/{spec.run_id}"
        self.spec = spec

    def write(self) -> None:
        """Put the specification into the run's folder on the head."""
        text = json.dumps(runs.as_document(self.spec)).encode()
        script = f"mkdir -p {self._folder} && cat > {self._folder}/spec.json"
        self._arena.on(self._arena.head, "sh", "-c", script, given=text)

    def start(self) -> None:
        """Start a driver in a session of its own."""
        python = f"{self._at.environment}/bin/python"
        script = (
            f"cd {self._folder} && PYTHONPATH={self._at.code} OMP_NUM_THREADS=1 "
            f"setsid {python} -m workloads.driver {self._folder}/spec.json "
            f">> {self._folder}/driver.log 2>&1 < /dev/null &"
        )
        self._arena.on(self._arena.head, "sh", "-c", script)

    def text(self) -> str:
        """Return what the driver wrote so far, whole lines only."""
        path = f"{self._folder}/results.jsonl"
        read = f"cat {path} 2>/dev/null || true"
        text = self._arena.on(self._arena.head, "sh", "-c", read)
        return text[: text.rfind("\n") + 1]

    def records(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the records so far, or those of one kind."""
        found = records_of(self.text())
        return [one for one in found if kind in (None, one["kind"])]

    def driver_pid(self) -> int:
        """Return the process id of the driver that was started last."""
        return int(self.records("started")[-1]["pid"])

    def wait_for_trials(self, count: int, seconds: float = 90.0) -> None:
        """Wait until so many trials have a result."""
        what = f"{count} trials to have a result"
        wait_until(lambda: len(self.records("trial")) >= count, seconds, what, self.log)

    def wait_for_end(self, seconds: float) -> float:
        """Wait until the driver wrote its last line and is gone; return the seconds it took."""
        begin = time.monotonic()
        wait_until(self._ended, seconds, "the run to end", self.log)
        took = time.monotonic() - begin
        print(f"{self._at.engine}: the run ended {took:.0f} s later")
        return took

    def _ended(self) -> bool:
        last = self.records()[-1:]
        return bool(last) and last[0]["kind"] in ("finished", "failed")

    def log(self) -> str:
        """Return the driver's last words and records, for a person who looks for a cause."""
        read = f"tail -n 20 {self._folder}/driver.log 2>/dev/null || true"
        words = self._arena.on(self._arena.head, "sh", "-c", read)
        return f"{self.text()[-2000:]}\n{words}"


def wait_until(
    true: Callable[[], bool], seconds: float, what: str, more: Callable[[], str] = str
) -> None:
    """Wait until something is true; fail with what was waited for."""
    give_up = time.monotonic() + seconds
    while not true():
        if time.monotonic() > give_up:
            raise AssertionError(f"waited {seconds:.0f} s for {what}, in vain\n{more()}")
        time.sleep(0.25)


@contextmanager
def arena(folder: Path, name: str) -> Iterator[Arena]:
    """Give machines of a test, and remove them at the end."""
    made = Arena(folder, name, cpus=0.6, memory_bytes=1 << 30)
    try:
        yield made
    finally:
        made.down()
