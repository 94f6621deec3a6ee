"""The machines of one cluster: what infra writes and provision reads."""

import base64
import binascii
import dataclasses
import datetime
import ipaddress
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from contracts.files import write_json
from contracts.schema import Problems, find_secrets, parse_document, read_document

SCHEMA = 1
MAKE_ONE = "fab local.up --nodes 3, or pulumi up, or name a file with --inventory FILE"

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}\Z")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?\Z")
_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ssh-rsa")
_PLAIN_PATH = re.compile(r"[^\x00-\x1f]{1,4096}\Z")


@dataclass(frozen=True)
class Node:
    """One machine.

    `memory_bytes` is in bytes, `cpus` may be a fraction, `hourly_price` is per hour of the
    machine in `currency`. `jump` is the `name` of the node through which SSH goes.
    """

    name: str
    role: Literal["head", "worker"]
    private_ip: str
    ssh_host: str
    ssh_port: int
    host_key: str
    instance_id: str
    cpus: float
    memory_bytes: int
    gpus: int = 0
    public_ip: str | None = None
    jump: str | None = None
    hourly_price: float | None = None
    currency: str | None = None


@dataclass(frozen=True)
class Inventory:
    """All machines of one cluster, head first, and how to reach them."""

    cluster_id: str
    generation: int
    provider: str
    region: str
    created_at: str
    ssh_user: str
    ssh_key_path: str
    nodes: tuple[Node, ...]
    expires_at: str | None = None
    bucket: str | None = None

    @property
    def head(self) -> Node:
        """The one node that runs the scheduler."""
        return next(node for node in self.nodes if node.role == "head")

    @property
    def workers(self) -> tuple[Node, ...]:
        """Every node but the head, in inventory order."""
        return tuple(node for node in self.nodes if node.role == "worker")

    def first(self, count: int) -> tuple[Node, ...]:
        """Return the head and the first workers, `count` machines together."""
        return (self.head, *self.workers)[:count]

    def node(self, name: str) -> Node:
        """Return the node of that name; KeyError if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)


def load(path: Path) -> Inventory:
    """Read and check an inventory file.

    Raises
    ------
    UsageError
        If the file is missing or was written by a newer version.
    InvalidDocument
        With every problem of the file at once.
    """
    return _build(read_document(path, newest_schema=SCHEMA, next_step=MAKE_ONE), str(path))


def parse(text: str, *, source: str = "inventory") -> Inventory:
    """Check an inventory that is already in memory, as `load` does."""
    return _build(parse_document(text, source=source, newest_schema=SCHEMA), source)


def dump(inventory: Inventory, path: Path) -> None:
    """Check an inventory and write it atomically."""
    document = as_document(inventory)
    _build(document, str(path))
    write_json(path, document)


def as_document(inventory: Inventory) -> dict[str, Any]:
    """Return the inventory as the JSON object of its schema; absent fields are left out."""
    document = {"schema": SCHEMA, **_without_none(dataclasses.asdict(inventory))}
    document["nodes"] = [_without_none(node) for node in document["nodes"]]
    return document


def _without_none(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}


def _build(document: Mapping[str, Any], source: str) -> Inventory:
    problems = Problems()
    known = [field.name for field in dataclasses.fields(Inventory)]
    problems.unknown_keys("", document, [*known, "schema"])
    for field in find_secrets(document):
        problems.add(field, "looks like a secret, and an inventory holds none")
    values: dict[str, Any] = {
        "cluster_id": problems.value(document, "cluster_id", str, rule=_name_rule),
        "generation": problems.value(document, "generation", int, rule=_at_least(1)),
        "provider": problems.value(document, "provider", str, rule=_name_rule),
        "region": problems.value(document, "region", str, rule=_plain_rule),
        "created_at": problems.value(document, "created_at", str, rule=_time_rule),
        "expires_at": problems.value(
            document, "expires_at", str, required=False, rule=_time_rule
        ),
        "ssh_user": problems.value(document, "ssh_user", str, rule=_user_rule),
        "ssh_key_path": problems.value(document, "ssh_key_path", str, rule=_path_rule),
        "bucket": problems.value(document, "bucket", str, required=False, rule=_plain_rule),
    }
    records = problems.value(document, "nodes", list) or []
    nodes = [_build_node(record, index, problems) for index, record in enumerate(records)]
    _check_together([record for record in records if isinstance(record, dict)], problems)
    problems.raise_if_any(source)
    ordered = sorted((node for node in nodes if node), key=lambda node: node.role != "head")
    return Inventory(nodes=tuple(ordered), **values)


def _build_node(record: Any, index: int, problems: Problems) -> Node | None:
    where = f"nodes[{index}]."
    if not isinstance(record, dict):
        problems.add(where[:-1], f"must be an object, is {type(record).__name__}")
        return None
    problems.unknown_keys(where, record, [field.name for field in dataclasses.fields(Node)])
    before = len(problems.found)

    def value(key: str, kind: Any, rule: Any = None, required: bool = True) -> Any:
        return problems.value(record, key, kind, where=where, required=required, rule=rule)

    values = {
        "name": value("name", str, _name_rule),
        "role": value("role", str, _role_rule),
        "private_ip": value("private_ip", str, _address_rule),
        "public_ip": value("public_ip", str, _address_rule, required=False),
        "ssh_host": value("ssh_host", str, _host_rule),
        "ssh_port": value("ssh_port", int, _port_rule),
        "jump": value("jump", str, _name_rule, required=False),
        "host_key": value("host_key", str, _host_key_rule),
        "instance_id": value("instance_id", str, _plain_rule),
        "cpus": value("cpus", (int, float), _positive_rule),
        "memory_bytes": value("memory_bytes", int, _at_least(1)),
        "gpus": value("gpus", int, _at_least(0), required=False) or 0,
        "hourly_price": value("hourly_price", (int, float), _price_rule, required=False),
        "currency": value("currency", str, _plain_rule, required=False),
    }
    if (values["hourly_price"] is None) != (values["currency"] is None):
        problems.add(f"{where}hourly_price", "goes together with currency")
    return Node(**values) if len(problems.found) == before else None


def _check_together(records: list[dict[str, Any]], problems: Problems) -> None:
    heads = sum(record.get("role") == "head" for record in records)
    if heads != 1:
        problems.add("nodes", f"exactly one must have role head, {heads} have")
    for key in ("name", "private_ip", "public_ip", "instance_id"):
        values = [record[key] for record in records if isinstance(record.get(key), str)]
        for value, count in Counter(values).items():
            if count > 1:
                problems.add(f"nodes.{key}", f"must be unique, {value!r} occurs {count} times")
    doors = [(r.get("ssh_host"), r.get("ssh_port"), r.get("jump")) for r in records]
    for door, count in Counter(d for d in doors if _is_door(d)).items():
        if count > 1:
            where = f"{door[0]}:{door[1]}"
            problems.add("nodes.ssh_host", f"must be unique, {where} occurs {count} times")
    names = {record.get("name") for record in records if isinstance(record.get("name"), str)}
    jumps = {str(record.get("name")): record.get("jump") for record in records}
    for name, jump in jumps.items():
        if jump is None:
            continue
        if not isinstance(jump, str) or jump not in names or jump == name:
            problems.add("nodes.jump", f"{name} jumps through {jump!r}, which is no other node")
        elif jumps.get(jump) is not None:
            problems.add(
                "nodes.jump", f"{name} jumps through {jump}, which needs a jump itself"
            )


def _is_door(door: tuple[Any, Any, Any]) -> bool:
    return isinstance(door[0], str) and isinstance(door[1], int)


def _name_rule(value: str) -> str | None:
    return None if _NAME.match(value) else "must match ^[a-z][a-z0-9-]{0,30}$"


def _user_rule(value: str) -> str | None:
    return None if _USER.match(value) else "must match ^[a-z_][a-z0-9_-]{0,31}$"


def _host_rule(value: str) -> str | None:
    return None if _HOST.match(value) else "must be a host name or an address"


def _path_rule(value: str) -> str | None:
    if not _PLAIN_PATH.match(value) or value.startswith("-"):
        return "must be a path without control characters or a leading dash"
    return None


def _plain_rule(value: str) -> str | None:
    if not re.match(r"[A-Za-z0-9][A-Za-z0-9._/:+-]{0,254}\Z", value):
        return "must be 1 to 255 letters, digits or . _ / : + -, a letter or digit first"
    return None


def _role_rule(value: str) -> str | None:
    return None if value in ("head", "worker") else "must be head or worker"


def _address_rule(value: str) -> str | None:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "must be an IP address"
    return None


def _port_rule(value: int) -> str | None:
    return None if 1 <= value <= 65535 else "must be 1 to 65535"


def _positive_rule(value: float) -> str | None:
    return None if math.isfinite(value) and value > 0 else "must be above 0"


def _price_rule(value: float) -> str | None:
    return None if math.isfinite(value) and value >= 0 else "must be 0 or more"


def _at_least(least: int) -> Any:
    return lambda value: None if value >= least else f"must be {least} or more"


def _time_rule(value: str) -> str | None:
    try:
        moment = datetime.datetime.fromisoformat(value)
    except ValueError:
        return "must be a time in ISO 8601"
    return None if moment.tzinfo else "must name its time zone"


def _host_key_rule(value: str) -> str | None:
    parts = value.split(" ")
    if len(parts) != 2 or parts[0] not in _KEY_TYPES:
        return f"must be '<type> <base64>' with a type of {', '.join(_KEY_TYPES)}"
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError):
        return "must hold its key in base64"
    named = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
    return None if named == parts[0].encode() else "must hold a key of the type it names"
