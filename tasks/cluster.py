"""`fab cluster.*`: an engine on the machines, and what one wants to see of it."""

import contextlib
import dataclasses
import json as json_format
import os
import shutil
import sys
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from contracts import inventory as inventories
from contracts.endpoint import ENGINES
from contracts.errors import TandemError, UsageError
from contracts.files import state_folder
from contracts.inventory import Inventory
from provision import bringup, first_contact, ssh_config
from provision import logs as node_logs
from provision import status as node_status
from provision.links import Links
from provision.plan import chosen
from tasks import access, care, dashboard
from tasks.progress import Progress, say
from tasks.verb import Answer, verb, whole_number
from tasks.waterfall import Waterfall

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
INVENTORY = "a file with your own machines, in place of the state folder's"
NODE = "the node's name, as fab cluster.status shows it"
MIB = 1024**2


@verb(
    help={
        "nodes": "how many machines take part, the head among them; by default all",
        "engine": f"{' or '.join(ENGINES)}",
        "inventory": INVENTORY,
        "budget": "money after which the machines end themselves, if that is before their "
        "time; by default the stack's",
        "dry-run": "check the request and say what it means; touch nothing",
    }
)
def start(
    context: Context,
    nodes: str = "",
    engine: str = "ray",
    inventory: str = "",
    budget: str = "",
    dry_run: bool = False,
) -> Answer:
    """Bring up Ray or Dask on the machines; switch or resize what runs; again: nothing to do.

    Every node gets the locked environment, the code and its credentials. The cluster counts as
    up when the head knows exactly the nodes asked for, and a client without credentials was
    refused on every node.
    """
    if engine not in ENGINES:
        raise UsageError(
            f"There is no engine {engine!r}.",
            next_step=f"--engine {' or --engine '.join(ENGINES)}",
        )
    machines = _inventory(inventory)
    count = whole_number(nodes, "--nodes") if nodes else len(machines.nodes)
    members = [node.name for node in chosen(machines, count)]
    if dry_run:
        steps = [one.__name__.replace("_", " ") for one in bringup.STEPS]
        words = f"Would run {engine} on {', '.join(members)}, by: {', '.join(steps)}."
        return Answer({"engine": engine, "nodes": members, "steps": steps}, words)
    path = _inventory_path(inventory)
    notes: list[str] = []
    limit = care.number(budget, "--budget") if budget else machines.budget
    if limit is not None:
        machines, notes = care.budgeted(machines, limit, path)
    waterfall = Waterfall(Progress())
    machines = first_contact.meet(machines, path, waterfall)
    request = bringup.Request(machines, count, engine, state_folder(), LOCK)
    started = bringup.start(request, waterfall)
    ssh_config.write(machines, state_folder())
    return _started(started, waterfall, notes)


@verb(help={"inventory": INVENTORY})
def status(context: Context, inventory: str = "") -> Answer:
    """Show each node's state, CPU, memory, object store and running tasks."""
    machines = _inventory(inventory)
    with Links(machines) as links:
        found = node_status.status(machines, state_folder(), links)
    engine = found.endpoint.engine if found.endpoint else "no engine"
    header = (
        f"{'node':<12} {'state':<16} {'CPUs used':>14} {'memory MiB':>15} "
        f"{'object store MiB':>17} {'tasks':>5}"
    )
    server = "" if found.database == "none" else f", database {found.database}"
    lines = [f"{found.cluster_id}: {engine}{server}", header, *map(_status_line, found.nodes)]
    if found.endpoint is None:
        lines.append("Next: fab cluster.start --nodes N --engine ray")
    return Answer(found.document(), "\n".join(lines))


@verb(
    help={
        "node": f"{NODE}; by default every node",
        "lines": "how many lines of each file",
        "follow": "go on with what is written, until Ctrl-C",
        "inventory": INVENTORY,
        "json": "print one JSON object; with --follow one for each line",
    }
)
def logs(
    context: Context,
    node: str = "",
    lines: str = "20",
    follow: bool = False,
    inventory: str = "",
    json: bool = False,
) -> Answer:
    """Show the last lines that engines and runs wrote on the nodes."""
    machines = _inventory(inventory)
    names = [_node(machines, node)] if node else [one.name for one in machines.nodes]
    count = whole_number(lines, "--lines")
    if follow:
        tell = _print_log_as_json if json else _print_log
        with Links(machines) as links, contextlib.suppress(KeyboardInterrupt):
            node_logs.follow(links, names, count, tell)
        return Answer({}, "")
    with Links(machines) as links:
        found = node_logs.last(links, names, count)
    text = "\n".join(
        _log_line(name, file, row)
        for name, files in found.done.items()
        for file, rows in files.items()
        for row in rows
    )
    document = {
        "nodes": found.done,
        "failed": {name: str(error) for name, error in found.failed.items()},
    }
    if found.failed:
        say(text)
        found.values()
    return Answer(document, text)


