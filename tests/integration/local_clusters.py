"""Clusters of local machines as tests make them: small, named after the test run, removed."""

import base64
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import paramiko

from contracts.inventory import Node, load
from infra import docker_engine, local_nodes
from tests.command_line import Answered, fab

_NUMBERS = itertools.count(1)
# Enough for sshd; these tests start no engine on the machines.
SIZE = ("--cpus", "0.2", "--memory", "256m")


@dataclass(frozen=True)
class Cluster:
    """A name and a state folder; what is made under them is removed at the end."""

    name: str
    state: Path

    def fab(self, verb: str, *arguments: str, **environment: str) -> Answered:
        """Run a verb of `fab local` on this cluster."""
        return fab(verb, "--name", self.name, *arguments, state=self.state, **environment)

    def up(self, nodes: int, *arguments: str) -> Answered:
        """Run `fab local.up` for small machines."""
        return self.fab("local.up", "--nodes", str(nodes), *SIZE, *arguments)

    @property
    def inventory_path(self) -> Path:
        """Where the inventory is written."""
        return self.state / "inventory.json"

    def nodes(self) -> tuple[Node, ...]:
        """Return the machines of the inventory."""
        return load(self.inventory_path).nodes

    def instance_ids(self) -> list[str]:
        """Return the containers of the inventory, head first."""
        return [node.instance_id for node in self.nodes()]


@contextmanager
def temporary_cluster(state: Path) -> Iterator[Cluster]:
    """Give a cluster's name, and remove all that was made under it, by either door."""
    cluster = Cluster(f"t{os.getpid()}-{next(_NUMBERS)}", state)
    try:
        yield cluster
    finally:
        found = local_nodes.observe(cluster.name)
        parts = [*found.machines, *([found.network] if found.network else [])]
        for door in {part.door for part in parts}:
            local_nodes.down(cluster.name, door, state)


@contextmanager
def docker_client() -> Iterator[docker.DockerClient]:
    """Open a connection to the Docker engine."""
    with docker_engine.connect() as client:
        yield client


def labelled(cluster: Cluster) -> tuple[int, int]:
    """Return how many containers and networks carry the cluster's label."""
    filters = {"label": f"tandem.cluster={cluster.name}"}
    with docker_client() as client:
        containers = client.containers.list(all=True, filters=filters, ignore_removed=True)
        return len(containers), len(client.networks.list(filters=filters))


def ssh(node: Node, key: Path, command: str, *, user: str = "tandem") -> str:
    """Run a command on a machine, with its pinned host key alone, and return its output."""
    with paramiko.SSHClient() as client:
        kind, value = node.host_key.split()
        plain = node.ssh_port == 22
        name = node.ssh_host if plain else f"[{node.ssh_host}]:{node.ssh_port}"
        pinned = paramiko.PKey.from_type_string(kind, base64.b64decode(value))
        client.get_host_keys().add(name, kind, pinned)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(
            node.ssh_host,
            node.ssh_port,
            username=user,
            pkey=paramiko.Ed25519Key.from_private_key_file(str(key)),
            timeout=20,
            banner_timeout=20,
            auth_timeout=20,
            allow_agent=False,
            look_for_keys=False,
        )
        _, out, _ = client.exec_command(command, timeout=60)
        return out.read().decode().strip()
