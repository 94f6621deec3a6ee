"""What a node says of itself, checked field by field: nodes are not trusted to be truthful."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.schema import Problems

_PATH = re.compile(r"/[A-Za-z0-9._/@+-]{1,300}\Z")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+){1,2}[a-z0-9+.]*\Z")
_WORD = re.compile(r"[A-Za-z0-9._+-]{1,100}\Z")
_HEX = re.compile(r"[0-9a-f]{0,64}\Z")


@dataclass(frozen=True)
class Environment:
    """A virtual environment on a node: its packages, and those that lost a part."""

    path: str
    python: str
    packages: Mapping[str, str]
    damaged: Mapping[str, tuple[str, ...]]
    writable: bool


@dataclass(frozen=True)
class Recorded:
    """A start that a node remembers: for which `spec`, how far it came, and what is left."""

    spec: str
    complete: bool
    members: int


@dataclass(frozen=True)
class Facts:
    """One look at a node. Sizes are in bytes; `skew` is its clock minus ours, in seconds."""

    node: str
    home: str
    python: str
    system: str
    machine: str
    release: str
    skew: float
    owns_address: bool
    disk_free: int
    temporary_free: int
    shared_memory: int
    memory_bytes: int
    environments: tuple[Environment, ...]
    can_write_system: bool
    uv: str | None
    code: bool
    credentials: Mapping[str, str]
    records: Mapping[str, Recorded]
    listening: frozenset[int]


def parse(node: str, answer: Any, *, clock: float) -> Facts:
    """Check what the program `check` answered.

    Parameters
    ----------
    clock : float
        The operator's time at the middle of the question, in seconds since 1970.

    Raises
    ------
    InvalidDocument
        With everything that is wrong with the answer.
    """
    problems = Problems()
    document = answer if isinstance(answer, dict) else {}

    def value(key: str, kind: Any, rule: Any = None, required: bool = True) -> Any:
        return problems.value(document, key, kind, rule=rule, required=required)

    values = {
        "home": value("home", str, _matches(_PATH)),
        "python": value("python", str, _matches(_VERSION)),
        "system": value("system", str, _matches(_WORD)),
        "machine": value("machine", str, _matches(_WORD)),
        "release": value("release", str),
        "owns_address": value("owns_address", bool),
        "disk_free": value("disk_free", int),
        "temporary_free": value("temporary_free", int),
        "shared_memory": value("shared_memory", int),
        "memory_bytes": value("memory_bytes", int),
        "can_write_system": value("can_write_system", bool),
        "uv": value("uv", str, _matches(_PATH), required=False),
        "code": value("code", bool),
        "credentials": value("credentials", dict, _texts(_HEX)),
        "listening": value("listening", list),
    }
    moment = value("time", (int, float))
    environments = [
        _environment(problems, index, one)
        for index, one in enumerate(value("environments", list) or [])
    ]
    records = {
        str(name): _recorded(problems, name, one)
        for name, one in (value("records", dict) or {}).items()
    }
    problems.raise_if_any(f"what {node} says of itself", next_step=f"look at {node} yourself")
    values["listening"] = frozenset(values["listening"])
    return Facts(
        node=node,
        skew=moment - clock,
        environments=tuple(one for one in environments if one),
        records={name: one for name, one in records.items() if one},
        **values,
    )


def _environment(problems: Problems, index: int, record: Any) -> Environment | None:
    where = f"environments[{index}]."
    if not isinstance(record, dict):
        problems.add(where, "must be an object")
        return None

    def value(key: str, kind: Any, rule: Any = None) -> Any:
        return problems.value(record, key, kind, where=where, rule=rule)

    path, python = value("path", str, _matches(_PATH)), value("python", str)
    packages = value("packages", dict, _texts(_WORD))
    damaged, writable = value("damaged", dict), value("writable", bool)
    examples = {
        str(name): tuple(str(line)[:300] for line in lines)
        for name, lines in (damaged or {}).items()
        if isinstance(lines, list)
    }
    return Environment(path, python, packages, examples, writable)


def _recorded(problems: Problems, name: str, record: Any) -> Recorded | None:
    if not isinstance(record, dict) or not _WORD.match(name):
        problems.add("records", "must hold objects under plain names")
        return None
    where = f"records.{name}."
    return Recorded(
        problems.value(record, "spec", str, where=where),
        problems.value(record, "complete", bool, where=where),
        problems.value(record, "members", int, where=where),
    )


def _matches(pattern: re.Pattern[str]) -> Any:
    return lambda text: None if pattern.match(text) else "is not of the expected form"


def _texts(pattern: re.Pattern[str]) -> Any:
    def rule(table: Mapping[Any, Any]) -> str | None:
        good = all(isinstance(one, str) and pattern.match(one) for one in table.values())
        return None if good else "must hold texts of the expected form"

    return rule
