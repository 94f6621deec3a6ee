"""The network of a cluster on EC2: one subnet in one zone, open to the outside by a gateway."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import aws_zones
from infra.aws_frame import Frame


@dataclass(frozen=True)
class AwsNetwork:
    """Where machines are put. `way_out` has to be there before a machine boots."""

    vpc_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    way_out: Sequence[pulumi.Resource]


def declare_network(frame: Frame) -> AwsNetwork:
    """Declare the cluster's own network, or take the one that was given."""
    settings = frame.settings
    zone = _zone(frame)
    if settings.vpc is not None and settings.subnet is not None:
        return AwsNetwork(settings.vpc, settings.subnet, ())
    vpc = aws.ec2.Vpc(
        "vpc",
        cidr_block=settings.network,
        enable_dns_support=True,
        enable_dns_hostnames=True,
        tags=frame.tags("vpc"),
        opts=frame.options(),
    )
    gateway = aws.ec2.InternetGateway(
        "gateway", vpc_id=vpc.id, tags=frame.tags("gateway"), opts=frame.options()
    )
    # A zone that was looked up stays: another answer next time must not move the machines.
    kept = [] if settings.zone else ["availabilityZone"]
    subnet = aws.ec2.Subnet(
        "subnet",
        vpc_id=vpc.id,
        cidr_block=settings.network,
        availability_zone=zone,
        tags=frame.tags("subnet"),
        opts=frame.options(ignore_changes=kept),
    )
    table = aws.ec2.RouteTable(
        "routes",
        vpc_id=vpc.id,
        routes=[{"cidr_block": "0.0.0.0/0", "gateway_id": gateway.id}],
        tags=frame.tags("routes"),
        opts=frame.options(),
    )
    association = aws.ec2.RouteTableAssociation(
        "route", subnet_id=subnet.id, route_table_id=table.id, opts=frame.options()
    )
    return AwsNetwork(vpc.id, subnet.id, (association,))


def _zone(frame: Frame) -> str:
    """Return the zone of the machines: the first that may be used and offers all types."""
    types = sorted({one.type_name for one in frame.settings.machines})
    offers = aws.ec2.get_instance_type_offerings(
        location_type="availability-zone",
        filters=[{"name": "instance-type", "values": types}],
        opts=frame.invoke(),
    )
    pairs = zip(offers.instance_types, offers.locations, strict=True)
    zones, allowed = aws_zones.offering_all(pairs, types), _allowed(frame)
    found = aws_zones.choose(zones, allowed)
    if found is None:
        words = aws_zones.refusal(types, allowed, zones)
        raise pulumi.RunError(f"{words}.\nNext: {aws_zones.FIX}")
    return found


def _allowed(frame: Frame) -> list[str]:
    settings = frame.settings
    if settings.subnet is not None:
        subnet = aws.ec2.get_subnet(id=settings.subnet, opts=frame.invoke())
        if subnet.vpc_id != settings.vpc:
            raise pulumi.RunError(
                f"{settings.subnet} is in {subnet.vpc_id}, and vpc is {settings.vpc}.\n"
                f"Next: pulumi config set vpc {subnet.vpc_id}"
            )
        return [str(subnet.availability_zone)]
    if settings.zone is not None:
        return [settings.zone]
    found = aws.get_availability_zones(
        state="available",
        # Local and wavelength zones have few types and another price.
        filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
        opts=frame.invoke(),
    )
    return [str(name) for name in found.names]
