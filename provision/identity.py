"""Is a machine the one that the inventory means? Asked before any command runs there."""

import json
from typing import Any

from contracts.endpoint import Endpoint
from contracts.errors import RefusedError
from contracts.inventory import Inventory, Node
from provision.connection import Connection

# Relative to the folder in which an SFTP session begins, the user's own.
OWNER_FILE = ".tandem/cluster.json"
LIMIT = 4096


def owner_of(inventory: Inventory, node: Node) -> dict[str, Any]:
    """Return what a node is told of whose it is."""
    return {
        "cluster_id": inventory.cluster_id,
        "generation": inventory.generation,
        "node": node.name,
    }


def read_owner(connection: Connection) -> dict[str, Any] | None:
    """Read whose a machine is, by file transfer alone: no command runs."""
    text = connection.get(OWNER_FILE, limit=LIMIT)
    try:
        document = json.loads(text) if text else None
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def check_owner(inventory: Inventory, node: Node, owner: dict[str, Any] | None) -> None:
    """Refuse a machine that belongs to another cluster, or to a newer inventory.

    Raises
    ------
    RefusedError
        It says whose the machine is.
    """
    if owner is None:
        return
    cluster, generation = owner.get("cluster_id"), owner.get("generation")
    if cluster != inventory.cluster_id:
        raise RefusedError(
            f"{node.name} belongs to cluster {cluster!r:.40}, not to {inventory.cluster_id!r}.",
            cause=f"The file ~/{OWNER_FILE} on it says so.",
            next_step="fab cluster.stop with that cluster's inventory releases it",
        )
    if not isinstance(generation, int) or generation > inventory.generation:
        raise RefusedError(
            f"The inventory is stale: it is generation {inventory.generation}, and "
            f"{node.name} was already part of generation {generation!r:.20}.",
            next_step="use the newest inventory: fab local.up or pulumi up writes it",
        )
    if generation == inventory.generation and owner.get("node") != node.name:
        raise RefusedError(
            f"The machine that the inventory calls {node.name} is "
            f"{owner.get('node')!r:.40} of the same cluster.",
            next_step="use the newest inventory: fab local.up or pulumi up writes it",
        )


def check_generation(inventory: Inventory, endpoint: Endpoint | None) -> None:
    """Refuse an inventory older than the one with which the cluster was last started.

    Raises
    ------
    RefusedError
        It names both generations.
    """
    if endpoint is None or endpoint.cluster_id != inventory.cluster_id:
        return
    if inventory.generation < endpoint.generation:
        raise RefusedError(
            f"The inventory is stale: it is generation {inventory.generation}, and the cluster "
            f"was started with generation {endpoint.generation}.",
            next_step="use the newest inventory: fab local.up or pulumi up writes it",
        )
