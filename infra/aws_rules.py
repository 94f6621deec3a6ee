"""What single settings of a cluster on EC2 must keep to."""

import re
from collections.abc import Sequence

from contracts import aws_catalogue, ports
from contracts.aws_catalogue import InstanceType
from contracts.schema import Problems
from infra.cloud_rules import near, text

# AWS keeps the first four addresses of a subnet and the last.
RESERVED_ADDRESSES = 5
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}\Z")
_BURSTABLE = re.compile(r"t[0-9][a-z]*\.")
_TYPE = re.compile(r"[a-z0-9-]{2,24}\.[a-z0-9-]{2,16}\Z")


ZONE = text(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}[a-z]", "must be a zone such as eu-north-1a")
VPC = text(r"vpc-[0-9a-f]{8,17}", "must be a VPC such as vpc-0abc1234abc1234ab")
SUBNET = text(r"subnet-[0-9a-f]{8,17}", "must be a subnet such as subnet-0abc1234abc1234ab")
IMAGE = text(r"ami-[0-9a-f]{8,17}", "must be an image such as ami-0abc1234abc1234ab")
BUCKET = text(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "must be the name of a bucket")


def region(value: str | None, unlisted: bool, problems: Problems) -> str | None:
    """Return the region, or None after noting what is wrong with it."""
    if not value:
        problems.add("aws:region", "missing; pulumi config set aws:region eu-north-1")
        return None
    if value in aws_catalogue.regions() or (unlisted and _REGION.match(value)):
        return value
    words = near(value, aws_catalogue.regions())
    problems.add("aws:region", f"must be a region of AWS, is {value!r:.40}{words}")
    return None


def instance_type(
    field: str, value: str, where: str | None, unlisted: bool, problems: Problems
) -> InstanceType | None:
    """Return what the bundled table has of a type in the region `where`; note what is wrong."""
    if where is None:
        return None
    found = aws_catalogue.find(value, where)
    if found or (unlisted and _TYPE.match(value)):
        return found
    elsewhere = aws_catalogue.offered_in(value)
    if elsewhere:
        more = f"; {', '.join(elsewhere[:3])} and others do"
    else:
        more = near(value, aws_catalogue.types_in(where))
    problems.add(
        field,
        f"{where} does not offer {value!r:.40}, as of {aws_catalogue.as_of()}{more} "
        "(newer than that: unlisted-types true)",
    )
    return None


def is_burstable(type_name: str) -> bool:
    """Say whether machines of a type run at full speed for a while only, or for more money."""
    return _BURSTABLE.match(type_name) is not None


def too_many_cpus(kind: InstanceType) -> str:
    """Return why a type is too large for the engines' ports."""
    return (
        f"{kind.name} has {kind.cpus} virtual CPUs, and the engines have ports for "
        f"{ports.MOST_SLOTS} on a machine: take more machines of a smaller type"
    )


def one_architecture(kinds: Sequence[InstanceType | None], problems: Problems) -> None:
    """Note if the machines have more than one architecture, as far as it is known."""
    names: dict[str, str] = {}
    for kind in kinds:
        if kind is not None:
            names.setdefault(kind.architecture, kind.name)
    if len(names) > 1:
        told = ", ".join(f"{kind} is {architecture}" for architecture, kind in names.items())
        problems.add("worker-types", f"all machines must have one architecture; {told}")
