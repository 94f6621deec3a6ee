"""What the steps of a bring-up share: the request, the connections, what is known so far."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from contracts import endpoint as endpoints
from contracts.errors import UsageError
from contracts.inventory import Inventory, Node
from contracts.progress import Event, Tell
from provision import dask_cluster, ray_cluster
from provision.code_bundle import Bundle
from provision.command import Secret
from provision.environment_plan import EnvironmentPlan
from provision.facts import Facts
from provision.links import Links
from provision.lock import Lock
from provision.parallel import on_each
from provision.place import Place
from provision.plan import NodeWork, Wanted, chosen

T = TypeVar("T")
ENGINES: Mapping[str, ModuleType] = {"ray": ray_cluster, "dask": dask_cluster}


@dataclass(frozen=True)
class Request:
    """What is to be: `nodes` machines of the inventory with `engine`, or with none.

    `state` is the operator's folder, `lock` the nodes' lock file. `root` is the folder of the
    project's sources, by default the one that runs.
    """

    inventory: Inventory
    nodes: int
    engine: str | None
    state: Path
    lock: Path
    root: Path | None = None


@dataclass
class Context:
    """One bring-up under way. `phases` are the seconds of each step, by node."""

    request: Request
    links: Links
    lock: Lock
    bundle: Bundle
    members: tuple[Node, ...]
    listener: Tell
    reached: list[str] = field(default_factory=list)
    owners: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    plans: dict[str, EnvironmentPlan] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    secrets: dict[str, dict[str, Secret]] = field(default_factory=dict)
    wanted: dict[str, Wanted] = field(default_factory=dict)
    todo: dict[str, NodeWork] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    phases: dict[str, dict[str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def engine(self) -> ModuleType:
        """The module of the engine that is wanted."""
        return ENGINES[self.request.engine or ""]

    @property
    def head(self) -> Node:
        """The head's machine."""
        return self.members[0]

    @property
    def names(self) -> list[str]:
        """The names of all members, head first."""
        return [node.name for node in self.members]

    @property
    def surplus(self) -> list[str]:
        """The names of the machines that are not to take part."""
        return [one.name for one in self.request.inventory.nodes if one not in self.members]

    def tell(self, event: Event) -> None:
        """Pass an event on, and keep how long a step took."""
        if event.state == "done":
            with self._lock:
                steps = self.phases.setdefault(event.subject, {})
                steps[event.step] = round(steps.get(event.step, 0.0) + event.seconds, 3)
        self.listener(event)

    def each(
        self, what: str, names: list[str], work: Callable[[str], T], seconds: float
    ) -> dict[str, T]:
        """Do work on many nodes at once; one error carries every outcome."""
        return on_each(what, names, work, seconds=seconds).values() if names else {}


def members_of(request: Request) -> tuple[Node, ...]:
    """Check a request and return the nodes of the cluster, head first.

    Raises
    ------
    UsageError
        If it asks for an engine or a number of nodes that there is not.
    """
    known = endpoints.ENGINES
    if request.engine is not None and request.engine not in known:
        raise UsageError(
            f"There is no engine {request.engine!r}.",
            next_step=f"--engine {' or --engine '.join(known)}",
        )
    if request.nodes < 1:
        raise UsageError(
            f"--nodes must be a whole number from 1, not {request.nodes}.",
            next_step="--nodes 1 is the head alone",
        )
    return chosen(request.inventory, request.nodes)
