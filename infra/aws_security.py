"""Who may reach the machines of a cluster on EC2: its members, and the operator over SSH."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from contracts import ports
from contracts.ports import Audience
from infra.aws_frame import Frame
from infra.aws_network import AwsNetwork


@dataclass(frozen=True)
class AwsSecurity:
    """The one security group, and its rules, each a resource of its own."""

    group_id: pulumi.Output[str]
    rules: Sequence[pulumi.Resource]


def declare_security(
    frame: Frame, network: AwsNetwork, operator_cidrs: Sequence[str]
) -> AwsSecurity:
    """Declare the group: what the table of ports says, and nothing else."""
    group = aws.ec2.SecurityGroup(
        "members",
        name_prefix=frame.prefix,
        description=f"Machines of the Tandem cluster {frame.settings.cluster_id}",
        vpc_id=network.vpc_id,
        tags=frame.tags("members"),
        opts=frame.options(),
    )
    rules: list[pulumi.Resource] = [
        aws.vpc.SecurityGroupIngressRule(
            f"members-{port.name}",
            security_group_id=group.id,
            referenced_security_group_id=group.id,
            ip_protocol="tcp",
            from_port=port.first,
            to_port=port.last,
            description=port.purpose,
            tags=frame.tags(port.name),
            opts=frame.options(),
        )
        for port in ports.open_to(Audience.MEMBERS)
    ]
    rules += [
        aws.vpc.SecurityGroupIngressRule(
            f"operator-{port.name}-{place}",
            security_group_id=group.id,
            cidr_ipv4=cidr,
            ip_protocol="tcp",
            from_port=port.first,
            to_port=port.last,
            description=port.purpose,
            tags=frame.tags(f"{port.name}-{place}", rule=port.name),
            opts=frame.options(),
        )
        for port in ports.open_to(Audience.OPERATOR)
        for place, cidr in enumerate(operator_cidrs, start=1)
    ]
    rules.append(
        aws.vpc.SecurityGroupEgressRule(
            "outward",
            security_group_id=group.id,
            cidr_ipv4="0.0.0.0/0",
            ip_protocol="-1",
            description="packages, the bucket, each other",
            tags=frame.tags("outward"),
            opts=frame.options(),
        )
    )
    return AwsSecurity(group.id, rules)
