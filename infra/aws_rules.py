"""What single settings of a cluster on EC2 must keep to."""

import difflib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts import aws_catalogue, ports
from contracts.aws_catalogue import InstanceType
from contracts.schema import Problems

# AWS keeps the first four addresses of a subnet and the last.
RESERVED_ADDRESSES = 5
WIDEST_OPERATOR = 16
_PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}\Z")
_BURSTABLE = re.compile(r"t[0-9][a-z]*\.")
_TYPE = re.compile(r"[a-z0-9-]{2,24}\.[a-z0-9-]{2,16}\Z")


@dataclass(frozen=True)
class Text:
    """A pattern that a text must match, and how to say so."""

    pattern: re.Pattern[str]
    words: str


def _text(pattern: str, words: str) -> Text:
    return Text(re.compile(pattern + r"\Z"), words)


OWNER = _text(
    r"[A-Za-z0-9 ._:/=+@-]{1,128}", "must be letters, digits, blanks or . _ : / = + @ -"
)
ZONE = _text(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}[a-z]", "must be a zone such as eu-north-1a")
VPC = _text(r"vpc-[0-9a-f]{8,17}", "must be a VPC such as vpc-0abc1234abc1234ab")
SUBNET = _text(r"subnet-[0-9a-f]{8,17}", "must be a subnet such as subnet-0abc1234abc1234ab")
IMAGE = _text(r"ami-[0-9a-f]{8,17}", "must be an image such as ami-0abc1234abc1234ab")
USER = _text(r"[a-z_][a-z0-9_-]{0,31}", "must be a login name such as ubuntu")
BUCKET = _text(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "must be the name of a bucket")
ADDRESS_URL = _text(
    r"(https://[^\s/]+(/\S*)?|http://127\.0\.0\.1:[0-9]+(/\S*)?)", "must be an https:// address"
)


def clean_owner(user: str) -> str:
    """Return a login name as a tag's value may have it."""
    return re.sub(r"[^A-Za-z0-9 ._:/=+@-]", "-", user)[:128] or "unknown"


def region(value: str | None, unlisted: bool, problems: Problems) -> str | None:
    """Return the region, or None after noting what is wrong with it."""
    if not value:
        problems.add("aws:region", "missing; pulumi config set aws:region eu-north-1")
        return None
    if value in aws_catalogue.regions() or (unlisted and _REGION.match(value)):
        return value
    near = _near(value, aws_catalogue.regions())
    problems.add("aws:region", f"must be a region of AWS, is {value!r:.40}{near}")
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
        more = _near(value, aws_catalogue.types_in(where))
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


def network(value: Any, machines: int, problems: Problems) -> str | None:
    """Return the addresses of the cluster's own network, in CIDR notation."""
    try:
        found = ipaddress.ip_network(str(value))
    except ValueError as error:
        problems.add("network", f"must be a network such as 10.210.0.0/24: {error}")
        return None
    if not 16 <= found.prefixlen <= 28 or found.version != 4:
        problems.add("network", f"must be IPv4 with a prefix from /16 to /28, is {value!r:.40}")
    elif not any(found.subnet_of(one) for one in _PRIVATE):  # type: ignore[arg-type]
        problems.add("network", f"must be private (RFC 1918), is {value!r:.40}")
    elif found.num_addresses - RESERVED_ADDRESSES < machines:
        room = found.num_addresses - RESERVED_ADDRESSES
        problems.add(
            "network", f"{value} has room for {room} machines, and {machines} are wanted"
        )
    return str(found)


def operator_cidrs(value: Any, open_allowed: bool, problems: Problems) -> tuple[str, ...]:
    """Return the networks from which SSH is allowed; one address counts as a /32."""
    found = []
    for text in (one.strip() for one in str(value).split(",") if one.strip()):
        try:
            one = ipaddress.IPv4Network(text)
        except ValueError as error:
            problems.add("operator-cidrs", f"must be IPv4 such as 198.51.100.7/32: {error}")
            continue
        if one.prefixlen < WIDEST_OPERATOR and not open_allowed:
            problems.add(
                "operator-cidrs",
                f"{one} opens SSH to {one.num_addresses} addresses; narrow it to a /"
                f"{WIDEST_OPERATOR} or less, or acknowledge it with allow-open-ssh true",
            )
        found.append(str(one))
    return tuple(dict.fromkeys(found))


def _near(value: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(value, known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""
