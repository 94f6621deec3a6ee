"""What single settings of a cluster on OpenStack must keep to."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from infra.cloud_rules import text
from infra.settings import number

# The network's own, broadcast, gateway, and up to three of DHCP's.
RESERVED_ADDRESSES = 6
# What may stand in the table of coins beside flavors; each but the machines' is per hour.
BESIDE_FLAVORS = ("floating-ip", "volume-gib", "container-gib", "network")
_RENAMED = {
    "head-type": "head-flavor",
    "worker-types": "worker-flavors",
    "vpc": "given-network",
    "disk-gib": "volume-gib",
}

NAME = text(r"[^\x00-\x1f,=]{1,255}", "must be a name or an id, without commas")
ZONE = text(r"[A-Za-z0-9][A-Za-z0-9 ._:-]{0,62}", "must be an availability zone such as nova")
CONTAINER = text(
    r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", "must be the name of a container"
)
ENDPOINT = text(
    r"(https://[^\s/]+(/\S*)?|http://127\.0\.0\.1:[0-9]+(/\S*)?)",
    "must be the https:// address of the site's S3",
)
S3_REGION = text(r"[A-Za-z0-9-]{1,40}", "must be the region that the site's S3 calls its own")
RENEWAL = text(r"[0-9]{1,9}", "must be the number that the refusal named")


def coins(value: Any, problems: Problems) -> dict[str, float]:
    """Return a table such as `ssc.small=1, volume-gib=0.002`: coins for an hour of each."""
    found: dict[str, float] = {}
    for entry in (one.strip() for one in str(value).split(",") if one.strip()):
        name, _, amount = (part.strip() for part in entry.rpartition("="))
        price = number(amount)
        if not name or price is None or not 0 <= price <= 1e6:
            problems.add("coins", f"must be NAME=COINS with commas between, is {entry!r:.60}")
        else:
            found[name] = price
    return found


def nameservers(value: Any, problems: Problems) -> tuple[str, ...]:
    """Return the addresses of name servers."""
    found = []
    for address in (one.strip() for one in str(value).split(",") if one.strip()):
        try:
            found.append(str(ipaddress.ip_address(address)))
        except ValueError:
            problems.add("nameservers", f"must be addresses, is {address!r:.40}")
    return tuple(found)


def not_of_others(
    given: Mapping[str, Any], others: Mapping[str, Any], problems: Problems
) -> None:
    """Note settings of another provider that say something else than that one's default."""
    for name in sorted(set(given) & set(others)):
        if str(given[name]).lower() not in ("", str(others[name]).lower()):
            problems.add(name, f"is for another provider, is {given[name]!r:.40}{_ours(name)}")


def _ours(name: str) -> str:
    return f"; on OpenStack it is {_RENAMED[name]}" if name in _RENAMED else ""
