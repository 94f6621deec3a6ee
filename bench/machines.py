"""Local machines for a measurement, made and removed through the verbs that users type."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contracts import inventory
from contracts.environment import lock_fingerprint
from contracts.inventory import Inventory, Node

ROOT = Path(__file__).resolve().parents[1]
VERB_LIMIT_SECONDS = 3600


@dataclass(frozen=True)
class Cluster:
    """Machines of one measurement, and the state folder of their own."""

    state: Path
    inventory: Inventory

    @property
    def environment(self) -> str:
        """The path of the Python environment on the nodes."""
        lock = (ROOT / "requirements.lock").read_bytes()
        return f"/opt/tandem/env/{lock_fingerprint(lock)}"

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
