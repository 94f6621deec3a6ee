"""What has to be done so that the local machines are as wanted; decisions only, no I/O."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.errors import RefusedError, TandemError
from infra.settings import LocalSettings

# Private addresses that Docker's own default pools do not hand out.
_POOL = ipaddress.ip_network("10.201.0.0/16")
_FIRST_ADDRESS = 10
_STORE_ADDRESS = 5
_CPU_STEP = 0.005


@dataclass(frozen=True)
class Machine:
    """One container as the engine describes it.

    `state` is Docker's word for it. `host_key` and `user_key` are public keys, empty if the
    container carries none. `ssh_port` is on 127.0.0.1, None while it does not run.
    """

    name: str
    container: str
    instance_id: str
    state: str
    door: str
    owner: str
    image: str
    cpus: float
    memory_bytes: int
    address: str
    ssh_port: int | None
    host_key: str
    user_key: str


@dataclass(frozen=True)
class Bucket:
    """The container of a cluster's S3 server, and the bucket that it has."""

    bucket: str
    container: str
    instance_id: str
    state: str
    door: str
    owner: str


@dataclass(frozen=True)
class Network:
    """The network of one cluster, and when it was made."""

    name: str
    network_id: str
    subnet: str
    door: str
    owner: str
    created_at: str


@dataclass(frozen=True)
class Observed:
    """All that the engine has of one cluster."""

    machines: tuple[Machine, ...] = ()
    network: Network | None = None
    store: Bucket | None = None


@dataclass(frozen=True)
class Plan:
    """The difference between wanted and actual; every list holds names of machines.

    `replaced` says for each machine that is made anew why it cannot stay.
    """

    create: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    resize: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    replaced: dict[str, str] = field(default_factory=dict)
    network: bool = False

    @property
    def changes(self) -> bool:
        """Whether anything is to be done."""
        lists = (self.create, self.remove, self.resize, self.start, self.resume)
        return self.network or any(lists)


def machine_names(count: int) -> tuple[str, ...]:
    """Return the names of `count` machines, the head first."""
    return tuple(f"node-{number}" for number in range(1, count + 1))


def make_plan(
    settings: LocalSettings, observed: Observed, *, image: str, user_key: str
) -> Plan:
    """Return what to do. `user_key` is the operator's public key, empty if there is none."""
    wanted = machine_names(settings.nodes)
    there = {machine.name: machine for machine in observed.machines}
    remove = [name for name in there if name not in wanted]
    replaced: dict[str, str] = {}
    lists: dict[str, list[str]] = {"resize": [], "start": [], "resume": [], "keep": []}
    for name in wanted:
        if name not in there:
            continue
        reason = _cannot_stay(there[name], observed.network, image, user_key)
        if reason:
            replaced[name] = reason
            continue
        actions = _actions(there[name], settings)
        for action in actions or ["keep"]:
            lists[action].append(name)
    create = [name for name in wanted if name not in there or name in replaced]
    return Plan(
        create=tuple(create),
        remove=(*remove, *replaced),
        replaced=replaced,
        network=observed.network is None,
        **{action: tuple(names) for action, names in lists.items()},
    )


def check_owner(cluster_id: str, observed: Observed, *, door: str, owner: str) -> None:
    """Check that the cluster was made through this door and from this state folder.

    Raises
    ------
    RefusedError
        If not; the message says which command to use.
    """
    parts: list[Machine | Network] = [*observed.machines]
    if observed.network:
        parts.append(observed.network)
    doors = sorted({part.door for part in parts} - {door})
    if doors:
        commands = {
            "pulumi": "pulumi up --stack local, or pulumi destroy --stack local (after a "
            "crash: pulumi cancel, then pulumi up, which takes over what is there)",
            "fab": f"fab local.up --name {cluster_id}, or fab local.down --name {cluster_id}",
        }
        raise RefusedError(
            f"The machines of cluster {cluster_id} were made by {doors[0]}, not by {door}.",
            cause="Two owners would undo each other's changes.",
            next_step=commands.get(doors[0], f"use {doors[0]}"),
        )
    owners = sorted({part.owner for part in parts} - {owner})
    if owners:
        raise RefusedError(
            f"The machines of cluster {cluster_id} belong to the state folder {owners[0]}, "
            f"not to {owner}.",
            next_step=f"take another name, or TANDEM_STATE={owners[0]} fab local.down "
            f"--name {cluster_id}",
        )


def address_of(subnet: str, name: str) -> str:
    """Return the address of a machine: the same one each time it is made."""
    number = int(name.removeprefix("node-"))
    return str(ipaddress.ip_network(subnet)[_FIRST_ADDRESS + number])


def store_address(subnet: str) -> str:
    """Return the address of the cluster's S3 server, below those of the machines."""
    return str(ipaddress.ip_network(subnet)[_STORE_ADDRESS])


def free_subnet(taken: Iterable[str]) -> str:
    """Return a /24 that overlaps none of the given networks.

    Raises
    ------
    TandemError
        If all are taken.
    """
    others = [ipaddress.ip_network(one, strict=False) for one in taken]
    others = [one for one in others if one.version == 4 and one.prefixlen > 0]
    for subnet in _POOL.subnets(new_prefix=24):
        if not any(subnet.overlaps(other) for other in others):
            return str(subnet)
    raise TandemError(
        f"Every network in {_POOL} is taken.", next_step="docker network prune, then try again"
    )


def _cannot_stay(
    machine: Machine, network: Network | None, image: str, user_key: str
) -> str | None:
    if network is None:
        return "its network is gone"
    if machine.state not in ("running", "exited", "paused"):
        return f"it was left {machine.state}, half made"
    if not machine.host_key:
        return "it has no host key"
    if machine.user_key != user_key:
        return "it knows another operator's key"
    if machine.image != image:
        return "the node image changed"
    if machine.address != address_of(network.subnet, machine.name):
        return "it left its network"
    return None


def _actions(machine: Machine, settings: LocalSettings) -> list[str]:
    actions = []
    if machine.state == "exited":
        actions.append("start")
    if machine.state == "paused":
        actions.append("resume")
    same_cpus = abs(machine.cpus - settings.cpus) < _CPU_STEP
    if not same_cpus or machine.memory_bytes != settings.memory_bytes:
        actions.append("resize")
    return actions
