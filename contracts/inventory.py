"""The machines of one cluster: what infra writes and provision reads."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from contracts import inventory_rules as rules
from contracts.files import write_json
from contracts.schema import Problems, find_secrets, parse_document, read_document

SCHEMA = 1
MAKE_ONE = "fab local.up --nodes 3, or pulumi up, or name a file with --inventory FILE"
_OPTIONAL: tuple[tuple[str, Any, Any], ...] = (
    ("expires_at", str, rules.time),
    ("bucket", str, rules.plain),
    ("bucket_region", str, rules.plain),
    ("security_group_id", str, rules.plain),
    ("ttl_hours", (int, float), rules.positive),
    ("idle_minutes", (int, float), rules.positive),
    ("budget", (int, float), rules.price),
)


@dataclass(frozen=True)
class Node:
    """One machine.

    `memory_bytes` is in bytes, `cpus` may be a fraction, `hourly_price` is per hour of the
    machine in `currency`. `jump` is the `name` of the node through which SSH goes.
    `temporary_host_key` is the public host key of a machine's first boot, there until the
    machine has been given a fresh one. `market` says how a cloud sells it.
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
    temporary_host_key: str | None = None
    instance_type: str | None = None
    market: Literal["spot", "on-demand"] | None = None


@dataclass(frozen=True)
class Inventory:
    """All machines of one cluster, head first, and how to reach them.

    `expires_at` is when the machines end themselves, `ttl_hours` after `created_at`, or after
    `idle_minutes` without work, or when they have cost `budget` (in the nodes' currency).
    `bucket_region` is where the bucket is, if not in `region`.
    """

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
    bucket_region: str | None = None
    security_group_id: str | None = None
    ttl_hours: float | None = None
    idle_minutes: float | None = None
    budget: float | None = None

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
        "cluster_id": problems.value(document, "cluster_id", str, rule=rules.name),
        "generation": problems.value(document, "generation", int, rule=rules.at_least(1)),
        "provider": problems.value(document, "provider", str, rule=rules.name),
        "region": problems.value(document, "region", str, rule=rules.plain),
        "created_at": problems.value(document, "created_at", str, rule=rules.time),
        "ssh_user": problems.value(document, "ssh_user", str, rule=rules.user),
        "ssh_key_path": problems.value(document, "ssh_key_path", str, rule=rules.path),
    }
    for name, kind, rule in _OPTIONAL:
        values[name] = problems.value(document, name, kind, required=False, rule=rule)
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
        "name": value("name", str, rules.name),
        "role": value("role", str, rules.role),
        "private_ip": value("private_ip", str, rules.address),
        "public_ip": value("public_ip", str, rules.address, required=False),
        "ssh_host": value("ssh_host", str, rules.host),
        "ssh_port": value("ssh_port", int, rules.port),
        "jump": value("jump", str, rules.name, required=False),
        "host_key": value("host_key", str, rules.host_key),
        "instance_id": value("instance_id", str, rules.plain),
        "cpus": value("cpus", (int, float), rules.positive),
        "memory_bytes": value("memory_bytes", int, rules.at_least(1)),
        "gpus": value("gpus", int, rules.at_least(0), required=False) or 0,
        "hourly_price": value("hourly_price", (int, float), rules.price, required=False),
        "currency": value("currency", str, rules.plain, required=False),
        "temporary_host_key": value("temporary_host_key", str, rules.host_key, required=False),
        "instance_type": value("instance_type", str, rules.plain, required=False),
        "market": value("market", str, rules.market, required=False),
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
