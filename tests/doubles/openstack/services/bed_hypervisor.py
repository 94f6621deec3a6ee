"""A driver of nova whose machines are records that outlive its own process.

A machine whose name ends in `-fails` cannot be started, so that tests see a fault.
"""

import json
import os
import shutil

import nova.conf
from nova import exception
from nova.compute import power_state
from nova.virt import fake, hardware

CONF = nova.conf.CONF


class BedHypervisor(fake.FakeDriverWithoutFakeNodes):
    """Keeps each machine's state in a file of its own."""

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

    def spawn(self, context, instance, image_meta, *given, power_on=True, **options):
        if instance.display_name.endswith("-fails"):
            raise exception.InstanceDeployFailure(reason="the machine was told to fail")
        os.makedirs(os.path.dirname(self._file(instance.uuid)), exist_ok=True)
        self._write(instance, "running" if power_on else "stopped")
        super().spawn(context, instance, image_meta, *given, power_on=power_on, **options)

    def destroy(self, context, instance, *given, **options):
        shutil.rmtree(os.path.dirname(self._file(instance.uuid)), ignore_errors=True)
        super().destroy(context, instance, *given, **options)

    def power_off(self, instance, timeout=0, retry_interval=0):
        self._write(instance, "stopped")

    def power_on(self, context, instance, network_info, *given, **options):
        self._write(instance, "running")

    def get_info(self, instance, use_cache=True):
        running = self._read(instance.uuid)["state"] == "running"
        state = power_state.RUNNING if running else power_state.SHUTDOWN
        return hardware.InstanceInfo(state=state)

    def _file(self, uuid):
        return os.path.join(CONF.instances_path, uuid, "machine.json")

    def _read(self, uuid):
        try:
            with open(self._file(uuid)) as stream:
                return json.load(stream)
        except OSError as error:
            raise exception.InstanceNotFound(instance_id=uuid) from error

    def _write(self, instance, state):
        with open(self._file(instance.uuid), "w") as stream:
            json.dump({"instance": instance.name, "state": state}, stream)
