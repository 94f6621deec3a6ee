"""Whether a cloud would let a cluster be made: asked before anything costs.

Nothing here changes anything. `link` is a connection of the SDK.
"""

from collections.abc import Iterator
from typing import Any

from openstack import exceptions

from contracts import ports
from contracts.errors import InvalidDocument
from contracts.ports import Audience
from infra import openstack_own
from infra.findings import Finding
from infra.openstack_choice import Choice, choose
from infra.openstack_settings import OpenStackSettings
from infra.openstack_site import GIB, MIB, Site

_NO_LIMIT = -1
_ASK = "ask for fewer or smaller machines, or the site for a larger quota"


def login(link: Any) -> Iterator[Finding]:
    """Yield as whom we are logged in, and until when."""
    link.session.get_token()
    access = link.session.auth.get_access(link.session)
    words = f"{access.username} in project {access.project_name}"
    yield Finding("login", "ok", f"{words}, until {access.expires:%Y-%m-%d %H:%M} UTC")


def offers(settings: OpenStackSettings, site: Site) -> tuple[Choice | None, list[Finding]]:
    """Return what the machines would be made of, and what is named that the cloud has not."""
    try:
        choice = choose(settings, site)
    except InvalidDocument as error:
        return None, [
            Finding(
                problem.partition(":")[0],
                "bad",
                problem.partition(": ")[2],
                f"pulumi config set {problem.partition(':')[0]} to what there is",
            )
            for problem in error.problems
        ]
    found = [
        Finding("flavors", "ok", ", ".join(_shape(one) for one in choice.flavors.values())),
        Finding("image", "ok", choice.image.name),
        _user(settings, choice),
    ]
    return choice, found


