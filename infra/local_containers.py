"""What is asked of the Docker engine for local machines; every object carries our labels."""

import io
import ipaddress
import socket
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import docker.errors
import docker.types

from contracts.errors import DeadlineError, TandemError
from infra.local_plan import Machine, Network, Observed, address_of, free_subnet
from infra.settings import LocalSettings
from infra.ssh_keys import KeyPair, make_key

CLUSTER, DOOR, NODE = "tandem.cluster", "tandem.door", "tandem.node"
OWNER, CREATED = "tandem.state", "tandem.created"
HOST_KEY, USER_KEY = "tandem.host-key", "tandem.user-key"
_CPU_PERIOD = 100_000
_KEY_FOLDER = "/etc/ssh/machine"
_SSH_SECONDS = 60.0
_NETWORK_TRIES = 5


def container_name(cluster_id: str, node: str) -> str:
    """Return the name of a machine's container."""
    return f"tandem-{cluster_id}-{node}"


def observe(client: docker.DockerClient, cluster_id: str) -> Observed:
    """Return all containers and the network that carry the cluster's label."""
    filters = {"label": f"{CLUSTER}={cluster_id}"}
    networks = client.networks.list(filters=filters)
    containers = client.containers.list(all=True, filters=filters, ignore_removed=True)
    machines = sorted((_machine(one) for one in containers), key=_order)
    return Observed(tuple(machines), _network(networks[0]) if networks else None)


def make_network(client: docker.DockerClient, settings: LocalSettings) -> Network:
    """Make the cluster's bridge network, on addresses that nothing else uses.

    Raises
    ------
    TandemError
        If the engine refuses; its words are the cause.
    """
    refused: set[str] = set()
    name = f"tandem-{settings.cluster_id}"
    while True:
        subnet = free_subnet({*_taken(client), *refused})
        pools = [docker.types.IPAMPool(subnet=subnet)]
        try:
            made = client.networks.create(
                name,
                driver="bridge",
                ipam=docker.types.IPAMConfig(pool_configs=pools),
                labels={**_labels(settings), CREATED: datetime.now(UTC).isoformat()},
                check_duplicate=True,
            )
        except docker.errors.APIError as error:
            refused.add(subnet)
            # Another process may have taken the addresses since they were looked up.
            if "overlaps" in str(error) and len(refused) < _NETWORK_TRIES:
                continue
            raise _refusal(f"The network {name} could not be made", error) from error
        made.reload()
        return _network(made)


def make_machine(
    client: docker.DockerClient,
    settings: LocalSettings,
    network: Network,
    name: str,
    image: str,
    user_key: str,
) -> None:
    """Make one machine, give it its keys, and start it.

    `user_key` is the operator's public key. The private host key goes into the container
    and nowhere else.

    The keys go in before the first start, so a container that is merely `created` was left
    by a crash and is made anew.
    """
    api = client.api
    host_key = make_key()
    endpoint = api.create_endpoint_config(ipv4_address=address_of(network.subnet, name))
    try:
        made = api.create_container(
            image,
            name=container_name(settings.cluster_id, name),
            hostname=name,
            labels={
                **_labels(settings),
                NODE: name,
                HOST_KEY: host_key.public,
                USER_KEY: user_key,
            },
            host_config=api.create_host_config(**_limits(client, settings, network)),
            networking_config=api.create_networking_config({network.name: endpoint}),
        )
        api.put_archive(made["Id"], _KEY_FOLDER, _key_files(host_key, user_key))
        api.start(made["Id"])
    except docker.errors.APIError as error:
        raise _refusal(f"Machine {name} could not be made", error) from error


def start(client: docker.DockerClient, container: str) -> None:
    """Start a stopped machine."""
    try:
        client.api.start(container)
    except docker.errors.APIError as error:
        raise _refusal(f"{container} could not be started", error) from error


def resume(client: docker.DockerClient, container: str) -> None:
    """Let a paused machine go on."""
    client.api.unpause(container)


def resize(client: docker.DockerClient, container: str, settings: LocalSettings) -> None:
    """Change the limits of a machine in place.

    Raises
    ------
    TandemError
        If the engine refuses, as when more memory is in use than the new limit.
    """
    try:
        client.api.update_container(
            container,
            cpu_period=_CPU_PERIOD,
            cpu_quota=_quota(settings),
            mem_limit=settings.memory_bytes,
            memswap_limit=settings.memory_bytes,
        )
    except docker.errors.APIError as error:
        raise _refusal(f"The limits of {container} could not be changed", error) from error


