"""The containers of the test bed's servers, asked for by our drivers of nova and neutron.

It is a process of the bed that runs in the project's environment and answers on a socket in the
bed's folder, so that the services' own environment needs nothing for it. What it has made goes
when it ends: a bed that is stopped leaves no container, no network and no route behind.

    python -m tests.doubles.openstack.hypervisor FOLDER FIRST_PORT
"""

import contextlib
import json
import os
import signal
import socketserver
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import docker
import docker.errors

from infra import docker_engine
from tests.doubles.machines import bridges, namespace
from tests.doubles.machines.relay import Relay
from tests.doubles.openstack import content, neutron_view
from tests.doubles.openstack.machine import Machine
from tests.doubles.openstack.machine_labels import LABEL
from tests.doubles.openstack.places import Bed, at

# Rules come many at a time, and each is told.
_GATHER_SECONDS = 0.1
_AGAIN_SECONDS = 2.0
_SILENCE_SECONDS = 120.0


class Hypervisor:
    """All machines of one bed."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._client = docker_engine.connect(timeout=_SILENCE_SECONDS).__enter__()
        self._relay = Relay()
        self._lock = threading.Lock()
        self._machines: dict[str, Machine] = {}
        self._networks: dict[str, Any] = {}
        self._changed = threading.Event()
        self._admin: Any = None
        self._remove_all()
        # An address that no machine has must not be looked for in the outside world.
        namespace.on_host("ip", "route", "replace", "unreachable", bed.outside)
        threading.Thread(target=self._follow, daemon=True).start()

    def answer(self, asked: dict[str, Any]) -> Any:
        """Do what a driver asks: `start`, `stop`, `remove`, `running`, `console`, `changed`."""
        verb, server = asked["verb"], asked.get("server", {})
        if verb == "changed":
            self._changed.set()
            return None
        if verb == "start":
            return self._start(server)
        with self._lock:
            there = self._machines.get(server["id"])
        if there is None:
            return {"running": False, "console": ""}.get(verb)
        if verb == "remove":
            there.remove()
            self._forget(server["id"])
            return None
        return {"stop": there.stop, "running": there.running, "console": there.console}[verb]()

    def close(self) -> None:
        """Remove everything."""
        for one in list(self._machines.values()):
            one.remove()
        self._remove_all()
        namespace.on_host("ip", "route", "del", "unreachable", self._bed.outside, check=False)

    def _start(self, record: dict[str, Any]) -> None:
        with self._lock:
            network = self._network(record)
            there = self._machines.setdefault(
                record["id"], Machine(self._bed, self._client, self._relay, record)
            )
        there.start(network, self._look())

    def _network(self, record: dict[str, Any]) -> Any:
        name = record["subnet"]
        if name not in self._networks:
            self._networks[name] = bridges.make(
                self._client,
                f"tandem-test-openstack-{name}",
                f"os{name[-12:]}",
                record["cidr"],
                {LABEL: str(self._bed.root)},
                record["gateway"],
            )
        return self._networks[name]

    def _forget(self, server: str) -> None:
        with self._lock:
            subnet = self._machines.pop(server).record["subnet"]
            if subnet not in {one.record["subnet"] for one in self._machines.values()}:
                bridges.remove(self._networks.pop(subnet))

    def _look(self) -> Any:
        if self._admin is None:
            self._admin = content.link(self._bed, "admin")
        return neutron_view.look(self._admin.network)

    def _follow(self) -> None:
        """Bring all machines to what neutron says, whenever that has changed."""
        while True:
            self._changed.wait()
            threading.Event().wait(_GATHER_SECONDS)
            self._changed.clear()
            machines = list(self._machines.values())
            try:
                views = self._look() if machines else {}
                for one in machines:
                    one.let_go(views)
                for one in machines:
                    one.follow(views)
            except Exception:
                traceback.print_exc()
                threading.Timer(_AGAIN_SECONDS, self._changed.set).start()

    def _remove_all(self) -> None:
        """Remove what has this bed's label; there is one such process for a bed."""
        filters = {"label": f"{LABEL}={self._bed.root}"}
        for one in self._client.containers.list(all=True, filters=filters, ignore_removed=True):
            with contextlib.suppress(docker.errors.NotFound):
                one.remove(force=True, v=True)
        for network in self._client.networks.list(filters=filters):
            bridges.remove(network)


class Server(socketserver.ThreadingUnixStreamServer):
    """Takes a line of JSON, answers with one."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: str, hypervisor: Hypervisor) -> None:
        super().__init__(path, Handler)
        self.hypervisor = hypervisor


class Handler(socketserver.StreamRequestHandler):
    """One question."""

    server: Server

    def handle(self) -> None:
        """Answer it; a refusal is told in words."""
        try:
            asked = json.loads(self.rfile.readline() or b"null")
            # Who only looks whether anybody answers asks nothing.
            answer = {"answer": self.server.hypervisor.answer(asked) if asked else None}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(OSError):
            self.wfile.write(f"{json.dumps(answer)}\n".encode())


def main() -> None:
    """Serve until told to end."""
    bed = at(Path(sys.argv[1]), int(sys.argv[2]))
    os.umask(0o077)
    hypervisor = Hypervisor(bed)
    bed.socket.unlink(missing_ok=True)
    with Server(str(bed.socket), hypervisor) as server:

        def end(*_: object) -> None:
            threading.Thread(target=server.shutdown).start()

        signal.signal(signal.SIGTERM, end)
        print("ready", flush=True)
        try:
            server.serve_forever()
        finally:
            hypervisor.close()


if __name__ == "__main__":
    main()
