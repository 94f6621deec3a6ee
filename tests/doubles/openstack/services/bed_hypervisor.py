"""A driver of nova whose machines are containers, or records that outlive its own process.

An image in the container format "docker" makes a container; every other image makes a record,
which is all that most tests need. A machine whose name ends in `-fails` cannot be started, so
that tests see a fault.
"""

import base64
import contextlib
import json
import os
import shutil

import bed_machines
import nova.conf
from nova import exception
from nova.compute import power_state
from nova.virt import fake, hardware

CONF = nova.conf.CONF


class BedHypervisor(fake.FakeDriverWithoutFakeNodes):
    """Keeps what is known of each machine in a file of its own."""

    vcpus, memory_mb, local_gb = 64, 262144, 10000

    def init_host(self, host):
        super().init_host(host)
        for uuid in self.list_instance_uuids():
            self.instances[uuid] = fake.FakeInstance(uuid, power_state.RUNNING, uuid)

    def list_instance_uuids(self):
        root = CONF.instances_path
        there = os.listdir(root) if os.path.isdir(root) else []
        return [one for one in there if os.path.exists(self._file(one))]

    def list_instances(self):
        return [self._read(uuid)["instance"] for uuid in self.list_instance_uuids()]

    def spawn(
        self, context, instance, image_meta, injected_files, admin_password, allocations,
        network_info=None, block_device_info=None, power_on=True, accel_info=None,
    ):  # fmt: skip
        if instance.display_name.endswith("-fails"):
            raise exception.InstanceDeployFailure(reason="the machine was told to fail")
        is_container = getattr(image_meta, "container_format", "") == "docker"
        machine = _machine(instance, image_meta, network_info) if is_container else None
        os.makedirs(os.path.dirname(self._file(instance.uuid)), exist_ok=True)
        self._write(instance, "running" if power_on else "stopped", machine)
        if machine and power_on:
            self._ask("start", machine)
        super().spawn(
            context, instance, image_meta, injected_files, admin_password, allocations,
            network_info, block_device_info, power_on, accel_info,
        )  # fmt: skip

    def destroy(self, context, instance, *given, **options):
        machine = self._read(instance.uuid)["machine"] if self._known(instance) else None
        # Whoever keeps containers leaves none behind, so nobody there means none there.
        with contextlib.suppress(OSError):
            _ask("remove", machine)
        shutil.rmtree(os.path.dirname(self._file(instance.uuid)), ignore_errors=True)
        super().destroy(context, instance, *given, **options)

    def power_off(self, instance, timeout=0, retry_interval=0):
        self._ask("stop", self._set(instance, "stopped"))

    def power_on(self, context, instance, network_info, *given, **options):
        self._ask("start", self._set(instance, "running"))

    def reboot(self, context, instance, network_info, reboot_type, *given, **options):
        machine = self._read(instance.uuid)["machine"]
        self._ask("stop", machine)
        self._ask("start", machine)

    def get_info(self, instance, use_cache=True):
        found = self._read(instance.uuid)
        running = found["state"] == "running"
        if running and found["machine"]:
            running = self._ask("running", found["machine"])
        state = power_state.RUNNING if running else power_state.SHUTDOWN
        return hardware.InstanceInfo(state=state)

    def get_console_output(self, context, instance):
        machine = self._read(instance.uuid)["machine"]
        return (self._ask("console", machine) if machine else "").encode()

    def _ask(self, verb, machine):
        try:
            return _ask(verb, machine)
        except OSError as error:
            raise exception.InstanceDeployFailure(reason=f"no containers: {error}") from error

    def _known(self, instance):
        return os.path.exists(self._file(instance.uuid))

    def _file(self, uuid):
        return os.path.join(CONF.instances_path, uuid, "machine.json")

    def _read(self, uuid):
        try:
            with open(self._file(uuid)) as stream:
                return json.load(stream)
        except OSError as error:
            raise exception.InstanceNotFound(instance_id=uuid) from error

    def _set(self, instance, state):
        machine = self._read(instance.uuid)["machine"]
        self._write(instance, state, machine)
        return machine

    def _write(self, instance, state, machine):
        known = {"instance": instance.name, "state": state, "machine": machine}
        with open(self._file(instance.uuid), "w") as stream:
            json.dump(known, stream)


def _ask(verb, machine):
    """Ask for something of a container; of a record there is nothing to ask."""
    try:
        return bed_machines.ask(verb, machine) if machine else None
    except RuntimeError as error:
        raise exception.InstanceDeployFailure(reason=str(error)) from error


def _machine(instance, image_meta, network_info):
    """Return what a container is made of."""
    if not network_info:
        raise exception.InstanceDeployFailure(reason="a machine here needs a network")
    card = network_info[0]
    subnet = next(one for one in card["network"]["subnets"] if one["version"] == 4)
    data = base64.b64decode(instance.user_data or "")
    return {
        "id": instance.uuid,
        "hostname": instance.hostname,
        "image": image_meta.name,
        "cpus": instance.flavor.vcpus,
        "memory_mib": instance.flavor.memory_mb,
        "authorized_key": instance.key_data or "",
        "user_data": data.hex(),
        "port": card["id"],
        "address": subnet["ips"][0]["address"],
        "subnet": card["network"]["id"],
        "cidr": subnet["cidr"],
        "gateway": subnet["gateway"]["address"],
    }
