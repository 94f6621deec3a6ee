"""The network of a cluster on OpenStack: one subnet, and a router to the outside."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from infra.openstack_frame import Frame


@dataclass(frozen=True)
class OpenStackNetwork:
    """Where machines are put; `parts` are made for it, and its router joins nothing yet."""

    network_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    router_id: pulumi.Input[str] | None
    parts: Sequence[pulumi.Resource]


def declare_network(frame: Frame) -> OpenStackNetwork:
    """Declare the cluster's own network, or take the one that was given."""
    settings, choice = frame.settings, frame.choice
    if choice.given is not None and choice.given_subnet is not None:
        return OpenStackNetwork(choice.given.id, choice.given_subnet.id, None, ())
    network = openstack.networking.Network(
        "network",
        name=frame.marked_name("network"),
        admin_state_up=True,
        tags=frame.tags(),
        opts=frame.options(),
    )
    subnet = openstack.networking.Subnet(
        "subnet",
        name=frame.marked_name("subnet"),
        network_id=network.id,
        cidr=settings.network,
        ip_version=4,
        dns_nameservers=list(settings.nameservers),
        tags=frame.tags(),
        opts=frame.options(),
    )
    router = openstack.networking.Router(
        "router",
        name=frame.marked_name("router"),
        external_network_id=choice.external.id if choice.external else None,
        tags=frame.tags(),
        opts=frame.options(),
    )
    return OpenStackNetwork(network.id, subnet.id, router.id, (network, subnet, router))


def declare_way_out(
    frame: Frame, network: OpenStackNetwork, swept: pulumi.Resource
) -> Sequence[pulumi.Resource]:
    """Declare what joins network and router, which has to be there before a machine boots.

    `swept` is there before, and goes after it: an interface that Pulumi does not know of would
    keep the subnet from being deleted.
    """
    if network.router_id is None:
        return ()
    joined = openstack.networking.RouterInterface(
        "router-interface",
        router_id=network.router_id,
        subnet_id=network.subnet_id,
        opts=frame.options(depends_on=[swept]),
    )
    return (joined,)
