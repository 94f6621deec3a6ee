"""What is to be, what is, and so what has to be done on each node; all of it pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.errors import RefusedError, UsageError
from contracts.inventory import Inventory, Node
from contracts.trial import canonical
from provision.facts import Facts

ENGINES = ("ray", "dask")
DASHBOARD = "-dashboard"
MONITOR = "monitor"
RUN_PREFIX = "run-"


@dataclass(frozen=True)
class Wanted:
    """What a node is to have: everything by fingerprint.

    `engine` is None where no engine is to run; `spec` then is empty. `credentials` are
    digests by file name.
    """

    engine: str | None
    spec: str
    monitor: str
    credentials: Mapping[str, str]


@dataclass(frozen=True)
class NodeWork:
    """What has to be done on one node; all false and empty where it is as wanted."""

    stop: tuple[str, ...] = ()
    code: bool = False
    put: tuple[str, ...] = ()
    monitor: bool = False
    start: bool = False

    @property
    def nothing(self) -> bool:
        """Whether the node is as wanted."""
        return not (self.stop or self.code or self.put or self.monitor or self.start)


def spec_of(request: Mapping[str, Any], credentials: Mapping[str, str]) -> str:
    """Return the fingerprint of an engine's processes on a node: equal means same."""
    text = canonical({"request": dict(request), "credentials": dict(credentials)})
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def chosen(inventory: Inventory, count: int) -> tuple[Node, ...]:
    """Return the nodes of a cluster of `count`, head first.

    Raises
    ------
    UsageError
        If the inventory has fewer.
    """
    if count > len(inventory.nodes):
        have = len(inventory.nodes)
        raise UsageError(
            f"--nodes {count} is more than the {have} machine{'s' if have != 1 else ''} of "
            f"cluster {inventory.cluster_id!r}.",
            next_step=f"fab local.up --nodes {count} (or more machines in your own inventory), "
            f"or --nodes {have}",
        )
    return inventory.first(count)


def work(
    wanted: Mapping[str, Wanted], facts: Mapping[str, Facts], head: str
) -> dict[str, NodeWork]:
    """Return what has to be done on each node, desired minus actual.

    Nodes that are not wanted any more end what they run. Where the head starts anew, all do:
    the workers of a head that is gone belong to nobody.
    """
    fresh = wanted[head].engine is not None and not _runs(wanted[head], facts[head])
    return {
        name: _node_work(wanted.get(name), one, everything=fresh) for name, one in facts.items()
    }


def active_runs(facts: Mapping[str, Facts]) -> dict[str, tuple[str, ...]]:
    """Return the runs whose driver is still at work, by node."""
    found = {
        name: tuple(
            record.removeprefix(RUN_PREFIX)
            for record, state in one.records.items()
            if record.startswith(RUN_PREFIX) and state.members
        )
        for name, one in facts.items()
    }
    return {name: runs for name, runs in found.items() if runs}


def refuse_disturbance(
    todo: Mapping[str, NodeWork], facts: Mapping[str, Facts], head: str
) -> None:
    """Refuse to end an engine on which a run is at work; to bring a lost node back is fine.

    Raises
    ------
    RefusedError
        It names the runs.
    """
    runs = [run for names in active_runs(facts).values() for run in names]
    ending = todo[head].start or any(
        name in facts[node].records and facts[node].records[name].complete
        for node, work in todo.items()
        for name in work.stop
        if name in ENGINES
    )
    if runs and ending:
        raise RefusedError(
            f"A run is at work on this cluster: {', '.join(runs)}.",
            cause="What was asked for would end it.",
            next_step="fab sweep.run goes on with it; fab cluster.stop ends it",
        )


def engine_records(facts: Facts) -> tuple[str, ...]:
    """Return the records of a node that belong to an engine, its dashboard's too."""
    return tuple(name for name in facts.records if name.removesuffix(DASHBOARD) in ENGINES)


def _node_work(wanted: Wanted | None, facts: Facts, *, everything: bool) -> NodeWork:
    running = engine_records(facts)
    if wanted is None:
        return NodeWork(stop=(*running, *((MONITOR,) if MONITOR in facts.records else ())))
    start = wanted.engine is not None and (everything or not _runs(wanted, facts))
    keep = wanted.engine if not start else None
    put = tuple(
        name
        for name, digest in wanted.credentials.items()
        if facts.credentials.get(name) != digest
    )
    monitor = facts.records.get(MONITOR)
    return NodeWork(
        stop=tuple(name for name in running if name.removesuffix(DASHBOARD) != keep),
        code=not facts.code,
        put=put,
        monitor=monitor is None or not monitor.complete or monitor.spec != wanted.monitor,
        start=start,
    )


def _runs(wanted: Wanted, facts: Facts) -> bool:
    record = facts.records.get(wanted.engine or "")
    return record is not None and record.complete and record.spec == wanted.spec
