"""An operator of a cluster for the tests: brings it up, asks it, and looks at the machines."""

import dataclasses
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from contracts import inventory as inventories
from contracts.inventory import Inventory, Node
from contracts.progress import Event, tell_nobody
from infra import docker_engine
from infra.local_nodes import LOCK
from provision import bringup
from provision.bringup import Request, Started
from provision.command import Command, Quote
from provision.links import Links
from provision.status import ClusterStatus, status
from tests.command_line import Answered, fab

NAMES = ["node-1", "node-2", "node-3"]


@dataclass
class Operator:
    """One operator with a state folder, and connections that stay open between tests."""

    inventory: Inventory
    state: Path
    links: Links

    def start(self, engine: str, nodes: int, tell=tell_nobody) -> Started:
        """Bring the cluster to that engine and size."""
        request = Request(self.inventory, nodes, engine, self.state, LOCK)
        return bringup.start(request, tell, self.links)

    def prepare(self, nodes: int) -> Started:
        """Bring environment and code only."""
        request = Request(self.inventory, nodes, None, self.state, LOCK)
        return bringup.prepare(request, tell_nobody, self.links)

    def stop(self) -> tuple[str, ...]:
        """End everything."""
        return bringup.stop(self.inventory, self.state, tell_nobody, self.links)

    def status(self) -> ClusterStatus:
        """Ask how the cluster is."""
        return status(self.inventory, self.state, self.links)

    def fab(self, *arguments: str, **environment: str) -> Answered:
        """Run a verb as a user types it."""
        return fab(*arguments, state=self.state, **environment)

    def address(self, name: str) -> str:
        """Return a node's address in the cluster's network."""
        return self.inventory.node(name).private_ip

    def run(self, name: str, *words: str) -> str:
        """Run a program on a node and return what it wrote."""
        command = Command("env", "--", *map(Quote, words))
        result = self.links[name].run(command, timeout=60)
        assert result.exit_code == 0, (words, result.complaint)
        return result.stdout.decode()

    def records(self, name: str) -> dict[str, str]:
        """Return the records of a node as texts: equal texts mean the same processes."""
        listed = self.run(name, "sh", "-c", "cd ~/.tandem/run && grep -H . *.json || true")
        return dict(line.split(":", 1) for line in listed.splitlines())

    def processes(self, name: str, word: str) -> list[int]:
        """Return the processes of a node whose command line has a word."""
        listed = self.run(name, "ps", "-eo", "pid=,args=").splitlines()
        found = [line.split(None, 1) for line in listed if word in line]
        return [int(pid) for pid, arguments in found if not arguments.startswith("ps ")]

    def kill(self, name: str, word: str) -> None:
        """End processes of a node without asking."""
        pids = self.processes(name, word)
        assert pids, f"no {word} on {name}"
        self.run(name, "kill", "-KILL", *map(str, pids))

    def listeners(self, name: str) -> set[tuple[str, int]]:
        """Return address and port of everything that listens on a node."""
        found = set()
        for line in self.run(name, "ss", "-Hltn").splitlines():
            address, _, port = line.split()[3].rpartition(":")
            found.add((address, int(port)))
        return found

    def with_inventory(self, folder: Path, **changes) -> "Operator":
        """Return another operator, whose inventory differs."""
        other = dataclasses.replace(self.inventory, **changes)
        folder.mkdir(parents=True, exist_ok=True)
        inventories.dump(other, folder / "inventory.json")
        return Operator(other, folder, Links(other))


class Watched:
    """Keeps the events of a bring-up."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep one event."""
        self.events.append(event)

    def steps(self, state: str = "started") -> set[tuple[str, str]]:
        """Return node and step of the events with that state."""
        return {(one.subject, one.step) for one in self.events if one.state == state}


@contextmanager
def container(node: Node) -> Iterator[docker.models.containers.Container]:
    """Open the container that a machine is."""
    with docker_engine.connect() as client:
        yield client.containers.get(node.instance_id)


def free_port() -> int:
    """Return a port of this computer on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def changed(inventory: Inventory, name: str, **changes):
    """Return the nodes of an inventory, one of them changed."""
    return tuple(
        dataclasses.replace(node, **changes) if node.name == name else node
        for node in inventory.nodes
    )
