"""The steps of Pulumi's engine on resources, and what it remembers between operations."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2

from tests.doubles.provider_plugins import PROVIDER_TYPE, ProviderPlugins


@dataclass
class Checkpoint:
    """What the engine remembers of a stack: its resources by URN, and steps under way.

    `replaced` are resources whose successor is there and which are still to be deleted.
    """

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    pending: list[dict[str, str]] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    replaced: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Outcome:
    """What one operation did: (kind, resource name) in order, and what was said."""

    steps: list[tuple[str, str]] = field(default_factory=list)
    diagnostics: list[str] = field(default_factory=list)
    succeeded: bool = True
    outputs: dict[str, Any] = field(default_factory=dict)

    def changes(self) -> list[tuple[str, str]]:
        """Return the steps that change something."""
        return [step for step in self.steps if step[0] not in ("same", "read")]

    def told(self) -> str:
        """Return all that was said, as one text."""
        return "\n".join(self.diagnostics)


class Steps:
    """Carries out steps on resources, and has each written down before and after."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        plugins: ProviderPlugins,
        outcome: Outcome,
        save: Callable[[], None],
        *,
        dry_run: bool,
    ) -> None:
        self.checkpoint = checkpoint
        self.plugins = plugins
        self.outcome = outcome
        self.dry_run = dry_run
        self._save = save
        self.providers = {
            urn: record
            for urn, record in checkpoint.resources.items()
            if record["type"].startswith(PROVIDER_TYPE)
        }

    def create(self, record: dict[str, Any], *, replaces: dict[str, Any] | None = None) -> None:
        """Create a resource and record it; what it `replaces` is left to be deleted."""
        with self._under_way("create", record["urn"]):
            if not self.dry_run:
                made = self.provider(record).Create(
                    provider_pb2.CreateRequest(
                        urn=record["urn"], properties=to_struct(record["inputs"])
                    )
                )
                record["id"], record["outputs"] = made.id, to_dict(made.properties)
                if replaces is not None:
                    self.checkpoint.replaced.append(replaces)
                    # The successor is younger than what it was put in the place of.
                    self.checkpoint.resources.pop(record["urn"], None)
                self.checkpoint.resources[record["urn"]] = record

    def update(self, record: dict[str, Any], old: dict[str, Any]) -> None:
        """Update a resource in place and record it."""
        with self._under_way("update", record["urn"]):
            if not self.dry_run:
                made = self.provider(record).Update(
                    provider_pb2.UpdateRequest(
                        id=old["id"],
                        urn=record["urn"],
                        olds=to_struct(old["outputs"]),
                        old_inputs=to_struct(old["inputs"]),
                        news=to_struct(record["inputs"]),
                    )
                )
                record["id"], record["outputs"] = old["id"], to_dict(made.properties)
                self.checkpoint.resources[record["urn"]] = record

    def delete(self, record: dict[str, Any]) -> None:
        """Delete a resource and forget it."""
        with self._under_way("delete", record["urn"]):
            if not self.dry_run:
                self.provider(record).Delete(
                    provider_pb2.DeleteRequest(
                        id=record["id"],
                        urn=record["urn"],
                        properties=to_struct(record["outputs"]),
                        old_inputs=to_struct(record["inputs"]),
                    )
                )
                if record in self.checkpoint.replaced:
                    self.checkpoint.replaced.remove(record)
                else:
                    del self.checkpoint.resources[record["urn"]]

    def refresh(self, record: dict[str, Any]) -> None:
        """Read a resource; record what it is now, or forget it."""
        found = self.provider(record).Read(
            provider_pb2.ReadRequest(
                id=record["id"],
                urn=record["urn"],
                properties=to_struct(record["outputs"]),
                inputs=to_struct(record["inputs"]),
            )
        )
        if not found.id:
            del self.checkpoint.resources[record["urn"]]
            self.say("delete", record["urn"])
        else:
            inputs = to_dict(found.inputs) if found.HasField("inputs") else record["inputs"]
            self.say("same" if inputs == record["inputs"] else "update", record["urn"])
            record.update(inputs=inputs, outputs=to_dict(found.properties))
        self._save()

    def say(self, kind: str, urn: str) -> None:
        """Note what was done to a resource."""
        self.outcome.steps.append((kind, urn.rsplit("::", 1)[-1]))

    def provider(self, record: dict[str, Any]) -> Any:
        """Return the provider that answers for a resource."""
        explicit = record.get("provider", "")
        return self.plugins.of_type(record["type"], self.providers.get(explicit))

    def note_provider(self, urn: str, token: str, inputs: dict[str, Any]) -> str:
        """Take up a provider that the program sets up itself; return its id."""
        record = {"urn": urn, "type": token, "id": "set-up", "inputs": inputs, "outputs": {}}
        self.providers[urn] = record
        if not self.dry_run:
            self.checkpoint.resources[urn] = record
            self._save()
        return "set-up"

    @contextmanager
    def _under_way(self, kind: str, urn: str) -> Iterator[None]:
        self.say(kind, urn)
        entry = {"kind": kind, "urn": urn}
        if not self.dry_run:
            self.checkpoint.pending.append(entry)
            self._save()
        try:
            yield
        finally:
            # A step that failed is over, too; only a killed engine leaves one under way.
            if not self.dry_run:
                self.checkpoint.pending.remove(entry)
                self._save()


def to_struct(values: dict[str, Any]) -> struct_pb2.Struct:
    """Return a JSON object as the protocol carries it."""
    return json_format.ParseDict(values, struct_pb2.Struct())


def to_dict(values: struct_pb2.Struct) -> dict[str, Any]:
    """Return what the protocol carries as a JSON object."""
    return json_format.MessageToDict(values)
