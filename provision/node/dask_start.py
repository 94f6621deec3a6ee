"""Start the Dask processes of this node: a scheduler on the head, and a worker for each slot.

All are children of one process that loads Dask once. Beside its TLS port the scheduler
answers on a socket file of mode 0600, so that asking it for its members costs no start of Dask.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import select
import signal
import ssl
import stat
import sys
import time
from collections.abc import Callable
from typing import Any

from provision.node import dask_socket, records
from provision.node.ports import await_port
from provision.node.program import Channel, Failure
from provision.node.tls_probe import refuses

NAME = "dask"


def main(request: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Start Dask here and return once the workers are registered with the scheduler."""
    home = request["home"]
    record = records.begin(home, NAME, request["spec"], role=request["role"])
    channel.detach(os.path.join(home, "logs", "dask.log"))
    os.environ.update(request["environment"])
    _check_key(request)
    sys.path.insert(0, request["environment"]["PYTHONPATH"])
    for name in ("scheduler", "worker"):
        importlib.import_module(f"distributed.{name}")
    channel.tell(step="dask is loaded")
    try:
        if request["role"] == "head":
            scheduler = _child(channel, _scheduler, request)
            records.add(record, "scheduler", scheduler[0])
            _first_word(scheduler, request, "the scheduler")
            channel.tell(step="the scheduler listens")
        else:
            _await_head(request)
        workers = [
            _child(channel, _worker, {**request, "worker": one}) for one in request["workers"]
        ]
        for one, worker in zip(request["workers"], workers, strict=True):
            records.add(record, one["name"], worker[0])
            _first_word(worker, request, f"worker {one['name']}")
    except BaseException:
        records.stop(home, NAME, grace=0.5)
        raise
    record["state"] = "ready"
    records.save(home, record)
    return {"processes": record["processes"]}


def _check_key(request: dict[str, Any]) -> None:
    for path in request["credentials"].values():
        try:
            mode = stat.S_IMODE(os.stat(path).st_mode)
        except OSError as error:
            raise Failure(f"Dask is not started without its file {path}: {error}") from error
        if mode != 0o600:
            raise Failure(f"Dask is not started: {path} has mode {mode:o}, not 600.")


def _await_head(request: dict[str, Any]) -> None:
    """Wait for the scheduler's port, and see it refuse a client without a certificate."""
    host, port = request["head"], request["ports"]["scheduler"]
    await_port(host, port, request["seconds"], "Dask's scheduler")
    if not refuses(host, port):
        raise Failure(
            f"Dask's scheduler at {host}:{port} lets a client in that has no certificate.",
            next_step="fab cluster.stop, then fab cluster.start",
            kind="refused",
        )


