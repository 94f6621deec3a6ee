"""What the Docker engine has of a cluster of local machines, found by labels alone."""

from typing import Any

import docker

from infra.local_network import CLUSTER, DOOR, OWNER, network_name, parse_network
from infra.local_plan import Bucket, Machine, Observed

NODE, HOST_KEY, USER_KEY = "tandem.node", "tandem.host-key", "tandem.user-key"
BUCKET = "tandem.bucket"
CPU_PERIOD = 100_000


def observe(client: docker.DockerClient, cluster_id: str) -> Observed:
    """Return all containers and the network that carry the cluster's label.

    The one that has a bucket is no machine.
    """
    filters = {"label": f"{CLUSTER}={cluster_id}"}
    networks = client.networks.list(filters=filters)
    containers = client.containers.list(all=True, filters=filters, ignore_removed=True)
    stores = [one for one in containers if BUCKET in one.labels]
    others = (one for one in containers if BUCKET not in one.labels)
    machines = sorted((machine(one) for one in others), key=_order)
    return Observed(
        tuple(machines),
        parse_network(networks[0]) if networks else None,
        _store(stores[0]) if stores else None,
    )


def machine(container: Any) -> Machine:
    """Return a machine as the engine describes its container."""
    attributes = container.attrs
    labels = attributes["Config"]["Labels"]
    host = attributes["HostConfig"]
    settings = attributes["NetworkSettings"]
    ports = (settings.get("Ports") or {}).get("22/tcp") or []
    network = (settings.get("Networks") or {}).get(network_name(labels[CLUSTER])) or {}
    period = host.get("CpuPeriod") or CPU_PERIOD
    return Machine(
        name=labels.get(NODE, ""),
        container=container.name,
        instance_id=container.id,
        state=attributes["State"]["Status"],
        door=labels.get(DOOR, ""),
        owner=labels.get(OWNER, ""),
        image=attributes["Config"]["Image"],
        cpus=round((host.get("CpuQuota") or 0) / period, 3),
        memory_bytes=host.get("Memory") or 0,
        address=(network.get("IPAMConfig") or {}).get("IPv4Address", ""),
        ssh_port=int(ports[0]["HostPort"]) if ports else None,
        host_key=labels.get(HOST_KEY, ""),
        user_key=labels.get(USER_KEY, ""),
    )


def _store(container: Any) -> Bucket:
    labels = container.labels
    return Bucket(
        bucket=labels[BUCKET],
        container=container.name,
        instance_id=container.id,
        state=container.attrs["State"]["Status"],
        door=labels.get(DOOR, ""),
        owner=labels.get(OWNER, ""),
    )


def _order(machine: Machine) -> tuple[int, str]:
    number = machine.name.removeprefix("node-")
    return (int(number) if number.isdigit() else 0, machine.name)
