"""What the fields of an inventory must keep to; each rule returns what is wrong, or None."""

import base64
import binascii
import datetime
import ipaddress
import math
import re
from typing import Any

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?\Z")
_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ssh-rsa")
_PLAIN_PATH = re.compile(r"[^\x00-\x1f]{1,4096}\Z")


def name(value: str) -> str | None:
    """Names of clusters and nodes: a letter, then letters, digits and dashes."""
    return None if _NAME.match(value) else "must match ^[a-z][a-z0-9-]{0,30}$"


def user(value: str) -> str | None:
    """A login name."""
    return None if _USER.match(value) else "must match ^[a-z_][a-z0-9_-]{0,31}$"


def host(value: str) -> str | None:
    """A host name or an address."""
    return None if _HOST.match(value) else "must be a host name or an address"


def path(value: str) -> str | None:
    """A path that no shell or option parser misreads."""
    if not _PLAIN_PATH.match(value) or value.startswith("-"):
        return "must be a path without control characters or a leading dash"
    return None


def plain(value: str) -> str | None:
    """A word without blanks or quotes."""
    if not re.match(r"[A-Za-z0-9][A-Za-z0-9._/:+-]{0,254}\Z", value):
        return "must be 1 to 255 letters, digits or . _ / : + -, a letter or digit first"
    return None


def role(value: str) -> str | None:
    """What a node is in its cluster."""
    return None if value in ("head", "worker") else "must be head or worker"


def market(value: str) -> str | None:
    """How a cloud sells a machine."""
    return None if value in ("spot", "on-demand") else "must be spot or on-demand"


def address(value: str) -> str | None:
    """An IP address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "must be an IP address"
    return None


def port(value: int) -> str | None:
    """A TCP port."""
    return None if 1 <= value <= 65535 else "must be 1 to 65535"


def positive(value: float) -> str | None:
    """A finite number above 0."""
    return None if math.isfinite(value) and value > 0 else "must be above 0"


def price(value: float) -> str | None:
    """A finite number from 0."""
    return None if math.isfinite(value) and value >= 0 else "must be 0 or more"


def at_least(least: int) -> Any:
    """Return the rule for whole numbers from `least`."""
    return lambda value: None if value >= least else f"must be {least} or more"


def time(value: str) -> str | None:
    """A moment with its time zone."""
    try:
        moment = datetime.datetime.fromisoformat(value)
    except ValueError:
        return "must be a time in ISO 8601"
    return None if moment.tzinfo else "must name its time zone"


def host_key(value: str) -> str | None:
    """A public key of SSH on one line, of a type that we pin."""
    parts = value.split(" ")
    if len(parts) != 2 or parts[0] not in _KEY_TYPES:
        return f"must be '<type> <base64>' with a type of {', '.join(_KEY_TYPES)}"
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError):
        return "must hold its key in base64"
    named = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
    return None if named == parts[0].encode() else "must hold a key of the type it names"
