"""Containers that serve as machines, as the Docker engine is asked for them."""

import io
import socket
import tarfile
import time
from typing import Any

import docker
import docker.errors
import docker.types

from contracts.errors import DeadlineError, TandemError
from infra.docker_engine import refusal
from infra.local_network import cluster_labels
from infra.local_observed import CPU_PERIOD, HOST_KEY, NODE, USER_KEY
from infra.local_observed import machine as observed
from infra.local_plan import Network, address_of
from infra.settings import LocalSettings
from infra.ssh_keys import KeyPair, make_key

_KEY_FOLDER = "/etc/ssh/machine"
_SSH_SECONDS = 60.0
_REMOVAL_SECONDS = 60.0


def make_machine(
    client: docker.DockerClient,
    settings: LocalSettings,
    network: Network,
    name: str,
    image: str,
    user_key: str,
) -> str:
    """Make one machine, give it its keys, start it, and return its container's id.

    `user_key` is the operator's public key. The private host key goes into the container
    and nowhere else. The keys go in before the first start, so a container that is merely
    `created` was left by a crash and is made anew.

    Raises
    ------
    TandemError
        If the engine refuses; the half-made container is removed again.
    """
    host_key = make_key()
    try:
        made = _create(client, settings, network, name, image, host_key.public, user_key)
    except docker.errors.APIError as error:
        raise refusal(f"Machine {name} could not be made", error) from error
    try:
        client.api.put_archive(made, _KEY_FOLDER, _key_files(host_key, user_key))
        client.api.start(made)
        wait_for_ssh(client, made)
    except docker.errors.APIError as error:
        remove_machine(client, made)
        raise refusal(f"Machine {name} could not be started", error) from error
    except BaseException:
        remove_machine(client, made)
        raise
    return made


def _create(
    client: docker.DockerClient,
    settings: LocalSettings,
    network: Network,
    name: str,
    image: str,
    host_key: str,
    user_key: str,
) -> str:
    api = client.api
    endpoint = api.create_endpoint_config(ipv4_address=address_of(network.subnet, name))
    labels = {NODE: name, HOST_KEY: host_key, USER_KEY: user_key}
    made: dict[str, str] = api.create_container(
        image,
        name=f"tandem-{settings.cluster_id}-{name}",
        hostname=name,
        labels={**cluster_labels(settings), **labels},
        host_config=api.create_host_config(**_limits(client, settings, network)),
        networking_config=api.create_networking_config({network.name: endpoint}),
    )
    return made["Id"]


def start(client: docker.DockerClient, container: str) -> None:
    """Start a stopped machine and wait for its sshd."""
    try:
        client.api.start(container)
        wait_for_ssh(client, container)
    except docker.errors.APIError as error:
        raise refusal(f"{container} could not be started", error) from error


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
            cpu_period=CPU_PERIOD,
            cpu_quota=_quota(settings),
            mem_limit=settings.memory_bytes,
            memswap_limit=settings.memory_bytes,
        )
    except docker.errors.APIError as error:
        raise refusal(f"The limits of {container} could not be changed", error) from error


def remove_machine(client: docker.DockerClient, container: str) -> None:
    """Remove a machine with its volumes, running or not; nothing if it is gone."""
    try:
        client.api.remove_container(container, force=True, v=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if "already in progress" not in str(error):
            raise refusal(f"{container} could not be removed", error) from error
        _wait_until_gone(client, container)


def _wait_until_gone(client: docker.DockerClient, container: str) -> None:
    """Wait for a removal that somebody else began: its network cannot go before it."""
    end = time.monotonic() + _REMOVAL_SECONDS
    while time.monotonic() < end:
        try:
            client.api.inspect_container(container)
        except docker.errors.NotFound:
            return
        time.sleep(0.1)
    raise DeadlineError(
        waited_for="its removal, which was already under way",
        whom=container,
        seconds=_REMOVAL_SECONDS,
        last_state="still there",
        next_step=f"docker rm --force {container}",
    )


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
        machine = observed(client.containers.get(container))
        if machine.state != "running":
            raise TandemError(
                f"{container} ended as soon as it was started.",
                cause=f"It is {machine.state}; its log ends: {_log_end(client, container)}",
                next_step=f"docker logs {container}",
            )
        if machine.ssh_port:
            last = _greeting(machine.ssh_port)
            if last.startswith("SSH-2.0"):
                return
        time.sleep(0.05)
    raise DeadlineError(
        waited_for="sshd to greet",
        whom=container,
        seconds=_SSH_SECONDS,
        last_state=f"{last}; log: {_log_end(client, container)}",
        next_step=f"docker logs {container}",
    )


def _log_end(client: docker.DockerClient, container: str) -> str:
    log = client.api.logs(container, tail=5).decode(errors="replace").strip()
    return log[-300:] or "empty"


def _greeting(port: int) -> str:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2.0) as connection:
            return connection.recv(64).decode(errors="replace").strip() or "no greeting"
    except OSError as error:
        return str(error)


def _limits(
    client: docker.DockerClient, settings: LocalSettings, network: Network
) -> dict[str, Any]:
    return {
        "network_mode": network.name,
        "port_bindings": {22: ("127.0.0.1", None)},
        "init": True,
        "cpu_period": CPU_PERIOD,
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
    return round(settings.cpus * CPU_PERIOD)


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