def _child(
    channel: Channel, work: Callable[..., Any], request: dict[str, Any]
) -> tuple[int, int]:
    """Run `work` in a child process; return its pid and the pipe on which it reports."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    code = 1
    try:
        os.close(reading)
        channel.close()
        asyncio.run(work(request, writing))
        code = 0
    except BaseException as error:
        _report(writing, error=f"{type(error).__name__}: {error}")
        raise
    finally:
        sys.stderr.flush()
        os._exit(code)


def _report(pipe: int, **words: Any) -> None:
    try:
        os.write(pipe, json.dumps(words).encode() + b"\n")
        os.close(pipe)
    except OSError:
        pass


def _first_word(child: tuple[int, int], request: dict[str, Any], who: str) -> None:
    pid, pipe = child
    give_up = time.monotonic() + request["seconds"]
    text = b""
    while not text.endswith(b"\n"):
        left = give_up - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            raise Failure(
                f"Waited {request['seconds']:.0f} s for {who} of Dask, in vain.",
                cause=f"Process {pid} runs and says nothing.",
                kind="deadline",
            )
        part = os.read(pipe, 4096)
        if not part:
            raise Failure(f"{who} of Dask ended at once.", cause=_last_words(request["home"]))
        text += part
    os.close(pipe)
    word = json.loads(text)
    if "error" in word:
        raise Failure(f"{who} of Dask did not start: {word['error']}")


def _security(request: dict[str, Any]) -> Any:
    security = importlib.import_module("distributed.security").Security
    files = request["credentials"]
    own = {
        f"tls_{role}_{kind}": files[name]
        for role in ("scheduler", "worker", "client")
        for kind, name in (("cert", "dask_certificate"), ("key", "dask_key"))
    }
    return security(
        tls_ca_file=files["dask_ca"],
        require_encryption=True,
        tls_min_version=ssl.TLSVersion.TLSv1_3,
        **own,
    )


async def _scheduler(request: dict[str, Any], pipe: int) -> None:
    make = importlib.import_module("distributed.scheduler").Scheduler
    scheduler = make(
        host=request["address"],
        port=request["ports"]["scheduler"],
        protocol="tls",
        security=_security(request),
        dashboard=False,
        dashboard_address=f"127.0.0.1:{request['ports']['dashboard']}",
    )
    await scheduler
    path = dask_socket.path(request["home"])
    if os.path.exists(path):
        os.unlink(path)
    os.umask(0o077)
    control = await asyncio.start_unix_server(_answering(scheduler), path)
    _on_terminate(scheduler.close)
    _report(pipe, listening=True)
    async with control:
        await scheduler.finished()


def _answering(scheduler: Any) -> Callable[..., Any]:
    """Return the handler of the socket: one JSON question a connection, one JSON answer."""

    async def answer(reader: Any, writer: Any) -> None:
        question = json.loads(await reader.readline() or b"{}")
        if question.get("ask") == "dashboard":
            _open_dashboard(scheduler)
        writer.write(json.dumps(_state(scheduler)).encode() + b"\n")
        await writer.drain()
        writer.close()

    return answer


def _state(scheduler: Any) -> dict[str, Any]:
    return {
        "workers": {
            str(worker.name): {
                "address": worker.address,
                "status": worker.status.name,
                "slots": worker.nthreads,
                "memory": worker.metrics.get("memory", 0),
                "managed": worker.nbytes,
                "tasks": len(worker.processing),
            }
            for worker in scheduler.workers.values()
        },
        "tasks": len(scheduler.tasks),
    }


def _open_dashboard(scheduler: Any) -> None:
    """Add the pages to the HTTP server of a scheduler, if they are not there yet."""
    if getattr(scheduler, "tandem_dashboard", False):
        return
    pages = importlib.import_module("distributed.dashboard.scheduler")
    pages.connect(scheduler.http_application, scheduler.http_server, scheduler, prefix="")
    scheduler.tandem_dashboard = True


async def _worker(request: dict[str, Any], pipe: int) -> None:
    make = importlib.import_module("distributed.worker").Worker
    worker = make(
        f"tls://{request['head']}:{request['ports']['scheduler']}",
        name=request["worker"]["name"],
        nthreads=1,
        memory_limit=request["memory"],
        host=request["address"],
        port=request["worker"]["port"],
        protocol="tls",
        security=_security(request),
        death_timeout=request["death_timeout"],
        local_directory=os.path.join(request["home"], "dask"),
        dashboard=False,
        dashboard_address="127.0.0.1:0",
    )
    _on_terminate(lambda: worker.close(timeout=2, executor_wait=False))
    await worker
    _report(pipe, registered=True)
    await worker.finished()


def _last_words(home: str) -> str:
    try:
        with open(os.path.join(home, "logs", "dask.log"), errors="replace") as stream:
            return "\n".join(stream.read().splitlines()[-5:])
    except OSError:
        return ""


def _on_terminate(close: Callable[[], Any]) -> None:
    loop = asyncio.get_running_loop()
    kept: set[Any] = set()

    def begin() -> None:
        kept.add(loop.create_task(close()))

    loop.add_signal_handler(signal.SIGTERM, begin)
