"""What single settings of a cluster in any cloud must keep to."""

import difflib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.schema import Problems

WIDEST_OPERATOR = 16
_PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


@dataclass(frozen=True)
class Text:
    """A pattern that a text must match, and how to say so."""

    pattern: re.Pattern[str]
    words: str


def text(pattern: str, words: str) -> Text:
    """Return the rule that a whole text must match a pattern."""
    return Text(re.compile(pattern + r"\Z"), words)


OWNER = text(
    r"[A-Za-z0-9 ._:/=+@-]{1,128}", "must be letters, digits, blanks or . _ : / = + @ -"
)
USER = text(r"[a-z_][a-z0-9_-]{0,31}", "must be a login name such as ubuntu")
ADDRESS_URL = text(
    r"(https://[^\s/]+(/\S*)?|http://127\.0\.0\.1:[0-9]+(/\S*)?)", "must be an https:// address"
)


def clean_owner(user: str) -> str:
    """Return a login name as a tag's value may have it."""
    return re.sub(r"[^A-Za-z0-9 ._:/=+@-]", "-", user)[:128] or "unknown"


def names_in(value: Any) -> list[str]:
    """Return the names of a comma list."""
    return [one.strip() for one in str(value).split(",") if one.strip()]


def of_workers(
    name: str, names: list[str], workers: int, noun: str, problems: Problems
) -> list[str]:
    """Return the type of each worker's machine, from one for all or one for each."""
    if workers and len(names) not in (1, workers):
        problems.add(
            name,
            f"must name one {noun} for all workers, or one for each of the {workers}, "
            f"names {len(names)}",
        )
    return (names * workers if len(names) == 1 else names)[:workers]


def network(value: Any, machines: int, reserved: int, problems: Problems) -> str | None:
    """Return the addresses of the cluster's own network, in CIDR notation.

    `reserved` is how many of them the cloud keeps for itself.
    """
    try:
        found = ipaddress.ip_network(str(value))
    except ValueError as error:
        problems.add("network", f"must be a network such as 10.210.0.0/24: {error}")
        return None
    if not 16 <= found.prefixlen <= 28 or found.version != 4:
        problems.add("network", f"must be IPv4 with a prefix from /16 to /28, is {value!r:.40}")
    elif not any(found.subnet_of(one) for one in _PRIVATE):  # type: ignore[arg-type]
        problems.add("network", f"must be private (RFC 1918), is {value!r:.40}")
    elif found.num_addresses - reserved < machines:
        room = found.num_addresses - reserved
        problems.add(
            "network", f"{value} has room for {room} machines, and {machines} are wanted"
        )
    return str(found)


def operator_cidrs(value: Any, open_allowed: bool, problems: Problems) -> tuple[str, ...]:
    """Return the networks from which SSH is allowed; one address counts as a /32."""
    found = []
    for address in (one.strip() for one in str(value).split(",") if one.strip()):
        try:
            one = ipaddress.IPv4Network(address)
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


def near(value: str, known: Sequence[str]) -> str:
    """Return words that ask for a known name like this one; none if there is none."""
    found = difflib.get_close_matches(value, known, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(found)}?" if found else ""
