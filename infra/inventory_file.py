"""`inventory.json` as a resource of Pulumi: there after `up`, gone after `destroy`."""

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from contracts import endpoint as endpoints
from contracts import inventory as inventories
from contracts.errors import InvalidDocument, UsageError
from contracts.inventory import Inventory, Node


class InventoryFileProvider(ResourceProvider):
    """Compares the file with the machines at each run, so that `up` mends it."""

    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse to replace the inventory of another cluster."""
        found = known(Path(news["state"]))
        failures = []
        ours = (news["provider"], news["cluster_id"])
        if found is not None and (found.provider, found.cluster_id) != ours:
            words = (
                f"{news['state']}/inventory.json describes cluster {found.cluster_id} "
                f"({found.provider}), and this would replace it by {ours[1]} ({ours[0]}).\n"
                "Next: remove that cluster first, or the file if its machines are gone, or set "
                "TANDEM_STATE to another folder"
            )
            failures.append(CheckFailure("state", words))
        return CheckResult(news, failures)

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Write the file."""
        return CreateResult(props["cluster_id"], _write(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Say whether the file is what it should be."""
        if pulumi.contains_unknowns(_news["document"]):
            return DiffResult(changes=True)
        before = known(Path(_news["state"]))
        wanted = _parse(_news["document"])
        same = before is not None and before == merged(wanted, before, _last(_olds))
        return DiffResult(changes=not same)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Write the file anew; what first contact pinned stays."""
        return UpdateResult(_write(_news, _last(_olds)))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove the file, and endpoint and credentials of the cluster."""
        state = Path(_props["state"])
        found = known(state)
        if found is not None and found.cluster_id == _id:
            (state / "inventory.json").unlink()
        with contextlib.suppress(UsageError):
            if endpoints.load(state / "endpoint.json").cluster_id == _id:
                (state / "endpoint.json").unlink()
        shutil.rmtree(state / "credentials" / _id, ignore_errors=True)


class InventoryFile(Resource, name="InventoryFile"):
    """The file; `inventory` is the document that was written."""

    inventory: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        *,
        state: Path,
        provider: str,
        cluster_id: str,
        document: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        inputs = {
            "state": str(state),
            "provider": provider,
            "cluster_id": cluster_id,
            # As a text: in Pulumi's own numbers a port would be a fraction.
            "document": document,
            "inventory": None,
        }
        super().__init__(InventoryFileProvider(), name, inputs, opts)


def known(state: Path) -> Inventory | None:
    """Return the inventory that is in a state folder; None if there is none that is whole."""
    path = state / "inventory.json"
    try:
        return inventories.load(path) if path.exists() else None
    except InvalidDocument:
        return None


def merged(
    wanted: Inventory, before: Inventory | None, last: Inventory | None = None
) -> Inventory:
    """Return what to write: wanted, with what was learnt since about the same machines.

    A machine that was given a fresh host key keeps it. A lifetime that was extended, or that
    a budget shortened, stays so until the stack itself wants another than in `last`, which is
    what it wanted before. The generation grows when anything else changed.
    """
    if before is None or before.cluster_id != wanted.cluster_id:
        return wanted
    there = {node.instance_id: node for node in before.nodes}
    nodes = tuple(_with_known_key(node, there.get(node.instance_id)) for node in wanted.nodes)
    found = dataclasses.replace(wanted, nodes=nodes, generation=before.generation)
    if before.created_at == wanted.created_at:
        last = last or wanted
        end = before if last.ttl_hours == wanted.ttl_hours else wanted
        budget = before.budget if last.budget == wanted.budget else wanted.budget
        found = dataclasses.replace(
            found, expires_at=end.expires_at, ttl_hours=end.ttl_hours, budget=budget
        )
    if found == before:
        return found
    return dataclasses.replace(found, generation=before.generation + 1)


def as_text(document: Mapping[str, Any]) -> str:
    """Return an inventory's document without what is absent, in JSON."""
    nodes = [_present(node) for node in document["nodes"]]
    return json.dumps({**_present(document), "nodes": nodes}, sort_keys=True)


def _present(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}


def _with_known_key(node: Node, before: Node | None) -> Node:
    first = node.temporary_host_key
    if before is None or before.host_key == first:
        return node
    return dataclasses.replace(
        node, host_key=before.host_key, temporary_host_key=before.temporary_host_key
    )


def _parse(document: str) -> Inventory:
    return inventories.parse(document, source="the inventory of the stack")


def _last(olds: dict[str, Any]) -> Inventory | None:
    """Return what the stack wanted at its last `up`; None if that cannot be known."""
    with contextlib.suppress(InvalidDocument, KeyError, TypeError):
        return _parse(olds["document"])
    return None


def _write(properties: dict[str, Any], last: Inventory | None = None) -> dict[str, Any]:
    state = Path(properties["state"])
    before = known(state)
    inventory = merged(_parse(properties["document"]), before, last)
    if inventory != before:
        inventories.dump(inventory, state / "inventory.json")
    return {**properties, "inventory": inventories.as_document(inventory)}