def remove_machine(client: docker.DockerClient, container: str) -> None:
    """Remove a machine with its volumes, running or not; nothing if it is gone."""
    try:
        client.api.remove_container(container, force=True, v=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if "already in progress" not in str(error):
            raise _refusal(f"{container} could not be removed", error) from error


def remove_network(client: docker.DockerClient, name: str) -> None:
    """Remove a network; nothing if it is gone."""
    try:
        client.api.remove_network(name)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        raise _refusal(f"The network {name} could not be removed", error) from error


def wait_for_ssh(client: docker.DockerClient, container: str) -> None:
    """Wait until the machine's sshd greets us.

    Docker's own proxy accepts connections before sshd does, so only a greeting counts.

    Raises
    ------
    DeadlineError
        If it does not in time; the message has the end of the machine's log.
    """
    end = time.monotonic() + _SSH_SECONDS
    last = "no port published"
    while time.monotonic() < end:
        machine = _machine(client.containers.get(container))
        if machine.state != "running":
            last = f"container {machine.state}"
            break
        if machine.ssh_port:
            last = _greeting(machine.ssh_port)
            if last.startswith("SSH-2.0"):
                return
        time.sleep(0.05)
    log = client.api.logs(container, tail=5).decode(errors="replace").strip()
    raise DeadlineError(
        waited_for="sshd to greet",
        whom=container,
        seconds=_SSH_SECONDS,
        last_state=f"{last}; log: {log[-300:] or 'empty'}",
        next_step=f"docker logs {container}",
    )


def _greeting(port: int) -> str:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2.0) as connection:
            return connection.recv(64).decode(errors="replace").strip() or "no greeting"
    except OSError as error:
        return str(error)


def _labels(settings: LocalSettings) -> dict[str, str]:
    return {
        CLUSTER: settings.cluster_id,
        DOOR: settings.door,
        OWNER: str(settings.state),
    }


def _limits(
    client: docker.DockerClient, settings: LocalSettings, network: Network
) -> dict[str, Any]:
    return {
        "network_mode": network.name,
        "port_bindings": {22: ("127.0.0.1", None)},
        "init": True,
        "cpu_period": _CPU_PERIOD,
        "cpu_quota": _quota(settings),
        "mem_limit": settings.memory_bytes,
        "memswap_limit": settings.memory_bytes,
        "pids_limit": 4096,
        # Shared memory counts against the memory limit, which may be raised later; its own
        # limit cannot, so it is no narrower than the host.
        "shm_size": client.info()["MemTotal"],
        "security_opt": ["no-new-privileges"],
        "log_config": docker.types.LogConfig(
            type="json-file", config={"max-size": "1m", "max-file": "1"}
        ),
    }


def _quota(settings: LocalSettings) -> int:
    return round(settings.cpus * _CPU_PERIOD)


def _key_files(host_key: KeyPair, user_key: str) -> bytes:
    stream = io.BytesIO()
    files = (
        ("ssh_host_ed25519_key", host_key.private, 0o600),
        ("authorized_keys", f"{user_key}\n".encode(), 0o644),
    )
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content, mode in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, int(time.time())
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


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


def _machine(container: Any) -> Machine:
    attributes = container.attrs
    labels = attributes["Config"]["Labels"]
    host = attributes["HostConfig"]
    settings = attributes["NetworkSettings"]
    ports = (settings.get("Ports") or {}).get("22/tcp") or []
    network = (settings.get("Networks") or {}).get(f"tandem-{labels[CLUSTER]}") or {}
    period = host.get("CpuPeriod") or _CPU_PERIOD
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


def _network(network: Any) -> Network:
    labels = network.attrs["Labels"]
    return Network(
        name=network.name,
        subnet=network.attrs["IPAM"]["Config"][0]["Subnet"],
        door=labels.get(DOOR, ""),
        owner=labels.get(OWNER, ""),
        created_at=labels.get(CREATED, ""),
    )


def _order(machine: Machine) -> tuple[int, str]:
    number = machine.name.removeprefix("node-")
    return (int(number) if number.isdigit() else 0, machine.name)


def _refusal(what: str, error: docker.errors.APIError) -> TandemError:
    reason = str(error.explanation or error)
    if "no space left" in reason.lower():
        return TandemError(
            f"{what}: the disk is full.",
            cause=reason[:400],
            next_step="free some space (docker system prune), then run the same command again",
        )
    return TandemError(
        f"{what}.", cause=reason[:400], next_step="mend that, then run the same command again"
    )
