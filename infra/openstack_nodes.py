"""The machines of a cluster on OpenStack: their ports, the one address outside, themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_openstack as openstack

from contracts.limits import Limits
from infra import cloud_init
from infra.host_key import HostKey
from infra.openstack_frame import Frame
from infra.openstack_network import OpenStackNetwork
from infra.openstack_security import OpenStackSecurity, let_the_head_in
from infra.openstack_server import Server
from infra.openstack_settings import OpenStackMachine
from infra.openstack_strays import Sweep

_MINUTES = pulumi.CustomTimeouts(create="15m", update="15m", delete="10m")
# How the look-up of an image goes on being the same one, when a site renews it.
_NEWEST = "the newest Ubuntu 24.04"
CURRENCY = "coins"


@dataclass(frozen=True)
class OpenStackGround:
    """What is there before the machines: network, group, the operator's key."""

    network: OpenStackNetwork
    way_out: Sequence[pulumi.Resource]
    security: OpenStackSecurity
    key_name: pulumi.Output[str]
    last: pulumi.Resource

    @property
    def first(self) -> list[pulumi.Resource]:
        """What must be there before a machine boots, and must stay until it has gone."""
        return [*self.way_out, *self.security.rules, self.last]


@dataclass(frozen=True)
class OpenStackNode:
    """One machine as declared. `outside` is its address on the internet, if it has one."""

    machine: OpenStackMachine
    host_key: pulumi.Output[str]
    instance_id: pulumi.Output[str]
    private_ip: pulumi.Output[str]
    outside: pulumi.Output[str] | None


def declare_nodes(frame: Frame, ground: OpenStackGround) -> list[OpenStackNode]:
    """Declare every machine, the head first; workers are reached through it."""
    ports = [_port(frame, ground, machine) for machine in frame.settings.machines]
    head_ip = _address(ports[0])
    needs = list(ground.first)
    if len(ports) > 1:
        needs += let_the_head_in(frame, ground.security, head_ip)
    outside = _outside(frame, ground, ports[0])
    # Ports that a machine uses cannot be deleted, and of a machine Pulumi may not know.
    held = Sweep(
        "swept-servers",
        frame.settings,
        ("server",),
        frame.options(depends_on=ports),
        mark=frame.mark,
    )
    needs.append(held)
    return [
        _declare_node(frame, ground, needs, machine, port, None if place else outside)
        for place, (machine, port) in enumerate(
            zip(frame.settings.machines, ports, strict=True)
        )
    ]


def _port(
    frame: Frame, ground: OpenStackGround, machine: OpenStackMachine
) -> openstack.networking.Port:
    return openstack.networking.Port(
        f"{machine.name}-port",
        name=frame.marked_name(machine.name),
        network_id=ground.network.network_id,
        fixed_ips=[{"subnet_id": ground.network.subnet_id}],
        security_group_ids=[ground.security.group_id],
        admin_state_up=True,
        tags=frame.tags(),
        opts=frame.options(depends_on=[ground.last]),
    )


def _address(port: openstack.networking.Port) -> pulumi.Output[str]:
    found: pulumi.Output[list[str]] = port.all_fixed_ips
    return found.apply(lambda addresses: addresses[0])


def _outside(
    frame: Frame, ground: OpenStackGround, port: openstack.networking.Port
) -> pulumi.Output[str] | None:
    """Declare the head's floating address: the only one that the cluster takes."""
    external = frame.choice.external
    if external is None:
        return None
    # It is bound by itself: the plugin's resource for binding cannot be deleted when the
    # address was, behind Pulumi's back.
    made = openstack.networking.FloatingIp(
        "head-address",
        pool=external.name,
        port_id=port.id,
        description=frame.marked_name("head"),
        tags=frame.tags(),
        # Without a router between address and port there is nothing to bind it to.
        opts=frame.options(depends_on=ground.first),
    )
    address: pulumi.Output[str] = made.address
    return address


def _declare_node(
    frame: Frame,
    ground: OpenStackGround,
    needs: Sequence[pulumi.Resource],
    machine: OpenStackMachine,
    port: openstack.networking.Port,
    outside: pulumi.Output[str] | None,
) -> OpenStackNode:
    settings, choice = frame.settings, frame.choice
    host_key = HostKey(f"{machine.name}-first-host-key", frame.options())
    limits = Limits(
        ttl_seconds=round(settings.ttl_hours * 3600),
        idle_seconds=round(settings.idle_minutes * 60),
    )
    pair = pulumi.Output.all(host_key.private, host_key.public)
    text: pulumi.Output[str] = pair.apply(
        lambda keys: cloud_init.user_data(*keys, limits=limits)
    )
    flavor = choice.flavors[machine.flavor]
    wanted: dict[str, Any] = {
        "name": frame.name(machine.name),
        "image": choice.image.id,
        "image_name": settings.image or _NEWEST,
        "flavor": flavor.id,
        "flavor_name": flavor.name,
        "key_name": ground.key_name,
        "port": port.id,
        "user_data": pulumi.Output.secret(text),
        "metadata": frame.metadata(node=machine.name),
        "project": choice.site.project,
        "site_region": choice.site.region,
    }
    options = frame.options(depends_on=needs, custom_timeouts=_MINUTES)
    made = Server(machine.name, settings, wanted, options)
    return OpenStackNode(machine, host_key.public, made.id, _address(port), outside)


def document(frame: Frame, node: OpenStackNode, head: str) -> dict[str, Any]:
    """Return a node as an inventory has it; what is not known yet is None or an output."""
    flavor = frame.choice.flavors[node.machine.flavor]
    price = frame.settings.coins.get(flavor.name)
    is_head = node.machine.role == "head"
    return {
        "name": node.machine.name,
        "role": node.machine.role,
        "private_ip": node.private_ip,
        "public_ip": node.outside,
        "ssh_host": node.private_ip if node.outside is None else node.outside,
        "ssh_port": 22,
        "jump": None if is_head else head,
        "host_key": node.host_key,
        "temporary_host_key": node.host_key,
        "instance_id": node.instance_id,
        "instance_type": flavor.name,
        "cpus": flavor.cpus,
        "memory_bytes": flavor.memory_bytes,
        "gpus": flavor.gpus,
        "hourly_price": price,
        "currency": None if price is None else CURRENCY,
    }
