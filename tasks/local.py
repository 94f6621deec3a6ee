"""`fab local.*`: machines on this computer, as containers with sshd."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invoke.collection import Collection
from invoke.context import Context

from contracts.errors import RefusedError
from contracts.files import state_folder
from contracts.inventory import Inventory
from infra import local_bucket, local_nodes
from infra.local_plan import Plan
from infra.settings import Door, check_name, parse_local
from tasks import local_clusters
from tasks.progress import Progress
from tasks.verb import Answer, verb

CLUSTER = "local"
NAME = "the cluster's name; several can stand side by side, each with its own TANDEM_STATE"


@verb(
    help={
        "nodes": "how many machines, the head among them",
        "cpus": "CPUs of each machine; a fraction is allowed",
        "memory": "memory of each machine, such as 3g or 512m",
        "name": NAME,
        "price": "notional price of a machine and hour, to show what a run would cost",
        "currency": "currency of that price, three letters",
        "dry-run": "say what would be done and do nothing",
    }
)
def up(
    context: Context,
    nodes: str = "3",
    cpus: str = "0.6",
    memory: str = "3g",
    name: str = CLUSTER,
    price: str = "",
    currency: str = "EUR",
    dry_run: bool = False,
) -> Answer:
    """Make the machines as asked: create, remove or resize what differs, keep the rest."""
    given: dict[str, Any] = {"name": name, "nodes": nodes, "cpus": cpus, "memory": memory}
    given["currency"] = currency
    if price:
        given["price"] = price
    settings = parse_local(
        given,
        state=state_folder(),
        door="fab",
        source="local.up",
        next_step="fab local.up --nodes 3 --cpus 0.6 --memory 3g",
    )
    plan = local_nodes.preview(settings)
    if dry_run:
        return Answer(_plan_document(plan), _plan_text(plan, "Would ", "Nothing to change."))
    inventory = local_nodes.up(settings, Progress())
    document = {
        **_plan_document(plan),
        "cluster_id": inventory.cluster_id,
        "generation": inventory.generation,
        "inventory": str(settings.state / "inventory.json"),
        "nodes": [node.name for node in inventory.nodes],
    }
    return Answer(document, _up_text(plan, inventory))


@verb(
    help={
        "name": NAME,
        "every": "remove every cluster of this state folder and of those below it",
        "dry-run": "say what would be removed and remove nothing",
    }
)
def down(
    context: Context, name: str = CLUSTER, every: bool = False, dry_run: bool = False
) -> Answer:
    """Remove the machines of a cluster, half-made ones too, with their network and keys."""
    state = state_folder()
    check_name(name)
    if every:
        return _every_down(state, dry_run)
    if dry_run:
        return _removal(local_nodes.removable(name, "fab", state), dry_run=True)
    return _removal(local_nodes.down(name, "fab", state, Progress()), dry_run=False)


@verb(help={"name": NAME})
def bucket(context: Context, name: str = CLUSTER) -> Answer:
    """Give the machines a bucket, on an S3 server (versitygw) in their own network."""
    check_name(name)
    state = state_folder()
    made, changed = local_bucket.add(name, state, Progress())
    words = f"Done: the machines have the bucket {made}." if changed else "Nothing to change."
    document = {"cluster_id": name, "bucket": made, "changes": changed}
    return Answer(document, f"{words}\nNext: fab cluster.start brings its key to the nodes")


def _every_down(state: Path, dry_run: bool) -> Answer:
    """Remove what `fab local.up` made, then name what only pulumi may remove."""
    found = local_clusters.of_state(state)
    ours = [one for one in found if one.door == "fab"]
    if not ours:
        ours = [local_clusters.Cluster(CLUSTER, "fab", state)]  # its keys, if there are any
    take = local_nodes.removable if dry_run else functools.partial(_removed, tell=Progress())
    names = [name for one in ours for name in take(one.name, "fab", one.state)]
    others = [one for one in found if one.door != "fab"]
    if others and not dry_run:
        raise RefusedError(
            f"The clusters {', '.join(one.name for one in others)} were made by pulumi.",
            cause=f"Removed: {', '.join(names) or 'nothing'}.",
            next_step="; ".join(one.removal for one in others),
        )
    return _removal(names, dry_run=dry_run)


def _removal(names: Sequence[str], *, dry_run: bool) -> Answer:
    begin = "Would remove" if dry_run else "Removed"
    words = f"{begin} {', '.join(names)}." if names else "Nothing to remove."
    return Answer({"would_remove" if dry_run else "removed": list(names)}, words)


def _removed(name: str, door: Door, state: Path, *, tell: Progress) -> tuple[str, ...]:
    return local_nodes.down(name, door, state, tell)


@verb(help={"name": NAME})
def status(context: Context, name: str = CLUSTER) -> Answer:
    """Show the machines of a cluster as the Docker engine has them."""
    check_name(name)
    found = local_nodes.observe(name)
    machines = [
        {
            "name": one.name,
            "state": one.state,
            "cpus": one.cpus,
            "memory_bytes": one.memory_bytes,
            "address": one.address,
            "ssh_port": one.ssh_port,
            "door": one.door,
        }
        for one in found.machines
    ]
    lines = [
        f"{one.name:<10} {one.state:<8} {one.cpus:5.2f} CPU "
        f"{one.memory_bytes / 1024**3:6.2f} GiB  {one.address:<15} "
        f"ssh 127.0.0.1:{one.ssh_port or '-'}  made by {one.door}"
        for one in found.machines
    ]
    nothing = f"There are no machines in cluster {name}. Next: fab local.up --nodes 3"
    document: dict[str, Any] = {"cluster_id": name, "machines": machines}
    if found.store:
        document["bucket"] = {"name": found.store.bucket, "state": found.store.state}
        lines.append(f"{'bucket':<10} {found.store.state:<8} {found.store.bucket}")
    return Answer(document, "\n".join(lines) or nothing)


def _plan_document(plan: Plan) -> dict[str, Any]:
    return {
        "changes": plan.changes,
        "create": list(plan.create),
        "remove": list(plan.remove),
        "resize": list(plan.resize),
        "start": [*plan.start, *plan.resume],
        "keep": list(plan.keep),
        "replaced": plan.replaced,
    }


def _plan_text(plan: Plan, lead: str, nothing: str) -> str:
    replaced = [f"{name} ({reason})" for name, reason in plan.replaced.items()]
    parts = [
        ("create", [name for name in plan.create if name not in plan.replaced]),
        ("replace", replaced),
        ("remove", [name for name in plan.remove if name not in plan.replaced]),
        ("change the limits of", plan.resize),
        ("start", [*plan.start, *plan.resume]),
    ]
    words = [f"{verb} {', '.join(names)}" for verb, names in parts if names]
    if plan.network and not words:
        words = ["make the network"]
    return f"{lead}{'; '.join(words)}." if words else nothing


def _up_text(plan: Plan, inventory: Inventory) -> str:
    count = len(inventory.nodes)
    nothing = f"Nothing to change: {count} machine{'s' if count > 1 else ''} as asked."
    done = _plan_text(plan, "Done: ", nothing)
    return f"{done}\nNext: fab cluster.start --nodes {count} --engine ray"


collection = Collection("local", up, down, status, bucket)
