"""The networks of containers that are subnets of a cloud: one bridge each, known by a label."""

import contextlib
from typing import Any

import docker.errors
import docker.types

NAME = "com.docker.network.bridge.name"


def make(
    client: Any, name: str, bridge: str, cidr: str, label: dict[str, str], gateway: str = ""
) -> Any:
    """Make the network of a subnet; this computer has its gateway's address."""
    pool = docker.types.IPAMPool(subnet=cidr, gateway=gateway or None)
    made = client.networks.create(
        name,
        driver="bridge",
        ipam=docker.types.IPAMConfig(pool_configs=[pool]),
        options={NAME: bridge},
        labels=label,
    )
    made.reload()
    return made


def remove(network: Any) -> None:
    """Remove a network, if it is there."""
    with contextlib.suppress(docker.errors.NotFound):
        network.reload()
        # An outsider that a test put there goes with it.
        for one in network.attrs["Containers"]:
            with contextlib.suppress(docker.errors.APIError):
                network.disconnect(one, force=True)
        network.remove()