def compute_quota(link: Any, settings: OpenStackSettings, choice: Choice) -> Iterator[Finding]:
    """Yield whether there is room for machines, CPUs and memory.

    The cluster's own machines that are there are wanted, and do not count as in use.
    """
    flavors = [choice.flavors[one.flavor] for one in settings.machines]
    known = link.compute.get_limits().absolute
    own = openstack_own.machines(link, settings.cluster_id, choice.site)
    memory, ours = (sum(one.memory_bytes for one in each) // MIB for each in (flavors, own))
    used = known.instances_used - len(own)
    yield room("instances", len(flavors), used, known.instances)
    used = known.total_cores_used - sum(one.cpus for one in own)
    yield room("CPUs", sum(one.cpus for one in flavors), used, known.total_cores)
    yield room("MiB of memory", memory, known.total_ram_used - ours, known.total_ram)


def network_quota(link: Any, settings: OpenStackSettings, choice: Choice) -> Iterator[Finding]:
    """Yield whether there is room for addresses, networks, routers, ports and rules.

    What the cluster has already is looked for only where there seems to be too little room.
    """
    try:
        known = link.network.get_quota(link.current_project_id, details=True)
    except exceptions.HttpException:
        yield Finding("network quota", "note", "the cloud does not tell it")
        return
    own = choice.given is None
    rules = len(ports.open_to(Audience.MEMBERS)) + len(settings.operator_cidrs or "1") + 2
    wanted = {
        "floating_ips": int(settings.floating_ip),
        "networks": int(own),
        "subnets": int(own),
        "routers": int(own),
        # The router has one, and DHCP up to two.
        "ports": len(settings.machines) + 3 * own,
        "security_groups": 1,
        "security_group_rules": rules,
    }
    for name, count in wanted.items():
        told = getattr(known, name, None)
        if count and isinstance(told, dict):
            used = int(told.get("used", 0)) + int(told.get("reserved", 0))
            most = int(told.get("limit", _NO_LIMIT))
            if most != _NO_LIMIT and used + count > most:
                used -= openstack_own.of_network(link, settings.cluster_id, name)
            yield room(name.replace("_", " "), count, used, most)


def volume_quota(link: Any, settings: OpenStackSettings) -> Iterator[Finding]:
    """Yield whether there is room for the volumes that machines boot from."""
    if settings.volume_gib is None:
        return
    if not link.has_service("block-storage"):
        fix = "pulumi config set volume-gib 0, with flavors that have a disk"
        yield Finding("volumes", "bad", "the cloud has no volumes", fix)
        return
    known, count = link.block_storage.get_limits().absolute, len(settings.machines)
    size = count * settings.volume_gib
    yield room("volumes", count, known.total_volumes_used, known.max_total_volumes)
    yield room(
        "GiB of volumes", size, known.total_gigabytes_used, known.max_total_volume_gigabytes
    )


def outside(link: Any, settings: OpenStackSettings, choice: Choice) -> Iterator[Finding]:
    """Yield whether there is a way from the floating address to the head's network."""
    if choice.external is None:
        words = "machines are reached by their own addresses; this computer must be near them"
        yield Finding("network", "note", words)
    elif choice.given is None:
        yield Finding(
            "network", "ok", f"one of its own, and a router to {choice.external.name}"
        )
    else:
        joined = {
            port.device_id
            for port in link.network.ports(network_id=choice.given.id)
            if port.device_owner.startswith("network:router_interface")
        }
        gateways = [
            one.name or one.id
            for one in link.network.routers()
            if one.id in joined
            and (one.external_gateway_info or {}).get("network_id") == choice.external.id
        ]
        names = f"{choice.given.name} and {choice.external.name}"
        if gateways:
            yield Finding("network", "ok", f"{gateways[0]} routes between {names}")
        else:
            fix = "take another network, or leave given-network out: one is made with a router"
            yield Finding("network", "bad", f"no router joins {names}", fix)


def container(link: Any, settings: OpenStackSettings) -> Iterator[Finding]:
    """Yield whether a container that is given is there."""
    if settings.bucket is None or not link.has_service("object-store"):
        return
    try:
        link.object_store.get_container_metadata(settings.bucket)
    except exceptions.NotFoundException:
        words = f"there is no container {settings.bucket}"
        fix = f"openstack container create {settings.bucket}, or leave bucket out: one is made"
        yield Finding("bucket", "bad", words, fix)
    else:
        yield Finding("bucket", "ok", settings.bucket)


def ending(link: Any, settings: OpenStackSettings) -> Iterator[Finding]:
    """Yield whether the head can be given what deletes the machines when their time is up."""
    if settings.ends == "stop":
        words = "machines are only switched off when their time is up, and cost on"
        yield Finding("ends", "note", words, "pulumi config set ends delete")
        return
    auth = link.config.get_auth_args()
    own = auth.get("application_credential_id")
    if own is None:
        yield Finding("ends", "ok", "the head deletes the machines when their time is up")
        return
    try:
        found = link.identity.get_application_credential(link.current_user_id, own)
        free = bool(found.unrestricted)
    except exceptions.HttpException:
        free = False
    if free:
        yield Finding("ends", "ok", "the head deletes the machines when their time is up")
    else:
        yield Finding(
            "ends",
            "bad",
            "this application credential may not make another, which the head would need to "
            "delete the machines",
            "openstack application credential create --unrestricted, or log in with a "
            "password, or pulumi config set ends stop",
        )


def room(what: str, wanted: int, used: int | None, most: int | None) -> Finding:
    """Return whether a quota has room for what is wanted."""
    if most is None or most == _NO_LIMIT:
        return Finding(f"quota {what}", "ok", f"{wanted} wanted, no limit")
    words = f"{wanted} wanted, {used or 0} in use, {most} allowed"
    if (used or 0) + wanted <= most:
        return Finding(f"quota {what}", "ok", words)
    return Finding(f"quota {what}", "bad", words, _ASK)


def _shape(flavor: Any) -> str:
    return f"{flavor.name} ({flavor.cpus} CPUs, {flavor.memory_bytes / GIB:.0f} GiB)"


def _user(settings: OpenStackSettings, choice: Choice) -> Finding:
    told = choice.image.user
    if not told:
        return Finding("ssh-user", "ok", f"{settings.ssh_user}; the image does not name one")
    if told == settings.ssh_user:
        return Finding("ssh-user", "ok", told)
    return Finding(
        "ssh-user",
        "bad",
        f"the image's login user is {told}, and ssh-user says {settings.ssh_user}",
        f"pulumi config set ssh-user {told}",
    )
