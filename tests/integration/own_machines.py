"""Machines that Tandem did not make: Debian with sshd and python3, its own user and keys.

The first has the environment already, in a place where its user may not write; the others
have none, and no uv either.
"""

import contextlib
import io
import json
import os
import socket
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from infra import docker_engine, node_image, ssh_keys
from infra.local_nodes import LOCK
from tests.inside import run_inside

USER = "ada"
LABEL = "tandem.test-own-machines"
SSHD = """\
Port 22
HostKey /etc/ssh/own/host_key
AuthorizedKeysFile /etc/ssh/own/authorized_keys
PasswordAuthentication no
UsePAM no
UseDNS no
Subsystem sftp /usr/lib/openssh/sftp-server
"""
BARE = "rm -rf /opt/tandem /usr/local/bin/uv"
START = f"""\
userdel -r tandem 2>/dev/null
useradd --create-home --shell /bin/bash --password '*' {USER}
install -d -o {USER} -m 700 /home/{USER}/.ssh
chmod 600 /etc/ssh/own/host_key
exec /usr/sbin/sshd -D -e -f /etc/ssh/own/sshd_config
"""


@dataclass(frozen=True)
class OwnMachine:
    """One machine: its container, its address in the network, its SSH port, its host key."""

    container: docker.models.containers.Container
    address: str
    port: int
    host_key: str

    def run(self, *words: str, user: str = USER, **environment: str) -> tuple[int, str]:
        """Run a program in the machine, not over SSH; return exit code and output."""
        home = {"HOME": f"/home/{user}"}
        done = run_inside(self.container, *words, user=user, **home, **environment)
        return done.exit_code, done.output

    def put(self, path: str, content: bytes, mode: int, owner: int = 0) -> None:
        """Write a file into the machine."""
        put(self.container, path, content, mode, owner)


def put(container, path: str, content: bytes, mode: int, owner: int = 0) -> None:
    """Write a file into a container."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, owner, owner
        archive.addfile(entry, io.BytesIO(content))
    container.put_archive("/", packed.getvalue())


@contextmanager
def own_machines(count: int, key: ssh_keys.KeyPair) -> Iterator[list[OwnMachine]]:
    """Make so many machines in a network of their own, and remove them at the end."""
    name = f"own-{os.getpid()}"
    root = Path(LOCK).parent
    mounts = {
        str(root): {"bind": str(root), "mode": "ro"},
        str(Path(sys.prefix)): {"bind": "/operator", "mode": "ro"},
    }
    with docker_engine.connect() as client:
        network = client.networks.create(name, driver="bridge", labels={LABEL: name})
        made = []
        try:
            for index in range(count):
                container = client.containers.create(
                    node_image.wanted_tag(LOCK),
                    ["sh", "-c", START if index == 0 else f"{BARE}\n{START}"],
                    hostname=f"own{index}",
                    labels={LABEL: name},
                    network=network.name,
                    ports={"22/tcp": ("127.0.0.1", None)},
                    nano_cpus=int(0.9e9),
                    mem_limit="3g",
                    shm_size="1g",
                    init=True,
                    volumes=mounts if index == 0 else {},
                )
                made.append(container)
                host = ssh_keys.make_key()
                put(container, "/etc/ssh/own/host_key", host.private, 0o600)
                put(container, "/etc/ssh/own/sshd_config", SSHD.encode(), 0o644)
                public = f"{key.public}\n".encode()
                put(container, "/etc/ssh/own/authorized_keys", public, 0o644)
                container.start()
                made[-1] = _machine(container, network.name, host.public)
            for one in made:
                _await_sshd(one)
            yield made
        finally:
            for one in made:
                (one.container if isinstance(one, OwnMachine) else one).remove(
                    force=True, v=True
                )
            network.remove()


def _machine(container, network: str, public: str) -> OwnMachine:
    container.reload()
    settings = container.attrs["NetworkSettings"]
    return OwnMachine(
        container=container,
        address=settings["Networks"][network]["IPAddress"],
        port=int(settings["Ports"]["22/tcp"][0]["HostPort"]),
        host_key=" ".join(public.split()[:2]),
    )


def _await_sshd(machine: OwnMachine) -> None:
    """Wait until a machine's sshd greets; its user is there by then."""
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", machine.port), 2) as line,
        ):
            line.settimeout(2)
            if line.recv(4) == b"SSH-":
                return
        time.sleep(0.1)
    raise TimeoutError(machine.container.logs().decode(errors="replace"))


def inventory(machines: list[OwnMachine], key_path: str, *, inside: bool = False) -> str:
    """Return an inventory as a person would write it; `inside` as seen from the first."""
    nodes = [
        {
            "name": f"own-{index}",
            "role": "worker" if index else "head",
            "private_ip": one.address,
            "ssh_host": one.address if inside else "127.0.0.1",
            "ssh_port": 22 if inside else one.port,
            "host_key": one.host_key,
            "instance_id": one.container.short_id,
            "cpus": 0.9,
            "memory_bytes": 3 * 1024**3,
        }
        for index, one in enumerate(machines)
    ]
    document = {
        "schema": 1,
        "cluster_id": "mine",
        "generation": 1,
        "provider": "own",
        "region": "desk",
        "created_at": "2026-01-01T00:00:00+00:00",
        "ssh_user": USER,
        "ssh_key_path": key_path,
        "nodes": nodes,
    }
    return json.dumps(document)
