"""Questions to Ray's services, asked with its own message types but without loading Ray.

Loading Ray takes a small machine most of a second; gRPC and the message types take a tenth.
"""

from __future__ import annotations

import http.client
import importlib
import os
import sys
import sysconfig
import types
from typing import Any

import grpc  # type: ignore[import-untyped]

from provision.node.program import Failure

NODES = "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo"
USAGE = "/ray.rpc.NodeResourceInfoGcsService/GetAllResourceUsage"
STATS = "/ray.rpc.NodeManagerService/GetNodeStats"
ALIVE = 0
REFUSALS = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_PACKAGES = ("ray", "ray.core", "ray.core.generated")


def messages(name: str) -> Any:
    """Return a module of Ray's generated message types."""
    if "ray" not in sys.modules:
        root = sysconfig.get_paths()["platlib"]
        for package in _PACKAGES:
            module = types.ModuleType(package)
            module.__path__ = [os.path.join(root, *package.split("."))]
            sys.modules[package] = module
    return importlib.import_module(f"ray.core.generated.{name}")


def forget() -> None:
    """Undo the shortcut of `messages`, so that Ray itself can be loaded."""
    for name in [one for one in sys.modules if one.split(".")[0] == "ray"]:
        del sys.modules[name]


def ask(
    address: str, method: str, *, token: str | None, reply: Any = None, timeout: float = 5.0
) -> Any:
    """Call a method with an empty request; `reply` is the type that it answers with."""
    metadata = [("authorization", f"Bearer {token}")] if token else None
    decode = reply.FromString if reply else None
    with grpc.insecure_channel(address) as channel:
        question = channel.unary_unary(method, response_deserializer=decode)
        return question(b"", timeout=timeout, metadata=metadata)


def alive_nodes(address: str, token: str, timeout: float = 5.0) -> dict[str, Any]:
    """Return name, address and resources of each node that the head counts as alive."""
    reply = messages("gcs_service_pb2").GetAllNodeInfoReply
    answer = ask(address, NODES, token=token, reply=reply, timeout=timeout)
    return {
        one.node_name: {
            "address": one.node_manager_address,
            "id": one.node_id.hex(),
            "resources": dict(one.resources_total),
        }
        for one in answer.node_info_list
        if one.state == ALIVE
    }


def refuses(
    address: str, method: str, *, token: str | None = None, timeout: float = 5.0
) -> bool:
    """Say whether a gRPC port refuses a client that has no token, or the given one.

    Raises
    ------
    Failure
        If it answers neither way.
    """
    try:
        ask(address, method, token=token, timeout=timeout)
    except grpc.RpcError as error:
        if error.code() in REFUSALS:
            return True
        raise Failure(
            f"{address} answers a client without a token with {error.code().name}.",
            cause=str(error.details())[:300],
        ) from error
    return False


def refuses_http(host: str, port: int, path: str, timeout: float = 5.0) -> bool:
    """Say whether an HTTP port refuses a client without a token."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("POST", path)
        return connection.getresponse().status in (401, 403)
    except OSError as error:
        raise Failure(f"{host}:{port} does not answer: {error}.") from error
    finally:
        connection.close()
