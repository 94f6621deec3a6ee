"""What no cluster may be; each rule takes a resource's type and inputs, and returns complaints.

Inputs have Pulumi's names. What is not known before the machines are made is left out by the
engine or stands there as None, and is then judged by what makes it known.
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts import aws_prices

Props = Mapping[str, Any]
Rule = Callable[[str, Props], list[str]]

MOST_NODES = 16
MOST_DOLLARS_AN_HOUR = 10.0
TAGS = ("tandem:cluster", "tandem:owner", "tandem:expires-at")
INSTANCE = "aws:ec2/instance:Instance"
# A machine whose market is decided when it is bought; its inputs have Python's names.
FALLBACK = "pulumi-python:dynamic:SpotOrOnDemand"
_BUCKET = "aws:s3/bucket:Bucket"
_GROUP = "aws:ec2/securityGroup:SecurityGroup"
_RULES = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:ec2/securityGroupRule:SecurityGroupRule",
)
_CLOSED = (
    "blockPublicAcls",
    "blockPublicPolicy",
    "ignorePublicAcls",
    "restrictPublicBuckets",
)
# Wider than this is not the operator's place.
WIDEST = {4: 16, 6: 32}
_TAGGED = (
    INSTANCE,
    FALLBACK,
    _BUCKET,
    _GROUP,
    _RULES[0],
    "aws:ec2/vpc:Vpc",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/keyPair:KeyPair",
    "aws:iam/role:Role",
    "aws:iam/instanceProfile:InstanceProfile",
)


@dataclass(frozen=True)
class Caps:
    """How much a stack may have at most; money is in USD for an hour of all machines."""

    most_nodes: int = MOST_NODES
    most_dollars_an_hour: float = MOST_DOLLARS_AN_HOUR
    allow_unpriced: bool = False


def closed_to_the_world(kind: str, props: Props) -> list[str]:
    """No port may be open to the world: neither SSH nor an engine's."""
    if kind == _GROUP:
        return [words for rule in props.get("ingress") or [] for words in _too_open(rule)]
    if kind == _RULES[0] or (kind == _RULES[1] and props.get("type") == "ingress"):
        return _too_open(props)
    return []


def metadata_version_2(kind: str, props: Props) -> list[str]:
    """Machines must give credentials by version 2 of the metadata service, one hop far."""
    if kind != INSTANCE:
        return []
    options = props.get("metadataOptions") or {}
    found = []
    if options.get("httpTokens") != "required":
        found.append(
            f"metadataOptions.httpTokens must be required, is {options.get('httpTokens')}"
        )
    hops = options.get("httpPutResponseHopLimit")
    if hops is None or int(hops) != 1:
        found.append(f"metadataOptions.httpPutResponseHopLimit must be 1, is {hops}")
    return found


def encrypted_disks(kind: str, props: Props) -> list[str]:
    """Every disk of a machine must be encrypted."""
    if kind == "aws:ebs/volume:Volume":
        return [] if props.get("encrypted") is True else ["encrypted must be true"]
    if kind != INSTANCE:
        return []
    disks = [("rootBlockDevice", props.get("rootBlockDevice") or {})]
    disks += [("ebsBlockDevices", disk) for disk in props.get("ebsBlockDevices") or []]
    return [
        f"{name}.encrypted must be true"
        for name, disk in disks
        if disk.get("encrypted") is not True
    ]


def ends_for_good(kind: str, props: Props) -> list[str]:
    """A machine that shuts itself down must be gone, or it goes on costing money."""
    if kind != INSTANCE or props.get("instanceInitiatedShutdownBehavior") == "terminate":
        return []
    return ["instanceInitiatedShutdownBehavior must be terminate"]


def tagged(kind: str, props: Props) -> list[str]:
    """Everything must say whose it is and when it ends, or left-overs cannot be found."""
    if kind not in _TAGGED:
        return []
    tags = props.get("tags") or {}
    # A value that is not known yet is a value.
    missing = [name for name in TAGS if name not in tags or tags[name] == ""]
    return [f"tag {name} is missing" for name in missing]


def caps(resources: Iterable[tuple[str, Props]], limits: Caps) -> list[str]:
    """A stack may have so many machines, and cost so much in an hour, and no more.

    Machines count at their price on demand in the dearest region.
    """
    machines = [
        _machine(kind, props) for kind, props in resources if kind in (INSTANCE, FALLBACK)
    ]
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
)


def _machine(kind: str, props: Props) -> str:
    return str(props.get("instance_type" if kind == FALLBACK else "instanceType") or "")


def _dearest(name: str) -> float | None:
    prices = [aws_prices.on_demand(region, name) for region in aws_prices.regions()]
    return max((price for price in prices if price is not None), default=None)


def _too_open(rule: Props) -> list[str]:
    given: list[Any] = [rule.get("cidrIpv4"), rule.get("cidrIpv6")]
    given += [*(rule.get("cidrBlocks") or []), *(rule.get("ipv6CidrBlocks") or [])]
    found = []
    for text in given:
        if text is None:
            continue
        network = ipaddress.ip_network(str(text), strict=False)
        if network.prefixlen < WIDEST[network.version]:
            ports = f"{_port(rule, 'fromPort')} to {_port(rule, 'toPort')}"
            found.append(f"ports {ports} are open to {network}")
    return found


def _port(rule: Props, name: str) -> str:
    value = rule.get(name)
    return "any" if value is None else str(int(value))
