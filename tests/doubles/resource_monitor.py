"""A double of Pulumi's engine, as far as a program and its providers see it.

It speaks the real protocol to the unchanged program and to real provider plugins, plans as the
engine does (check, diff, then create, update, replace or delete), and keeps a state. It is no
engine: no parallel steps, no secrets in the state, no component plugins, no policy.
"""

import threading
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    provider_pb2,
    resource_pb2,
    resource_pb2_grpc,
)

from tests.doubles.provider_plugins import PROVIDER_TYPE
from tests.doubles.stack_steps import Steps, to_dict, to_struct

STACK_TYPE = "pulumi:pulumi:Stack"


class ResourceMonitor(
    resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer
):
    """Answers a running program: each resource it registers becomes a step."""

    def __init__(self, steps: Steps, stack: str) -> None:
        self._steps = steps
        self._stack = stack
        self._root = ""
        self._lock = threading.Lock()
        self._failed = False
        self.registered: list[str] = []

    def RegisterResource(self, request: Any, context: Any) -> Any:
        """Bring one resource to what the program wants, and answer with its properties."""
        urn = self._urn(request)
        with self._lock:
            if self._failed:
                context.abort(grpc.StatusCode.UNAVAILABLE, "an earlier step failed")
            self.registered.append(urn)
            if not request.custom:
                return resource_pb2.RegisterResourceResponse(urn=urn, object=request.object)
            if request.type.startswith(PROVIDER_TYPE):
                inputs = to_dict(request.object)
                made = self._steps.note_provider(urn, request.type, inputs)
                return resource_pb2.RegisterResourceResponse(
                    urn=urn, id=made, object=request.object
                )
            try:
                record = self._bring(urn, request)
            except grpc.RpcError as error:
                self._fail(context, f"{request.name}: {error.details()}")
        return resource_pb2.RegisterResourceResponse(
            urn=urn, id=record["id"], object=to_struct(record["outputs"])
        )

    def Invoke(self, request: Any, context: Any) -> Any:
        """Let a provider look something up."""
        named = {"type": request.tok, "provider": _urn_of(request.provider)}
        try:
            with self._lock:
                provider = self._steps.provider(named)
            found = provider.Invoke(
                provider_pb2.InvokeRequest(tok=request.tok, args=request.args)
            )
        except grpc.RpcError as error:
            self._fail(context, f"{request.tok}: {error.details()}")
        answer = resource_pb2.ResourceInvokeResponse(failures=found.failures)
        getattr(answer, "return").CopyFrom(getattr(found, "return"))
        return answer

    def _urn(self, request: Any) -> str:
        kind = request.type
        parent = request.parent.split("::")[2] if request.parent else STACK_TYPE
        if parent != STACK_TYPE:
            kind = f"{parent}${kind}"
        return f"urn:pulumi:{self._stack}::{kind}::{request.name}"

    def _bring(self, urn: str, request: Any) -> dict[str, Any]:
        steps, old = self._steps, self._steps.checkpoint.resources.get(urn)
        record: dict[str, Any] = {
            "urn": urn,
            "type": request.type,
            "id": "",
            "provider": _urn_of(request.provider),
        }
        provider = steps.provider(record)
        wanted = to_dict(request.object)
        for name in request.ignoreChanges if old else ():
            wanted.pop(name, None)
            if name in old["inputs"]:
                wanted[name] = old["inputs"][name]
        checked = provider.Check(
            provider_pb2.CheckRequest(
                urn=urn, olds=to_struct(old["inputs"]) if old else None, news=to_struct(wanted)
            )
        )
        if checked.failures:
            raise CheckFailed("; ".join(failure.reason for failure in checked.failures))
        inputs = to_dict(checked.inputs)
        record |= {"inputs": inputs, "outputs": inputs}
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
                ignoreChanges=request.ignoreChanges,
            )
        )
        if diff.changes != provider_pb2.DiffResponse.DIFF_SOME:
            steps.say("same", urn)
            return old
        anew = any(
            old["inputs"].get(name) != inputs.get(name) for name in request.replaceOnChanges
        )
        if not diff.replaces and not anew:
            steps.update(record, old)
            if steps.dry_run:
                record["id"], record["outputs"] = old["id"], {**old["outputs"], **inputs}
        elif diff.deleteBeforeReplace or request.deleteBeforeReplace:
            steps.delete(old)
            steps.create(record)
        else:
            # The old one goes when all that refers to it refers to the new one.
            steps.create(record, replaces=old)
        return record

    def _fail(self, context: Any, reason: str) -> None:
        self._failed = True
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


def _urn_of(reference: str) -> str:
    """Return the URN within a reference to a provider, which ends with the provider's id."""
    return reference.rsplit("::", 1)[0] if reference else ""