@verb(
    help={
        "node": f"{NODE}; by default the head",
        "inventory": INVENTORY,
        "print-only": "print the command and do not run it",
    }
)
def ssh(
    context: Context, node: str = "", inventory: str = "", print_only: bool = False
) -> Answer:
    """Open a shell on a node with plain ssh, the host keys pinned."""
    machines = _inventory(inventory)
    name = _node(machines, node) if node else machines.head.name
    config = ssh_config.write(machines, state_folder())
    command = ["ssh", "-F", str(config), ssh_config.alias(machines, machines.node(name))]
    if print_only:
        return Answer({"command": command, "ssh_config": str(config)}, " ".join(command))
    if shutil.which("ssh") is None:
        raise TandemError(
            "There is no program ssh on this machine.",
            next_step="install an OpenSSH client (apt-get install openssh-client)",
        )
    sys.stdout.flush()
    os.execvp("ssh", command)  # noqa: S606  a list of arguments, and no shell


@verb(help={"inventory": INVENTORY})
def stop(context: Context, inventory: str = "") -> Answer:
    """End everything that runs on the nodes; the machines, environments and logs stay."""
    machines = _inventory(inventory)
    ended = bringup.stop(machines, state_folder(), Progress())
    words = "\n".join(ended) if ended else "Nothing was running."
    return Answer({"stopped": list(ended)}, words)


def _inventory(path: str) -> Inventory:
    return inventories.load(_inventory_path(path))


def _inventory_path(path: str) -> Path:
    return Path(path) if path else state_folder() / "inventory.json"


def _node(machines: Inventory, name: str) -> str:
    names = [one.name for one in machines.nodes]
    if name not in names:
        raise UsageError(
            f"There is no node {name!r} in cluster {machines.cluster_id!r}.",
            next_step=f"--node with one of {', '.join(names)}",
        )
    return name


def _started(started: bringup.Started, waterfall: Waterfall, budget: list[str]) -> Answer:
    found = started.endpoint
    where = f"{found.engine} on {', '.join(found.nodes)}"
    if started.changed:
        words = [waterfall.text(), *started.changed, f"Up in {started.seconds:.1f} s: {where}."]
    else:
        words = [f"Nothing to change: {where} ({started.seconds:.1f} s)."]
    document = {
        "changed": list(started.changed),
        "notes": [*budget, *started.notes],
        "seconds": round(started.seconds, 3),
        "endpoint": dataclasses.asdict(found),
    }
    return Answer(document, "\n".join([*words, *budget, *started.notes]))


def _status_line(node: node_status.NodeStatus) -> str:
    cpu = "-" if node.cpus_used is None else f"{node.cpus_used:.2f} / {node.cpus:g}"
    memory = _share(node.memory_used, node.memory_total)
    store = _share(node.store_used, node.store_total)
    tasks = "-" if node.tasks is None else str(node.tasks)
    line = f"{node.name:<12} {node.state:<16} {cpu:>14} {memory:>15} {store:>17} {tasks:>5}"
    notes = [node.detail, f"run {node.run}" if node.run else ""]
    return "  ".join([line, *(note for note in notes if note)])


def _share(used: int | None, total: int | None) -> str:
    if used is None:
        return "-"
    return f"{used / MIB:.0f} / {total / MIB:.0f}" if total else f"{used / MIB:.0f}"


def _log_line(name: str, file: str, row: str) -> str:
    return f"{name} {file}: {row}"


def _print_log(name: str, file: str, row: str) -> None:
    # In one piece: Ctrl-C may strike between a line and its end.
    print(f"{_log_line(name, file, row)}\n", end="", flush=True)


def _print_log_as_json(name: str, file: str, row: str) -> None:
    line = {"node": name, "file": file, "line": row}
    print(f"{json_format.dumps(line, sort_keys=True)}\n", end="", flush=True)


collection = Collection(
    "cluster", start, status, logs, ssh, stop, access.allow, care.extend, care.save
)
collection.add_task(dashboard.show, name="dashboard")
