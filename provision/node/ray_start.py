"""Start the Ray processes of this node: those of the head, or those of a worker that joins.

This is what `ray start` does, without what this project has no use for: the client server, the
autoscaler's monitor and the log monitor are not started, the dashboard only when asked for, and
its waits of two seconds between looks are a twentieth of a second here.
"""

from __future__ import annotations

import glob
import importlib
import os
import shutil
import stat
import time
import types
from collections.abc import Callable
from typing import Any

from provision.node import records
from provision.node.ports import await_port, late
from provision.node.program import Channel, Failure, wait_until

NAME = "ray"
LONGEST_FOLDER = 40  # what sockets' names leave of the 107 bytes that a socket path may have
SESSIONS_KEPT = 2


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Start Ray here and return once this node is registered with the head."""
    home = request["home"]
    record = records.begin(home, NAME, request["spec"], role=request["role"])
    channel.detach(os.path.join(home, "logs", "ray.log"))
    os.environ.update(request["environment"])
    _check_token()
    folder = _sessions(home)
    importlib.import_module("ray._private.node")
    channel.tell(step="ray is loaded")
    if request["role"] == "worker":
        _await_head(request)
    try:
        node = _start(request, folder)
    except Failure:
        _clear(home)
        raise
    except Exception as error:
        _clear(home)
        raise Failure(
            f"Ray's {request['role']} did not start: {error}",
            cause=_last_words(folder),
            next_step="fab cluster.logs shows more",
        ) from error
    for kind, infos in node.all_processes.items():
        for info in infos:
            records.add(record, kind, info.process.pid)
    record["state"] = "ready"
    record["detail"]["folder"] = folder
    records.save(home, record)
    return {"processes": record["processes"]}


def _check_token() -> None:
    path = os.environ.get("RAY_AUTH_TOKEN_PATH", "")
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except OSError as error:
        raise Failure(f"Ray is not started without its token file {path!r}: {error}") from error
    if mode != 0o600 or os.environ.get("RAY_AUTH_MODE") != "token":
        raise Failure(
            f"Ray is not started: {path} has mode {mode:o} and RAY_AUTH_MODE is "
            f"{os.environ.get('RAY_AUTH_MODE')!r}; they must be 600 and 'token'."
        )


def _sessions(home: str) -> str:
    """Return the folder of Ray's sessions, with no more than a few old ones in it."""
    folder = os.path.join(home, "ray")
    if len(folder) > LONGEST_FOLDER:
        folder = f"/tmp/tandem-ray-{os.getuid()}"  # noqa: S108  its owner is checked below
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if os.stat(folder).st_uid != os.getuid():
        raise Failure(f"The folder {folder} belongs to another user.")
    old = sorted(glob.glob(os.path.join(folder, "session_2*")), key=os.path.getmtime)
    for path in old[:-SESSIONS_KEPT]:
        shutil.rmtree(path, ignore_errors=True)
    return folder


def _await_head(request: dict[str, Any]) -> None:
    """Wait for the head's port and then for its first words, which a worker needs to start."""
    host, port = request["head"], request["ports"]["gcs"]
    await_port(host, port, request["seconds"], "Ray's head")
    client = importlib.import_module("ray._raylet").GcsClient(address=f"{host}:{port}")
    seen = ["nothing"]

    def speaks() -> Any:
        try:
            return client.internal_kv_get(b"session_name", b"session", timeout=2)
        except Exception as error:
            seen[0] = f"{type(error).__name__}: {error}"
            return None

    if not wait_until(speaks, request["seconds"]):
        raise late(request["seconds"], "Ray's head", f"asking {host}:{port}: {seen[0]}")


def _start(request: dict[str, Any], folder: str) -> Any:
    ray_node: Any = importlib.import_module("ray._private.node")
    services: Any = importlib.import_module("ray._private.services")
    ray_parameters = importlib.import_module("ray._private.parameter").RayParams
    head = request["role"] == "head"
    ports = request["ports"]
    parameters = ray_parameters(
        node_ip_address=request["address"],
        node_name=request["name"],
        num_cpus=request["slots"],
        num_gpus=request["gpus"],
        memory=request["memory"],
        object_store_memory=request["object_store"],
        temp_dir=folder,
        node_manager_port=ports["node_manager"],
        object_manager_port=ports["object_manager"],
        runtime_env_agent_port=ports["runtime_env"],
        metrics_agent_port=ports["agent_grpc"],
        metrics_export_port=ports["metrics"],
        dashboard_agent_listen_port=ports["agent_http"],
        min_worker_port=ports["workers"][0],
        max_worker_port=ports["workers"][1],
        include_dashboard=False,
        include_log_monitor=False,
        no_monitor=True,
        labels={},
    )
    if head:
        parameters.gcs_server_port = ports["gcs"]
    else:
        parameters.gcs_address = f"{request['head']}:{ports['gcs']}"
        # A worker asks where the head keeps its sessions, and would wait for the head's raylet
        # for that; here the answer is known, so all nodes can start at the same time.
        known = types.SimpleNamespace(temp_dir=folder, session_dir=folder, state=0)
        ray_node.get_all_node_info_until_retrieved = lambda *_, **__: [known]
    services.get_node = _patient(services.get_node)
    return _node_class(ray_node)(
        parameters, head=head, shutdown_at_exit=False, spawn_reaper=False
    )


def _node_class(ray_node: Any) -> Any:
    class Node(ray_node.Node):  # type: ignore[misc]
        """A node whose dashboard is started when somebody asks for it."""

        def start_api_server(self, **_: Any) -> None:
            """Start no dashboard."""

    return Node


def _patient(get_node: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a question that Ray repeats without a pause, which takes CPU from what it awaits."""

    def asked(*arguments: Any) -> Any:
        try:
            return get_node(*arguments)
        except RuntimeError:
            time.sleep(0.05)
            raise

    return asked


def _clear(home: str) -> None:
    records.stop(home, NAME, grace=0.5)


def _last_words(folder: str) -> str:
    words = []
    for name in ("gcs_server.err", "raylet.err", "raylet.out"):
        path = os.path.join(folder, "session_latest", "logs", name)
        try:
            with open(path, errors="replace") as stream:
                lines = [line for line in stream.read().splitlines() if line.strip()]
        except OSError:
            continue
        words += [f"{name}: {line[:300]}" for line in lines[-3:]]
    return "\n".join(words)
