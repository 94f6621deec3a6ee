"""What no cluster may be; each rule takes a resource's type and inputs, and returns complaints.

Inputs are plain data with Pulumi's names. What is not known before the update is `UNKNOWN`. A
tag that is not known yet is there, and an address that is not known yet is judged by the
update. What makes a machine safe has to be known before: nothing may stop an update half way
that a preview could have refused.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts import aws_prices
from policy.known import UNKNOWN, with_pulumis_names
from policy.openness import GROUP, RULES, closed_to_the_world

Props = Mapping[str, Any]
Rule = Callable[[str, Props], list[str]]

MOST_NODES = 16
MOST_DOLLARS_AN_HOUR = 10.0
TAGS = ("tandem:cluster", "tandem:owner", "tandem:expires-at")
INSTANCE = "aws:ec2/instance:Instance"
# A machine whose market is decided when it is bought; its inputs have Python's names.
FALLBACK = "pulumi-python:dynamic:SpotOrOnDemand"
_MACHINES = (INSTANCE, FALLBACK)
# Packages whose resources cost money on AWS or open it.
_PACKAGES = ("aws", "awsx", "aws-native", "eks")
_BUCKET = "aws:s3/bucket:Bucket"
_CLOSED = (
    "blockPublicAcls",
    "blockPublicPolicy",
    "ignorePublicAcls",
    "restrictPublicBuckets",
)
_TAGGED = (
    INSTANCE,
    FALLBACK,
    _BUCKET,
    GROUP,
    RULES[0],
    "aws:ec2/vpc:Vpc",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/keyPair:KeyPair",
    "aws:iam/role:Role",
    "aws:iam/instanceProfile:InstanceProfile",
)
# All that these rules can judge, or that has nothing to be judged.
_JUDGED = {
    *_TAGGED,
    *RULES,
    "aws:ebs/volume:Volume",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
}


@dataclass(frozen=True)
class Caps:
    """How much a stack may have at most; money is in USD for an hour of all machines."""

    most_nodes: int = MOST_NODES
    most_dollars_an_hour: float = MOST_DOLLARS_AN_HOUR
    allow_unpriced: bool = False


def metadata_version_2(kind: str, props: Props) -> list[str]:
    """Machines must give credentials by version 2 of the metadata service, one hop far."""
    if kind not in _MACHINES:
        return []
    options = _machine(kind, props).get("metadataOptions") or {}
    found = []
    if options.get("httpTokens") != "required":
        found.append(
            f"metadataOptions.httpTokens must be required, is {options.get('httpTokens')}"
        )
    hops = options.get("httpPutResponseHopLimit")
    if hops != 1:
        found.append(f"metadataOptions.httpPutResponseHopLimit must be 1, is {hops}")
    return found


def encrypted_disks(kind: str, props: Props) -> list[str]:
    """Every disk of a machine must be encrypted."""
    if kind == "aws:ebs/volume:Volume":
        return [] if props.get("encrypted") is True else ["encrypted must be true"]
    if kind not in _MACHINES:
        return []
    machine = _machine(kind, props)
    more = machine.get("ebsBlockDevices") or []
    disks = [("rootBlockDevice", machine.get("rootBlockDevice") or {})]
    disks += [("ebsBlockDevices", disk or {}) for disk in more]
    if machine.get("ebsBlockDevices") is UNKNOWN:
        return ["ebsBlockDevices must be known before the update"]
    return [
        f"{name}.encrypted must be true"
        for name, disk in disks
        if disk.get("encrypted") is not True
    ]


def ends_for_good(kind: str, props: Props) -> list[str]:
    """A machine that shuts itself down must be gone, or it goes on costing money."""
    if kind not in _MACHINES:
        return []
    if _machine(kind, props).get("instanceInitiatedShutdownBehavior") == "terminate":
        return []
    return ["instanceInitiatedShutdownBehavior must be terminate"]


def tagged(kind: str, props: Props) -> list[str]:
    """Everything must say whose it is and when it ends, or left-overs cannot be found."""
    if kind not in _TAGGED:
        return []
    tags = props.get("tags") or {}
    missing = [name for name in TAGS if tags.get(name) in (None, "")]
    return [f"tag {name} is missing" for name in missing]


def judged(kind: str, props: Props) -> list[str]:
    """Nothing may be made on AWS that these rules cannot judge, such as fleets of machines."""
    if kind.partition(":")[0] not in _PACKAGES or kind in _JUDGED:
        return []
    return [f"no rule can judge a {kind}; the pack's allow_types may name it"]


def caps(resources: Iterable[tuple[str, Props]], limits: Caps) -> list[str]:
    """A stack may have so many machines, and cost so much in an hour, and no more.

    Machines count at their price on demand in the dearest region.
    """
    machines = [_type(kind, props) for kind, props in resources if kind in _MACHINES]
    found = []
    if len(machines) > limits.most_nodes:
        found.append(f"{len(machines)} machines are more than {limits.most_nodes}")
    prices = [_dearest(name) for name in machines]
    known = sum(price for price in prices if price is not None)
    if known > limits.most_dollars_an_hour:
        found.append(
            f"the machines cost up to {known:.2f} USD an hour, more than "
            f"{limits.most_dollars_an_hour:.2f}"
        )
    unknown = sorted(
        {name for name, price in zip(machines, prices, strict=True) if price is None}
    )
    if unknown and not limits.allow_unpriced:
        found.append(f"no price is known for {', '.join(unknown)}")
    return found


def private_buckets(resources: Iterable[tuple[str, Props]]) -> list[str]:
    """Every bucket must be closed to the public and encrypted."""
    kinds = [(kind, props) for kind, props in resources if kind.startswith("aws:s3/")]
    buckets = sum(kind == _BUCKET for kind, _ in kinds)
    closed = sum(
        kind.endswith(":BucketPublicAccessBlock")
        and all(props.get(name) is True for name in _CLOSED)
        for kind, props in kinds
    )
    encrypted = sum(
        kind.endswith(":BucketServerSideEncryptionConfiguration") for kind, _ in kinds
    )
    found = []
    if closed < buckets:
        found.append(f"{buckets - closed} of {buckets} buckets may become public")
    if encrypted < buckets:
        found.append(f"{buckets - encrypted} of {buckets} buckets are not set to encrypt")
    return found


OF_RESOURCES: Sequence[Rule] = (
    closed_to_the_world,
    metadata_version_2,
    encrypted_disks,
    ends_for_good,
    tagged,
    judged,
)


def _machine(kind: str, props: Props) -> Props:
    found: Props = with_pulumis_names(props) if kind == FALLBACK else props
    return found


def _type(kind: str, props: Props) -> str:
    name = _machine(kind, props).get("instanceType")
    return "a type not known yet" if name is UNKNOWN else str(name)


def _dearest(name: str) -> float | None:
    prices = [aws_prices.on_demand(region, name) for region in aws_prices.regions()]
    return max((price for price in prices if price is not None), default=None)
