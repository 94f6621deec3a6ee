"""A double of Pulumi's engine, as far as a program and its providers see it.

It speaks the real protocol to the unchanged program and to real provider plugins, plans as the
engine does (check, diff, then create, update, replace or delete), and keeps a state. It is no
engine: no parallel steps, no secrets in the state, no component plugins, no policy.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    provider_pb2,
    resource_pb2,
    resource_pb2_grpc,
)

from tests.doubles.provider_plugins import ProviderPlugins

STACK_TYPE = "pulumi:pulumi:Stack"


@dataclass
class Checkpoint:
    """What the engine remembers of a stack: its resources by URN, and steps under way."""

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    pending: list[dict[str, str]] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """What one operation did: (kind, resource name) in order, and what was said."""

    steps: list[tuple[str, str]] = field(default_factory=list)
    diagnostics: list[str] = field(default_factory=list)
    succeeded: bool = True
    outputs: dict[str, Any] = field(default_factory=dict)

    def changes(self) -> list[tuple[str, str]]:
        """Return the steps that change something."""
        return [step for step in self.steps if step[0] != "same"]


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

    def create(self, record: dict[str, Any]) -> None:
        """Create a resource and record it."""
        with self._under_way("create", record["urn"]):
            if not self.dry_run:
                made = self._provider(record).Create(
                    provider_pb2.CreateRequest(
                        urn=record["urn"], properties=to_struct(record["inputs"])
                    )
                )
                record["id"], record["outputs"] = made.id, to_dict(made.properties)
                self.checkpoint.resources[record["urn"]] = record

    def update(self, record: dict[str, Any], old: dict[str, Any]) -> None:
        """Update a resource in place and record it."""
        with self._under_way("update", record["urn"]):
            if not self.dry_run:
                made = self._provider(record).Update(
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
                self._provider(record).Delete(
                    provider_pb2.DeleteRequest(
                        id=record["id"],
                        urn=record["urn"],
                        properties=to_struct(record["outputs"]),
                    )
                )
                del self.checkpoint.resources[record["urn"]]

    def refresh(self, record: dict[str, Any]) -> None:
        """Read a resource; record what it is now, or forget it."""
        found = self._provider(record).Read(
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

    def _provider(self, record: dict[str, Any]) -> Any:
        return self.plugins.of_type(record["type"])

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


class ResourceMonitor(
    resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer
):
    """Answers a running program: each resource it registers becomes a step."""

    def __init__(self, steps: Steps, stack: str) -> None:
        self._steps = steps
        self._stack = stack
        self._root = ""
        self._lock = threading.Lock()
        self.registered: list[str] = []

    def RegisterResource(self, request: Any, context: Any) -> Any:
        """Bring one resource to what the program wants, and answer with its properties."""
        urn = f"urn:pulumi:{self._stack}::{request.type}::{request.name}"
        with self._lock:
            self.registered.append(urn)
            if not request.custom:
                return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)
            try:
                record = self._bring(urn, request)
            except grpc.RpcError as error:
                self._fail(context, f"{request.name}: {error.details()}")
        return resource_pb2.RegisterResourceResponse(
            urn=urn, id=record["id"], object=to_struct(record["outputs"])
        )

    def _bring(self, urn: str, request: Any) -> dict[str, Any]:
        steps, old = self._steps, self._steps.checkpoint.resources.get(urn)
        provider = steps.plugins.of_type(request.type)
        checked = provider.Check(
            provider_pb2.CheckRequest(
                urn=urn, olds=to_struct(old["inputs"]) if old else None, news=request.object
            )
        )
        if checked.failures:
            raise CheckFailed("; ".join(failure.reason for failure in checked.failures))
        inputs = to_dict(checked.inputs)
        record = {
            "urn": urn,
            "type": request.type,
            "id": "",
            "inputs": inputs,
            "outputs": inputs,
        }
        if old is None:
            steps.create(record)
            return record
        diff = provider.Diff(
            provider_pb2.DiffRequest(
                id=old["id"],
                urn=urn,
                olds=to_struct(old["outputs"]),
                old_inputs=to_struct(old["inputs"]),
                news=to_struct(inputs),
            )
        )
        if diff.replaces:
            steps.delete(old)
            steps.create(record)
        elif diff.changes == provider_pb2.DiffResponse.DIFF_SOME:
            steps.update(record, old)
        else:
            steps.say("same", urn)
            return old
        return record

    def _fail(self, context: Any, reason: str) -> None:
        self._steps.outcome.diagnostics.append(reason)
        context.abort(grpc.StatusCode.UNKNOWN, reason)

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        """Keep the outputs of the stack."""
        if f"::{STACK_TYPE}::" in request.urn:
            self._steps.outcome.outputs = to_dict(request.outputs)
        return empty_pb2.Empty()

    def Log(self, request: Any, context: Any) -> Any:
        """Keep what the program says, above debugging."""
        if request.severity > engine_pb2.DEBUG:
            self._steps.outcome.diagnostics.append(request.message.strip())
        return empty_pb2.Empty()

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:
        """Offer no optional features."""
        return resource_pb2.DeploymentInfo()

    def SupportsFeature(self, request: Any, context: Any) -> Any:
        """Offer no optional features."""
        return resource_pb2.SupportsFeatureResponse(hasSupport=False)

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:
        """Let the program end."""
        return empty_pb2.Empty()

    def GetRootResource(self, request: Any, context: Any) -> Any:
        """Return the stack's URN."""
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    def SetRootResource(self, request: Any, context: Any) -> Any:
        """Remember the stack's URN."""
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()


class CheckFailed(grpc.RpcError):
    """A provider found the inputs of a resource wrong."""

    def details(self) -> str:
        """Return what is wrong."""
        return str(self.args[0])


def to_struct(values: dict[str, Any]) -> struct_pb2.Struct:
    """Return a JSON object as the protocol carries it."""
    return json_format.ParseDict(values, struct_pb2.Struct())


def to_dict(values: struct_pb2.Struct) -> dict[str, Any]:
    """Return what the protocol carries as a JSON object."""
    return json_format.MessageToDict(values)
