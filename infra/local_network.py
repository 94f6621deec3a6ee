"""The bridge network of one cluster of local machines, and the labels of all its parts."""

import ipaddress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import docker.errors
import docker.types

from infra.docker_engine import refusal
from infra.local_plan import Network, free_subnet
from infra.settings import LocalSettings

CLUSTER, DOOR = "tandem.cluster", "tandem.door"
OWNER, CREATED = "tandem.state", "tandem.created"
_TRIES = 5


def network_name(cluster_id: str) -> str:
    """Return the name of a cluster's network."""
    return f"tandem-{cluster_id}"


def make_network(client: docker.DockerClient, settings: LocalSettings) -> Network:
    """Make the cluster's bridge network, on addresses that nothing else uses.

    Raises
    ------
    TandemError
        If the engine refuses; its words are the cause.
    """
    refused: set[str] = set()
    name = network_name(settings.cluster_id)
    while True:
        subnet = free_subnet({*_taken(client), *refused})
        pools = [docker.types.IPAMPool(subnet=subnet)]
        try:
            made = client.networks.create(
                name,
                driver="bridge",
                ipam=docker.types.IPAMConfig(pool_configs=pools),
                labels={**cluster_labels(settings), CREATED: datetime.now(UTC).isoformat()},
                check_duplicate=True,
            )
        except docker.errors.APIError as error:
            refused.add(subnet)
            # Another process may have taken the addresses since they were looked up.
            if "overlaps" in str(error) and len(refused) < _TRIES:
                continue
            raise refusal(f"The network {name} could not be made", error) from error
        made.reload()
        return parse_network(made)


def remove_network(client: docker.DockerClient, network: Network) -> None:
    """Remove a network; nothing if it is gone."""
    try:
        client.api.remove_network(network.network_id)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        raise refusal(f"The network {network.name} could not be removed", error) from error


def cluster_labels(settings: LocalSettings) -> dict[str, str]:
    """Return the labels by which all of a cluster is found, and its maker known."""
    return {
        CLUSTER: settings.cluster_id,
        DOOR: settings.door,
        OWNER: str(settings.state),
    }


def parse_network(network: Any) -> Network:
    """Return the engine's description of a network as ours."""
    labels = network.attrs["Labels"]
    return Network(
        name=network.name,
        network_id=network.id,
        subnet=network.attrs["IPAM"]["Config"][0]["Subnet"],
        door=labels.get(DOOR, ""),
        owner=labels.get(OWNER, ""),
        created_at=labels.get(CREATED, ""),
    )


def _taken(client: docker.DockerClient) -> set[str]:
    """Return the networks of the engine and the routes of this computer."""
    taken: set[str] = set()
    for network in client.networks.list():
        for pool in (network.attrs.get("IPAM") or {}).get("Config") or []:
            if pool.get("Subnet"):
                taken.add(pool["Subnet"])
    routes = Path("/proc/net/route")
    if routes.exists():
        for line in routes.read_text().splitlines()[1:]:
            fields = line.split()
            address, mask = (_from_kernel(fields[index]) for index in (1, 7))
            taken.add(f"{address}/{mask}")
    return taken


def _from_kernel(text: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int.from_bytes(bytes.fromhex(text), "little"))
