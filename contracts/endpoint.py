"""Where a running cluster answers, and where its credentials lie on the nodes."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.files import write_json
from contracts.schema import Problems, find_secrets, read_document

SCHEMA = 1
ENGINES = ("ray", "dask")


@dataclass(frozen=True)
class Endpoint:
    """One running cluster.

    `address` is what a client on a node connects to (`10.0.0.2:6379`, `tls://10.0.0.2:8786`).
    `nodes` are the inventory names that joined, head first; `slots` the units of work each
    runs at once. `credentials` are paths on the nodes, never values. The paths `environment`,
    `code` and `home` are on the nodes too. `phases` are the seconds that each step of the
    bring-up took, per node.
    """

    cluster_id: str
    generation: int
    engine: str
    address: str
    dashboard_port: int
    nodes: tuple[str, ...]
    slots: Mapping[str, int]
    credentials: Mapping[str, str]
    environment: str
    code: str
    home: str
    lock_fingerprint: str
    code_fingerprint: str
    started_at: str
    phases: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def load(path: Path) -> Endpoint:
    """Read and check an endpoint file.

    Raises
    ------
    UsageError
        If no cluster was started, or a newer version wrote the file.
    InvalidDocument
        With every problem of the file at once.
    """
    document = read_document(
        path, newest_schema=SCHEMA, next_step="fab cluster.start --nodes 3 --engine ray"
    )
    problems = Problems()
    names = [one.name for one in dataclasses.fields(Endpoint)]
    problems.unknown_keys("", document, [*names, "schema"])
    for name in find_secrets(document):
        problems.add(name, "looks like a secret, and an endpoint holds none")
    kinds: dict[str, type] = {
        "generation": int,
        "dashboard_port": int,
        "nodes": list,
        "slots": dict,
        "credentials": dict,
        "phases": dict,
    }
    values: dict[str, Any] = {}
    for name in names:
        rule = _engine_rule if name == "engine" else None
        values[name] = problems.value(document, name, kinds.get(name, str), rule=rule)
    problems.raise_if_any(str(path), next_step="fab cluster.start writes it again")
    values["nodes"] = tuple(values["nodes"])
    return Endpoint(**values)


def dump(endpoint: Endpoint, path: Path) -> None:
    """Write an endpoint file atomically."""
    write_json(path, {"schema": SCHEMA, **dataclasses.asdict(endpoint)})


def _engine_rule(value: str) -> str | None:
    return None if value in ENGINES else f"must be one of {', '.join(ENGINES)}"
