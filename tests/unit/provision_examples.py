"""Inventories, facts and wishes for the tests of provision."""

import base64
import dataclasses

from contracts.inventory import Inventory, Node
from provision.facts import Environment, Facts, Recorded
from provision.plan import Wanted

GIB = 1024**3
_BLOB = len(b"ssh-ed25519").to_bytes(4, "big") + b"ssh-ed25519" + bytes(36)
HOST_KEY = f"ssh-ed25519 {base64.b64encode(_BLOB).decode()}"


def node(index: int = 0, **changes) -> Node:
    """Return the head (0) or a worker."""
    made = Node(
        name=f"worker-{index}" if index else "head",
        role="worker" if index else "head",
        private_ip=f"10.0.0.{10 + index}",
        ssh_host="127.0.0.1",
        ssh_port=2200 + index,
        host_key=HOST_KEY,
        instance_id=f"i-{index}",
        cpus=0.6,
        memory_bytes=3 * GIB,
    )
    return dataclasses.replace(made, **changes)


def inventory(count: int = 3, **changes) -> Inventory:
    """Return an inventory of so many machines."""
    made = Inventory(
        cluster_id="example",
        generation=2,
        provider="own",
        region="here",
        created_at="2026-01-01T00:00:00+00:00",
        ssh_user="tandem",
        ssh_key_path="/keys/id",
        nodes=tuple(node(index) for index in range(count)),
    )
    return dataclasses.replace(made, **changes)


def facts(name: str = "head", **changes) -> Facts:
    """Return what a node in good order says of itself."""
    made = Facts(
        node=name,
        home="/home/tandem/.tandem",
        python="3.11.2",
        system="Linux",
        machine="x86_64",
        release="6.1",
        skew=0.0,
        owns_address=True,
        disk_free=50 * GIB,
        temporary_free=50 * GIB,
        shared_memory=GIB,
        memory_bytes=3 * GIB,
        environments=(),
        can_write_system=False,
        uv=None,
        code=True,
        credentials={"ray_token": "t"},
        records={"monitor": Recorded("m", True, 1)},
        listening=frozenset({22}),
    )
    return dataclasses.replace(made, **changes)


def environment(packages, **changes) -> Environment:
    """Return an environment with these packages."""
    made = Environment("/opt/tandem/env/x", "3.11.2", packages, {}, True)
    return dataclasses.replace(made, **changes)


def wanted(engine: str | None = "ray", spec: str = "s") -> Wanted:
    """Return what a node is to have."""
    credentials = {"ray_token": "t"} if engine == "ray" else {}
    return Wanted(engine, spec, "m", credentials)


def running(engine: str, spec: str = "s", *, complete: bool = True, members: int = 3):
    """Return the records of a node on which an engine runs."""
    return {
        "monitor": Recorded("m", True, 1),
        engine: Recorded(spec, complete, members),
    }
