"""Containers for moto's instances: what should be there minus what is, done again and again.

moto says what there is to be, whoever told it so. A container that ends from within is an
instance that was shut down, and moto is told that in turn.
"""

import contextlib
import os
import threading
import traceback
from typing import Any

import docker
import docker.errors
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends

from infra import docker_engine
from tests.doubles.aws import laws, machine
from tests.doubles.aws.machine import Machine
from tests.doubles.aws.machine_labels import INSTANCE, LABEL
from tests.doubles.machines import bridges, namespace

_PAUSE_SECONDS = 0.5
# A machine's disk, with the whole environment of a node, is copied in that time.
_COMMIT_SECONDS = 600.0


class Hypervisor:
    """All machines of one cloud. `number` makes its public addresses its own."""

    def __init__(self, number: int, baked: str) -> None:
        self._label = str(os.getpid())
        # The metric tells whose route it is, when that one was killed.
        self._pool = ("unreachable", f"198.18.{number}.0/24", "metric", self._label)
        self._baked = baked
        self._client = docker_engine.connect(timeout=_COMMIT_SECONDS).__enter__()
        self._lock = threading.RLock()
        self._machines: dict[str, Machine] = {}
        self._networks: dict[str, Any] = {}
        self._images: set[str] = set()
        self._application: Any = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self, application: Any) -> None:
        """Remove what clouds that crashed left behind, and begin."""
        self._application = application
        for one in self._labelled():
            if not _alive(one.labels[LABEL]):
                one.remove(force=True, v=True)
        for one in self._client.networks.list(filters={"label": LABEL}):
            if not _alive(one.attrs["Labels"][LABEL]):
                one.remove()
        for image in self._client.images.list(filters={"label": LABEL}):
            if not _alive(image.labels[LABEL]):
                self._client.images.remove(image.id, force=True)
        # An address that no machine has must not be looked for in the outside world.
        for words in namespace.routes("unreachable"):
            if words[1].startswith("198.18.") and "metric" in words and not _alive(words[-1]):
                namespace.on_host("ip", "route", "del", *words, check=False)
        namespace.on_host("ip", "route", "replace", *self._pool)
        self._thread.start()

    def settle(self, action: str) -> None:
        """Bring the machines to what moto says, before the caller of the API goes on."""
        with self._lock:
            if self._ended.is_set():
                return
            try:
                if action == "CreateImage":
                    for one in self._unmade_images():
                        one.state = "pending"
                self._reconcile()
            except Exception:
                traceback.print_exc()

    def close(self) -> None:
        """Remove all machines and networks."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_COMMIT_SECONDS)
        with self._lock:
            for one in list(self._machines.values()):
                one.remove()
            for one in self._labelled():
                if one.labels[LABEL] == self._label:
                    one.remove(force=True, v=True)
            for network in self._networks.values():
                bridges.remove(network)
            for image in self._client.images.list(filters={"label": f"{LABEL}={self._label}"}):
                self._client.images.remove(image.id, force=True)
            namespace.on_host("ip", "route", "del", *self._pool, check=False)

    def _labelled(self) -> list[Any]:
        filters = {"label": LABEL}
        found = self._client.containers.list(all=True, filters=filters, ignore_removed=True)
        return list(found)

    def _watch(self) -> None:
        while not self._ended.wait(_PAUSE_SECONDS):
            self.settle("")
            # It takes long, and no caller of the API waits for it.
            for one in self._unmade_images():
                self._make_image(one)

    def _reconcile(self) -> None:
        wanted = {
            one.id: (one, region)
            for region, backend in list(ec2_backends[DEFAULT_ACCOUNT_ID].items())
            for one in list(backend.all_instances())
            if one.state != "terminated"
        }
        filters = {"label": f"{LABEL}={self._label}"}
        found = self._client.containers.list(all=True, filters=filters, ignore_removed=True)
        states = {one.labels.get(INSTANCE, ""): one.status for one in found}
        for name in [one for one in self._machines if one not in wanted]:
            self._machines.pop(name).remove()
        for name, (instance, region) in wanted.items():
            self._bring(name, instance, region, states.get(name, "missing"))
        self._tidy_networks()
        for one in self._machines.values():
            if one.wired:
                one.refilter()

    def _bring(self, name: str, instance: Any, region: str, state: str) -> None:
        """Bring one machine to its instance's state, or the instance to what became of it."""
        there = self._machines.get(name)
        if instance.state == "stopped":
            if there and state == "running":
                there.unwire()
                there.container.stop(timeout=5)
        elif there is None:
            self._make(instance, region)
        elif state == "running":
            if not there.wired:
                there.wire(self._bridge(instance, region).attrs["Options"][bridges.NAME])
        elif there.wired:
            self._shut_down(there)
        else:
            there.container.start()
            there.wire(self._bridge(instance, region).attrs["Options"][bridges.NAME])

    def _make(self, instance: Any, region: str) -> None:
        try:
            network = self._bridge(instance, region)
            container = machine.make(
                self._client, instance, region, network, self._label, self._baked
            )
            made = Machine(instance, region, container, self._application)
            self._machines[instance.id] = made
            made.wire(network.attrs["Options"][bridges.NAME])
        except (docker.errors.DockerException, OSError, ValueError) as error:
            traceback.print_exc()
            laws.ec2(region).terminate_instances([instance.id])
            instance.state_reason.message = f"Server.InternalError: {error}"
            instance.state_reason.code = "Server.InternalError"
            if instance.id in self._machines:
                self._machines.pop(instance.id).remove()

    def _shut_down(self, there: Machine) -> None:
        """Tell moto that a machine was shut down from within."""
        instance, backend = there.instance, laws.ec2(there.region)
        if instance.instance_initiated_shutdown_behavior == "terminate":
            # Whoever is told that it is terminated finds nothing of it any more.
            self._machines.pop(instance.id).remove()
            backend.terminate_instances([instance.id])
        else:
            there.unwire()
            backend.stop_instances([instance.id])
        instance.state_reason.code = "Client.InstanceInitiatedShutdown"
        instance.state_reason.message = (
            "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
        )

    def _bridge(self, instance: Any, region: str) -> Any:
        subnet = laws.ec2(region).get_subnet(instance.subnet_id)
        if subnet.id not in self._networks:
            self._networks[subnet.id] = bridges.make(
                self._client,
                f"tandem-test-aws-{subnet.id}",
                f"aw{subnet.id[-12:]}",
                subnet.cidr_block,
                {LABEL: self._label},
            )
        return self._networks[subnet.id]

    def _tidy_networks(self) -> None:
        there = {
            subnet.id
            for backend in list(ec2_backends[DEFAULT_ACCOUNT_ID].values())
            for subnet in backend.describe_subnets()
        }
        for name in [one for one in self._networks if one not in there]:
            bridges.remove(self._networks.pop(name))

    def _unmade_images(self) -> list[Any]:
        """Return the AMIs of instances of which there is no image yet."""
        return [
            one
            for backend in list(ec2_backends[DEFAULT_ACCOUNT_ID].values())
            for one in list(backend.amis.values())
            if one.instance_id in self._machines and one.id not in self._images
        ]

    def _make_image(self, ami: Any) -> None:
        """Keep the container of an instance as the image of its AMI."""
        try:
            self._machines[ami.instance_id].container.commit(
                machine.IMAGES, ami.id, changes=f"LABEL {LABEL}={self._label}"
            )
            ami.state = "available"
        except (docker.errors.DockerException, OSError, KeyError):
            traceback.print_exc()
            ami.state = "failed"
        self._images.add(ami.id)


def _alive(process: str) -> bool:
    with contextlib.suppress(OSError), open(f"/proc/{process}/cmdline", "rb") as stream:
        return b"moto_cloud" in stream.read()
    return False
