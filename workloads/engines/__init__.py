"""What an engine is to this project: slots on nodes, units handed to them, reports back.

Ray, Dask and the plain engine implement `Engine`; the executor knows nothing else of them.
A unit is plain JSON in and out and names a function that every node can import, so that
nothing but text crosses between machines.
"""

import importlib
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from contracts.errors import TandemError
from workloads.runs import RunSpec

DETAIL_LIMIT = 300

Status = Literal["ok", "error", "memory", "timeout", "killed"]


@dataclass(frozen=True)
class Unit:
    """The smallest piece of work that is sent anywhere.

    `function` is "module:name"; `arguments` are its keyword arguments as JSON; `weight` is
    a guess of its CPU seconds, used to start the longest first. A `program` is not sent to a
    slot: it runs beside the driver, with a client of the whole engine (workloads/programs.py).
    """

    unit_id: str
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    program: bool = False


@dataclass(frozen=True)
class Slot:
    """A place that works on one unit at a time: the `index`-th of a node, from 0."""

    node: str
    index: int

    @property
    def name(self) -> str:
        """The slot as people read it: `worker-1`, or `worker-1/2` for its third slot."""
        return self.node if self.index == 0 else f"{self.node}/{self.index}"


@dataclass(frozen=True)
class Outcome:
    """What one attempt at a unit came to.

    `error` is the unit's own exception, `memory` a lack of memory, `timeout` a unit that
    overran its deadline, `killed` the end of its process from without. `seconds` are wall
    time and `cpu_seconds` processor time of the attempt, measured where it ran.
    """

    status: Status
    value: Any = None
    reason: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class Finished:
    """The attempt with this ticket ended."""

    ticket: str
    outcome: Outcome


@dataclass(frozen=True)
class Lost:
    """A slot is gone, with whatever it was working on."""

    slot: Slot
    detail: str


@dataclass(frozen=True)
class Back:
    """A slot that was lost works again."""

    slot: Slot


@dataclass(frozen=True)
class Told:
    """The attempt with this ticket says how far it is: so many of so many steps, and which."""

    ticket: str
    done: int
    total: int
    words: str


Report = Finished | Lost | Back | Told


class EngineLost(TandemError):
    """The engine itself is gone: its head, its scheduler or the connection to it."""


class Engine(Protocol):
    """One running engine, seen from the driver.

    `submit` returns at once and is called only for a slot that works on nothing. `wait`
    returns what happened, as soon as anything did, or nothing after `timeout` seconds.
    """

    slots: Sequence[Slot]

    def connect(self, timeout: float) -> None:
        """Reach the engine and open every slot of the run, within `timeout` seconds.

        Raises
        ------
        DeadlineError
            If a node did not answer in time; the error names it.
        EngineLost
            If the engine does not answer or refuses the credentials.
        """

    def submit(self, ticket: str, slot: Slot, unit: Unit, deadline_seconds: float) -> None:
        """Start one attempt at a unit; its report will carry `ticket`."""

    def wait(self, timeout: float) -> list[Report]:
        """Return what happened; raises EngineLost when the engine is gone."""

    def release(self) -> None:
        """Leave the slots' places on the nodes to a program.

        No unit is submitted any more; `wait` goes on to tell which slots' nodes are lost.
        """

    def close(self) -> None:
        """Give the slots back; never waits for a unit that is still running."""


def slots_of(spec: RunSpec) -> tuple[Slot, ...]:
    """Return every slot of a run, node by node, head first."""
    return tuple(Slot(node, index) for node in spec.nodes for index in range(spec.slots[node]))


def first_line(error: BaseException) -> str:
    """Return what an engine's library has to say, as one line that fits into a record."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no detail'}"[:DETAIL_LIMIT]


def task_name(function: str) -> str:
    """Return what tasks of "module:name" are called in dashboards, profiles and task graphs.

    The name of the workload and that of the function, with hyphens: Dask takes what stands
    before the first word that is not of letters alone for the name of a group of tasks.

    >>> task_name("workloads.kmeans.lloyd:assess")
    'kmeans-assess'
    """
    module, _, name = function.partition(":")
    package, _, rest = module.partition(".")
    owner = rest.partition(".")[0] if package == "workloads" else module
    return "-".join(re.findall("[A-Za-z]+", f"{owner} {name}")) or "task"


def knock(address: str, seconds: float) -> None:
    """Open and close a connection to `host:port` or `scheme://host:port`, or raise OSError.

    The libraries of the engines try for minutes where nobody listens, or end the process.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    socket.create_connection((host, int(port)), timeout=seconds).close()


def open_engine(spec: RunSpec) -> Engine:
    """Return the engine that a run asks for, not yet connected.

    The libraries of an engine are imported only here: a run on Dask never loads Ray.
    """
    name = {"ray": "RayEngine", "dask": "DaskEngine", "plain": "PlainEngine"}[spec.engine]
    module = importlib.import_module(f"{__name__}.{spec.engine}_engine")
    make: Callable[[RunSpec], Engine] = getattr(module, name)
    return make(spec)
