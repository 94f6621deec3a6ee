"""A double of the provider plugin `aws`: the protocol of the SDK on boto3 calls.

It needs an endpoint on loopback, in AWS_ENDPOINT_URL or in the provider's own configuration,
and refuses every other one: no test can reach a real account through it.
"""

import json
import secrets
from collections.abc import Mapping
from concurrent import futures
from typing import Any

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.doubles.aws import (
    kinds_groups,
    kinds_identity,
    kinds_machines,
    kinds_network,
    kinds_storage,
)
from tests.doubles.aws.clients import Clients
from tests.doubles.aws.kind import Gone, Kind, differences, is_gone
from tests.doubles.aws.lookups import LOOKUPS, NotFound
from tests.doubles.aws.wire import plain, to_dict, to_struct, unpacked

VERSION = "7.51.1"
KINDS: dict[str, type[Kind]] = {
    **kinds_network.KINDS,
    **kinds_groups.KINDS,
    **kinds_identity.KINDS,
    **kinds_storage.KINDS,
    **kinds_machines.KINDS,
}
# A hidden input, by which drift that has no input of its own becomes a difference.
_SEEN = "__seen"


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """Answers the engine."""

    def __init__(self) -> None:
        self._account = Clients({})

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:
        schema = json.dumps({"name": "aws", "version": VERSION})
        return provider_pb2.GetSchemaResponse(schema=schema)

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        olds, news = to_dict(request.old_inputs or request.olds), to_dict(request.news)
        moved = ["region"] if olds.get("region") != news.get("region") else []
        some = provider_pb2.DiffResponse.DIFF_SOME
        none = provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(replaces=moved, changes=some if moved else none)

    def Configure(self, request: Any, context: Any) -> Any:
        given = plain(to_dict(request.args)) or {
            name.split(":")[-1]: value for name, value in request.variables.items()
        }
        configuration = {name: unpacked(value) for name, value in given.items()}
        self._account = Clients(configuration)
        with told(context):
            try:
                _ = self._account.owner
            except (BotoCoreError, ClientError) as error:
                raise ValueError(
                    f"unable to validate AWS credentials.\nDetails: {error}\nMake sure you "
                    "have set your AWS region, e.g. `pulumi config set aws:region us-west-2`."
                ) from error
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Invoke(self, request: Any, context: Any) -> Any:
        with told(context):
            given = plain(to_dict(request.args))
            if request.tok not in LOOKUPS:
                raise NotImplementedError(f"this double has no look-up {request.tok}")
            try:
                found = LOOKUPS[request.tok](self._account, given)
            except NotFound as error:
                failure = provider_pb2.CheckFailure(reason=str(error))
                return provider_pb2.InvokeResponse(failures=[failure])
            answer = provider_pb2.InvokeResponse()
            getattr(answer, "return").CopyFrom(to_struct({**given, **found}))
            return answer

    def Check(self, request: Any, context: Any) -> Any:
        with told(context):
            kind, news, olds = (
                self._kind(request.urn),
                to_dict(request.news),
                to_dict(request.olds),
            )
            failures = [
                provider_pb2.CheckFailure(
                    property=name, reason=f"Missing required argument: {name}"
                )
                for name in kind.required
                if news.get(name) is None
            ]
            named = kind.named
            if named and not news.get(named):
                prefix = news.get(f"{named}Prefix") or f"{_name(request.urn)}-"
                own = str(olds.get(named, ""))
                kept = own.startswith(str(prefix)) and olds.get("__named")
                news[named] = own if kept else f"{prefix}{secrets.token_hex(4)[:7]}"
                news["__named"] = True
            inputs = to_struct(news)
            return provider_pb2.CheckResponse(inputs=inputs, failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        with told(context):
            kind = self._kind(request.urn)
            olds, news = to_dict(request.old_inputs), to_dict(request.news)
            ignored = tuple(request.ignoreChanges)
            found = [
                one
                for one in differences(olds, news)
                if one not in ignored and one.split(".")[0] not in ignored
            ]
            anew = [one for one in found if _replaces(kind, one, news)]
            some = provider_pb2.DiffResponse.DIFF_SOME
            none = provider_pb2.DiffResponse.DIFF_NONE
            detail = {one: _property_diff(one, olds, news, one in anew) for one in found}
            return provider_pb2.DiffResponse(
                changes=some if found else none,
                diffs=found,
                replaces=anew,
                deleteBeforeReplace=bool(anew) and kind.first_delete,
                detailedDiff=detail,
                hasDetailedDiff=True,
            )

    def Create(self, request: Any, context: Any) -> Any:
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        with told(context):
            kind, inputs = self._kind(request.urn), plain(to_dict(request.properties))
            made = kind.create(inputs, _name(request.urn))
            seen = {**inputs, **kind.read(made, inputs)}
            return provider_pb2.CreateResponse(id=made, properties=to_struct(seen))

    def Read(self, request: Any, context: Any) -> Any:
        with told(context):
            inputs, state = to_dict(request.inputs), to_dict(request.properties)
            try:
                found = self._kind(request.urn).read(request.id, {**inputs, **_hidden(state)})
            except (ClientError, Gone, IndexError) as error:
                if is_gone(error):
                    return provider_pb2.ReadResponse(id="")
                raise
            now = {name: found.get(name, value) for name, value in inputs.items()}
            now |= {name: found[name] for name in ("drift",) if name in found}
            return provider_pb2.ReadResponse(
                id=request.id,
                properties=to_struct({**state, **found}),
                inputs=to_struct(now),
            )

    def Update(self, request: Any, context: Any) -> Any:
        olds, news = plain(to_dict(request.old_inputs)), plain(to_dict(request.news))
        if request.preview:
            return provider_pb2.UpdateResponse(
                properties=to_struct({**to_dict(request.olds), **news})
            )
        with told(context):
            kind = self._kind(request.urn)
            kind.update(request.id, olds, news)
            seen = {**news, **kind.read(request.id, news)}
            return provider_pb2.UpdateResponse(properties=to_struct(seen))

    def Delete(self, request: Any, context: Any) -> Any:
        with told(context):
            try:
                self._kind(request.urn).delete(request.id, plain(to_dict(request.properties)))
            except (ClientError, Gone, IndexError) as error:
                if not is_gone(error):
                    raise
            return empty_pb2.Empty()

    def _kind(self, urn: str) -> Kind:
        token = urn.split("::")[2].split("$")[-1]
        if token not in KINDS:
            raise NotImplementedError(f"this double of the AWS provider has no {token}")
        return KINDS[token](self._account)


class told:
    """Turns what goes wrong into the error of the call, in the cloud's own words."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            self._context.abort(grpc.StatusCode.UNKNOWN, f"{error}" or repr(error))


def _replaces(kind: Kind, name: str, news: Mapping[str, Any]) -> bool:
    if name in kind.replaces or name.split(".")[0] in kind.replaces:
        return True
    data = name in ("userData", "userDataBase64")
    return data and bool(news.get("userDataReplaceOnChange"))


def _property_diff(
    name: str, olds: Mapping[str, Any], news: Mapping[str, Any], anew: bool
) -> Any:
    top = name.split(".")[0]
    kind = "ADD" if top not in olds else "DELETE" if top not in news else "UPDATE"
    value = getattr(provider_pb2.PropertyDiff, f"{kind}_REPLACE" if anew else kind)
    return provider_pb2.PropertyDiff(kind=value, inputDiff=True)


def _hidden(state: Mapping[str, Any]) -> dict[str, Any]:
    return {_SEEN: state[_SEEN]} if _SEEN in state else {}


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def serve(provider: provider_pb2_grpc.ResourceProviderServicer) -> None:
    """Serve until the engine ends this process; its first line is the port."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    serve(Provider())
