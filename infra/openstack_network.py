"""The network of a cluster on OpenStack: one subnet, and a router to the outside."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_openstack as openstack

from infra.openstack_frame import Frame


@dataclass(frozen=True)
class OpenStackNetwork:
    """Where machines are put. `way_out` has to be there before a machine boots."""

    network_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    way_out: Sequence[pulumi.Resource]


def declare_network(frame: Frame) -> OpenStackNetwork:
    """Declare the cluster's own network, or take the one that was given."""
    settings, choice = frame.settings, frame.choice
    if choice.given is not None and choice.given_subnet is not None:
        return OpenStackNetwork(choice.given.id, choice.given_subnet.id, ())
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
    joined = openstack.networking.RouterInterface(
        "router-interface", router_id=router.id, subnet_id=subnet.id, opts=frame.options()
    )
    return OpenStackNetwork(network.id, subnet.id, (joined,))
