"""The local machines as one resource of Pulumi, made by the same driver as `fab local.up`.

One resource for the whole cluster: its machines share a network, a key and an inventory, and
the driver already compares what should be with what is, so scaling is an update in place.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from contracts import inventory as inventories
from contracts.errors import RefusedError, TandemError
from contracts.inventory import Inventory
from contracts.progress import Event
from infra import local_nodes
from infra.settings import LocalSettings

_IDENTITY = ("cluster_id", "state")
_SIZE = ("nodes", "cpus", "memory_bytes", "hourly_price", "currency")


class LocalMachinesProvider(ResourceProvider):
    """What Pulumi's engine asks of the driver."""

    # There is no secret in it, and a plain text in the state can be read by people.
    serialize_as_secret_always = False

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Refuse, before anything is touched, what the driver would refuse."""
        failures = []
        try:
            _check_state_folder(_olds.get("state"), news["state"])
            local_nodes.preview(settings_of(news))
        except TandemError as error:
            failures.append(CheckFailure("nodes", str(error)))
        return CheckResult(news, failures)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Compare with the machines themselves too, so that `up` repairs without a refresh."""
        replaces = ["cluster_id"] if _olds.get("cluster_id") != _news["cluster_id"] else []
        settings = settings_of(_news)
        changes = (
            any(_olds.get(name) != _news.get(name) for name in _SIZE)
            or not (settings.state / "inventory.json").exists()
            or local_nodes.preview(settings).changes
        )
        return DiffResult(
            changes=bool(replaces) or changes, replaces=replaces, delete_before_replace=True
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the machines; what an interrupted attempt left is taken over."""
        inventory = local_nodes.up(settings_of(props), _tell)
        return CreateResult(inventory.cluster_id, _outputs(props, inventory))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Scale, resize or repair in place."""
        return UpdateResult(_outputs(_news, local_nodes.up(settings_of(_news), _tell)))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Say what is there now, so that `pulumi refresh` sees what changed behind its back."""
        found = local_nodes.observe(id_)
        running = [machine for machine in found.machines if machine.state == "running"]
        if not running:
            return ReadResult("", {})
        actual = {
            "nodes": len(running),
            "cpus": min(machine.cpus for machine in running),
            "memory_bytes": min(machine.memory_bytes for machine in running),
        }
        inputs = {name: props[name] for name in (*_IDENTITY, *_SIZE) if name in props}
        return ReadResult(id_, {**props, **actual}, {**inputs, **actual})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove all machines of the cluster, half-made ones too."""
        local_nodes.down(_id, "pulumi", Path(_props["state"]), _tell)


class LocalMachines(Resource, name="LocalMachines"):
    """The machines of one cluster; `inventory` is the document of contracts.inventory."""

    inventory: pulumi.Output[dict[str, Any]]

    def __init__(self, name: str, settings: LocalSettings) -> None:
        inputs = dataclasses.asdict(settings)
        wanted = {key: inputs[key] for key in (*_IDENTITY, *_SIZE)}
        wanted["state"] = str(settings.state)
        super().__init__(LocalMachinesProvider(), name, {**wanted, "inventory": None})


def settings_of(properties: dict[str, Any]) -> LocalSettings:
    """Return the settings that a resource's properties mean; Pulumi's numbers are floats."""
    return LocalSettings(
        nodes=int(properties["nodes"]),
        cpus=float(properties["cpus"]),
        memory_bytes=int(properties["memory_bytes"]),
        state=Path(properties["state"]),
        cluster_id=properties["cluster_id"],
        door="pulumi",
        hourly_price=properties.get("hourly_price"),
        currency=properties["currency"],
    )


def _check_state_folder(before: str | None, now: str) -> None:
    # To Pulumi this would be a replacement: the machines of one folder removed because
    # somebody set TANDEM_STATE to another.
    if before is not None and before != now:
        raise RefusedError(
            f"The machines of this stack belong to the state folder {before}, not to {now}.",
            next_step=f"set TANDEM_STATE={before}, or take another stack for other machines",
        )


def _outputs(properties: dict[str, Any], inventory: Inventory) -> dict[str, Any]:
    return {**properties, "inventory": inventories.as_document(inventory)}


def _tell(event: Event) -> None:
    # Pulumi shows what a provider writes to standard error beside the resource.
    if event.state in ("started", "done", "failed"):
        took = f" {event.seconds:.1f} s" if event.state != "started" else ""
        # One write a line, or the lines of machines that are made at once run together.
        sys.stderr.write(f"{event.subject} {event.step} {event.state}{took}\n")
