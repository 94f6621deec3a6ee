"""Clusters on the test bed whose servers are containers, and what tests ask of those."""

import contextlib
import dataclasses
import ipaddress
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker

from contracts.errors import TandemError
from contracts.inventory import Node
from provision.connection import connect
from tests.command_line import Answered, fab
from tests.doubles.openstack.machine_labels import SERVER
from tests.doubles.openstack.places import BAKED, REGION, usual
from tests.integration.openstack_clusters import OpenStackCluster, new_cluster


@dataclasses.dataclass
class MachineCluster(OpenStackCluster):
    """A cluster of containers; the operator is outside of its network, on this computer."""

    @property
    def settings(self) -> dict[str, object]:
        """The configuration of a small cluster of two, with what boots at once."""
        network = f"10.{160 + os.getpid() % 40}.{self.number}.0/24"
        # This computer comes to machines through their router, so they see that one.
        router = ipaddress.ip_network(network)[1]
        return {
            **super().settings,
            "worker-flavors": "ssc.small",
            "image": BAKED,
            "network": network,
            "operator-cidrs": f"{router}/32",
            "s3-endpoint": usual().url("object-store"),
            "s3-region": REGION,
            "purge-bucket": "true",
        }

    def fab(self, verb: str, *arguments: str, timeout: float = 600) -> Answered:
        """Run a verb as this cluster's operator."""
        return fab(verb, *arguments, timeout=timeout, **self._environment)

    @property
    def _environment(self) -> dict[str, Any]:
        ours = {key: value for key, value in self.variables.items() if key != "TANDEM_STATE"}
        return {"state": self.state, **ours}

    def status(self, server: str) -> str:
        """Return nova's word for a server; nothing for one that is gone."""
        found = self.link.compute.find_server(server)
        return "" if found is None else str(found.status)


@contextlib.contextmanager
def machine_cluster(folder: Path, clouds: Path) -> Iterator[MachineCluster]:
    """Give a cluster of its own in the member's project for the block."""
    with new_cluster(folder, clouds) as plain:
        yield MachineCluster(**vars(plain))


def container_of(client: docker.DockerClient, server: str) -> Any:
    """Return the container behind a server."""
    (found,) = client.containers.list(all=True, filters={"label": f"{SERVER}={server}"})
    return found


def log_in(cluster: MachineCluster, node: Node) -> None:
    """Log in with the pinned host key, through the head where the inventory says so."""
    connect(cluster.inventory(), node.name, timeout=5.0).close()


def await_ssh(cluster: MachineCluster, node: Node) -> None:
    """Wait until a machine lets its operator in."""

    def lets_in() -> bool:
        with contextlib.suppress(TandemError):
            log_in(cluster, node)
            return True
        return False

    wait_until(lets_in, f"{node.name} to let its operator in")


def answers(address: str, port: int, seconds: float = 2.0) -> bool:
    """Say whether something answers on a port, seen from this computer."""
    with contextlib.suppress(OSError):
        socket.create_connection((address, port), timeout=seconds).close()
        return True
    return False


def wait_until(true: Callable[[], Any], what: str, seconds: float = 120.0) -> None:
    """Wait until something is true, and fail after so long."""
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(0.3)
