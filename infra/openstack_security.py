"""Who may reach the machines of a cluster on OpenStack: its members, the operator over SSH."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_openstack as openstack

from contracts import ports
from contracts.ports import Audience, Port
from infra.openstack_frame import Frame


@dataclass(frozen=True)
class OpenStackSecurity:
    """The one security group, and its rules, each a resource of its own."""

    group_id: pulumi.Output[str]
    rules: Sequence[pulumi.Resource]


def declare_security(frame: Frame, operator_cidrs: Sequence[str]) -> OpenStackSecurity:
    """Declare the group: what the table of ports says, and nothing else."""
    group = openstack.networking.SecGroup(
        "members",
        name=frame.marked_name("members"),
        description=f"Machines of the Tandem cluster {frame.settings.cluster_id}",
        # Those that neutron makes by itself differ between sites; ours stand below.
        delete_default_rules=True,
        tags=frame.tags(),
        opts=frame.options(),
    )
    rules = [
        _inward(frame, f"members-{port.name}", group.id, port, remote_group_id=group.id)
        for port in ports.open_to(Audience.MEMBERS)
    ]
    rules += [
        _inward(frame, f"operator-{port.name}-{place}", group.id, port, remote_ip_prefix=cidr)
        for port in ports.open_to(Audience.OPERATOR)
        for place, cidr in enumerate(operator_cidrs, start=1)
    ]
    rules.append(
        openstack.networking.SecGroupRule(
            "outward",
            security_group_id=group.id,
            direction="egress",
            ethertype="IPv4",
            description="packages, objects, each other",
            opts=frame.options(),
        )
    )
    return OpenStackSecurity(group.id, rules)


def let_the_head_in(
    frame: Frame, security: OpenStackSecurity, head_ip: pulumi.Input[str]
) -> list[pulumi.Resource]:
    """Declare that SSH is open from the head, through which the operator reaches workers."""
    own = pulumi.Output.from_input(head_ip).apply(lambda address: f"{address}/32")
    return [
        _inward(
            frame,
            f"head-{port.name}",
            security.group_id,
            dataclasses.replace(port, purpose="the operator to workers, through the head"),
            remote_ip_prefix=own,
        )
        for port in ports.open_to(Audience.OPERATOR)
    ]


def _inward(
    frame: Frame, name: str, group_id: pulumi.Output[str], port: Port, **whom: Any
) -> pulumi.Resource:
    rule: pulumi.Resource = openstack.networking.SecGroupRule(
        name,
        security_group_id=group_id,
        direction="ingress",
        ethertype="IPv4",
        protocol="tcp",
        port_range_min=port.first,
        port_range_max=port.last,
        description=port.purpose,
        opts=frame.options(),
        **whom,
    )
    return rule
