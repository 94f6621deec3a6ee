"""User data on a machine that boots as clouds' machines do: with systemd and cloud-init.

The container's processes are systemd's; cloud-init finds the user data on its disk, as it
would find it at a cloud's metadata service.
"""

import base64
import contextlib
import io
import os
import subprocess
import tarfile
import time
from pathlib import Path

import docker
import pytest

from contracts.limits import Limits
from infra import docker_engine, node_image
from infra.cloud_init import user_data
from infra.local_nodes import LOCK
from tests.inside import run_inside

pytestmark = [pytest.mark.long, pytest.mark.containers, pytest.mark.usefixtures("engine")]
IMAGE = "tandem-test-booting"
PACKAGES = "cloud-init systemd systemd-sysv dbus"
SEED = "var/lib/cloud/seed/nocloud"
CONTROL_GROUPS = Path("/sys/fs/cgroup")
BOOT_SECONDS = 120.0
LIFE_SECONDS = 45
SLACK_SECONDS = 60.0


@pytest.fixture(scope="module")
def image(engine):
    """A node's image with what a cloud's image has and a node's has not."""
    base = node_image.wanted_tag(LOCK)
    tag = f"{IMAGE}:{base.partition(':')[2]}"
    recipe = (
        f"FROM {base}\n"
        "RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes "
        f"--no-install-recommends {PACKAGES} && rm -rf /opt/tandem /etc/ssh/ssh_host_*\n"
    )
    with docker_engine.connect(timeout=600) as client:
        try:
            client.images.get(tag)
        except docker.errors.ImageNotFound:
            client.images.build(fileobj=io.BytesIO(recipe.encode()), tag=tag, rm=True)
    return tag


@pytest.fixture
def host_key(tmp_path):
    path = tmp_path / "key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "node-1", "-f", path], check=True
    )
    return path.read_text(), path.with_suffix(".pub").read_text().strip()


@contextlib.contextmanager
def booted(image, data):
    """Have a machine whose first program is systemd, with this user data."""
    packed = io.BytesIO()
    files = {
        f"{SEED}/user-data": data,
        f"{SEED}/meta-data": b"instance-id: i-1\nlocal-hostname: node-1\n",
        "etc/cloud/cloud.cfg.d/99-seed.cfg": b"datasource_list: [NoCloud]\n",
    }
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with docker_engine.connect() as client:
        container = client.containers.create(
            image,
            ["/sbin/init"],
            environment={"container": "docker"},
            cap_add=["SYS_ADMIN"],
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            tmpfs={"/run": "", "/run/lock": ""},
            volumes=control_groups(),
            labels={"tandem.test-boot": str(os.getpid())},
            nano_cpus=int(0.8e9),
            mem_limit="512m",
            network_mode="none",
        )
        try:
            container.put_archive("/", packed.getvalue())
            container.start()
            yield container
        finally:
            container.remove(force=True, v=True)


def control_groups():
    """Return what of the host's control groups systemd needs to see; version 1 or 2."""
    if (CONTROL_GROUPS / "cgroup.controllers").exists():
        return [f"{CONTROL_GROUPS}:{CONTROL_GROUPS}:rw"]
    own = CONTROL_GROUPS / "systemd"
    if not os.path.ismount(own):
        own.mkdir(exist_ok=True)
        subprocess.run(
            ["mount", "-t", "cgroup", "-o", "none,name=systemd", "cgroup", own], check=True
        )
    return [f"{own}:{own}:rw"]


def await_true(condition, seconds, what):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"after {seconds:.0f} s: {what()}"
        time.sleep(0.5)


def test_cloud_init_sets_the_first_host_key_and_systemd_ends_the_machine_in_time(
    image, host_key
):
    private, public = host_key
    data = user_data(private, public, limits=Limits(ttl_seconds=LIFE_SECONDS))
    with booted(image, base64.b64decode(data)) as machine:

        def run(*words):
            return run_inside(machine, *words, user="root").output

        def ended():
            machine.reload()
            return machine.status != "running"

        begin = time.monotonic()
        await_true(
            lambda: "tandem-watchdog.service" in run(
                "systemctl", "list-units", "--state=running", "--no-legend", "tandem-*"
            ),
            BOOT_SECONDS,
            lambda: run("tail", "-n", "40", "/var/log/cloud-init-output.log"),
        )  # fmt: skip
        await_true(
            lambda: (
                run("cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
                == public.split()[:2]
            ),
            BOOT_SECONDS,
            lambda: run("ls", "-l", "/etc/ssh"),
        )
        assert run("sh", "-c", "ls /etc/ssh/ssh_host_*_key").split() == [
            "/etc/ssh/ssh_host_ed25519_key"
        ]
        assert run("systemctl", "is-enabled", "apt-daily.timer").strip() == "masked"
        await_true(ended, LIFE_SECONDS + SLACK_SECONDS, lambda: run("ps", "ax"))
        assert time.monotonic() - begin >= LIFE_SECONDS - 10
        assert machine.wait(timeout=5)["StatusCode"] == 0
