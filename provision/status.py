"""How a cluster is: each node's state, load, memory, object store and tasks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contracts.endpoint import Endpoint
from contracts.inventory import Inventory, Node
from provision.bringup import known_endpoint
from provision.bringup_context import ENGINES
from provision.database import RECORD
from provision.links import Links
from provision.parallel import on_each
from provision.place import Place
from provision.remote_program import Program, call
from provision.words import plain_text

SURVEY = Program("survey", needs=("records", "monitor", "environment", "check"))
SURVEY_SECONDS = 20.0


@dataclass(frozen=True)
class NodeStatus:
    """One node now. Sizes are in bytes; what could not be learnt is None.

    `state` is `up` (its engine runs and the head counts it), `joining or lost` (its engine
    runs and the head does not count it), `idle` (no engine), `broken` (a process of its
    engine ended) or `unreachable`; `detail` says why.
    """

    name: str
    role: str
    state: str
    detail: str = ""
    cpus: float = 0.0
    cpus_used: float | None = None
    memory_used: int | None = None
    memory_total: int | None = None
    store_used: int | None = None
    store_total: int | None = None
    tasks: int | None = None
    run: str | None = None


@dataclass(frozen=True)
class ClusterStatus:
    """A cluster now; `endpoint` is None where none was started.

    `database` is `up`, `broken` (its server ended from without) or `none`.
    """

    cluster_id: str
    endpoint: Endpoint | None
    nodes: tuple[NodeStatus, ...]
    database: str = "none"

    def document(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        found = self.endpoint
        return {
            "cluster_id": self.cluster_id,
            "engine": found.engine if found else None,
            "address": found.address if found else None,
            "database": self.database,
            "nodes": [asdict(node) for node in self.nodes],
        }


def status(inventory: Inventory, state: Path, links: Links) -> ClusterStatus:
    """Ask every node, and the head for what its engine knows; unreachable nodes are told."""
    endpoint = known_endpoint(state)
    if endpoint is not None and endpoint.cluster_id != inventory.cluster_id:
        endpoint = None
    names = [node.name for node in inventory.nodes]

    def ask(name: str) -> Any:
        found = call(links[name], SURVEY, {}, timeout=SURVEY_SECONDS)
        knows_engine = endpoint is not None and name == endpoint.nodes[0]
        return found, _engine_state(links, inventory, endpoint) if knows_engine else None

    outcomes = on_each("asking", names, ask, seconds=2 * SURVEY_SECONDS)
    told = [one for _, one in outcomes.done.values() if one]
    engine: Mapping[str, Any] = told[0] if told else {}
    nodes = [
        _node(node, outcomes.done[node.name][0], endpoint, engine)
        if node.name in outcomes.done
        else _unreachable(node, outcomes.failed[node.name])
        for node in inventory.nodes
    ]
    asked = outcomes.done.get(inventory.head.name)
    database = _database(asked[0]["records"] if asked else {})
    return ClusterStatus(inventory.cluster_id, endpoint, tuple(nodes), database)


def _database(records: Mapping[str, Any]) -> str:
    if RECORD not in records:
        return "none"
    return "up" if records[RECORD]["complete"] else "broken"


def _engine_state(links: Links, inventory: Inventory, endpoint: Endpoint | None) -> Any:
    if endpoint is None:
        return None
    module = ENGINES[endpoint.engine]
    place = Place(endpoint.home, endpoint.environment, endpoint.code)
    members = [inventory.node(name) for name in endpoint.nodes]
    return call(
        links[endpoint.nodes[0]],
        module.STATE,
        module.state_request(place, members[0], members),
        timeout=SURVEY_SECONDS,
        python=place.python,
    )


def _node(
    node: Node, found: Mapping[str, Any], endpoint: Endpoint | None, engine: Mapping[str, Any]
) -> NodeStatus:
    records = found["records"]
    told = engine.get("nodes", {}).get(node.name)
    state, detail = _state(node, records, endpoint, engine, told)
    runs = [
        name.removeprefix("run-")
        for name, record in records.items()
        if name.startswith("run-") and record["processes"]
    ]
    known = told or {}
    return NodeStatus(
        name=node.name,
        role=node.role,
        state=state,
        detail=detail,
        cpus=node.cpus,
        cpus_used=found["cpus_used"],
        memory_used=found["memory_used"],
        memory_total=min(found["memory_total"], node.memory_bytes),
        store_used=known.get("store_used"),
        store_total=known.get("store_total"),
        tasks=known.get("tasks"),
        run=runs[0] if runs else None,
    )


def _state(
    node: Node,
    records: Mapping[str, Any],
    endpoint: Endpoint | None,
    engine: Mapping[str, Any],
    told: Any,
) -> tuple[str, str]:
    running = [name for name in ENGINES if name in records]
    if not running:
        taking_part = endpoint is not None and node.name in endpoint.nodes
        return ("broken", "its engine was ended from without") if taking_part else ("idle", "")
    record = records[running[0]]
    if not record["complete"]:
        missing = ", ".join(record["missing"]) or "its start did not finish"
        return "broken", plain_text(f"{running[0]}: {missing}")
    if told is None:
        words = engine.get("error") or "the head does not count it as a member"
        return "joining or lost", plain_text(words)
    return "up", plain_text(str(told.get("error") or ""))


def _unreachable(node: Node, error: Exception) -> NodeStatus:
    words = str(error).splitlines()[0]
    return NodeStatus(node.name, node.role, "unreachable", words, cpus=node.cpus)
