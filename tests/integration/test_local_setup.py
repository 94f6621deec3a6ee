"""`fab setup.*`: an engine that we start and stop ourselves, and an image built once."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from contracts.errors import TandemError
from contracts.progress import tell_nobody
from infra import base_image, docker_engine, node_image
from infra.local_nodes import LOCK
from infra.processes import is_alive, read_record, start_ticks
from tests.command_line import fab
from tests.integration.local_clusters import docker_client, temporary_cluster

pytestmark = pytest.mark.containers


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_second_set_up_skips_all_that_is_there(engine, tmp_path):
    script(tmp_path / "bin/pulumi", "echo v3.0.0")
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    state = tmp_path / "state"
    first = fab("setup.run", "--json", state=state, timeout=1800, PATH=path)
    assert first.code == 0, first.err
    assert first.document["image"] == node_image.wanted_tag(LOCK)
    assert first.document["pulumi"]["version"] == "v3.0.0"
    second = fab("setup.run", state=state, PATH=path)
    assert second.code == 0
    for step in ("docker engine", "node image", "pulumi"):
        assert f"- setup      {step}" in second.err
    assert "✓" not in second.err
    cleaned = fab("setup.clean", "--json", state=state, PATH=path)
    assert cleaned.document == {"stopped": False, "removed": []}
    assert docker_engine.answers()


@pytest.fixture
def own_engine(tmp_path, monkeypatch):
    """Make the set-up see no engine, and a `dockerd` that would run beside the system's."""
    real = shutil.which("dockerd")
    tools = real and shutil.which("unshare")
    if os.geteuid() != 0 or not tools or Path("/run/systemd/system").is_dir():
        pytest.skip("starting a Docker engine takes root, dockerd, unshare, and no systemd")
    # The paths of its sockets must stay below 108 characters.
    place = Path(tempfile.mkdtemp(prefix="engine-"))
    address = f"unix://{place}/docker.sock"
    script(
        tmp_path / "bin/dockerd",
        # In a network namespace of its own, or it would take the system's bridge for its own.
        f"PATH={os.environ['PATH']} exec unshare --net {real} --host {address} "
        f"--data-root {place}/data --exec-root {place}/exec --pidfile {place}/pid "
        '--bridge none --iptables=false --ip6tables=false "$@"',
    )
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(docker_engine, "sockets", lambda environment, home: (address,))
    yield
    docker_engine.stop(tmp_path / "state", tell_nobody)
    shutil.rmtree(place)


def test_an_engine_that_we_started_is_stopped_by_its_recorded_pid(own_engine, tmp_path):
    state = tmp_path / "state"
    assert not docker_engine.answers()
    assert docker_engine.ensure(state, tell_nobody) == "started"
    started = read_record(state / "engine.json")
    assert is_alive(started)
    assert docker_engine.ensure(state, tell_nobody) == "found"
    assert read_record(state / "engine.json") == started
    assert docker_engine.stop(state, tell_nobody) is True
    assert not is_alive(started)
    assert not docker_engine.answers()
    assert docker_engine.stop(state, tell_nobody) is False


def test_where_there_is_no_engine_it_is_installed_and_started(
    own_engine, tmp_path, monkeypatch
):
    if shutil.which("dockerd", path="/usr/bin:/bin") or not shutil.which("apt-get"):
        pytest.skip("takes apt-get, and a dockerd outside /usr/bin")
    # apt-get does what it does, short of changing this computer: dockerd appears on PATH.
    ready, log = tmp_path / "ready", tmp_path / "apt.log"
    (tmp_path / "bin/dockerd").rename(ready)
    install = f"*install*) cp {ready} {tmp_path}/bin/dockerd;;"
    script(tmp_path / "bin/apt-get", f'echo "$*" >> {log}; case "$*" in {install} esac')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    told = []
    assert docker_engine.ensure(tmp_path / "state", told.append) == "started"
    update, installed = log.read_text().splitlines()
    assert update.startswith("update")
    assert "docker.io" in installed.split()
    done = [event.step for event in told if event.state == "done"]
    assert done == ["apt-get update", "install docker.io", "start docker engine"]
    assert docker_engine.stop(tmp_path / "state", tell_nobody) is True


def test_an_engine_in_which_machines_run_is_not_stopped(engine, tmp_path):
    state = tmp_path / "state"
    with temporary_cluster(state) as cluster:
        assert cluster.up(1).code == 0
        with subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
        ) as other:
            # As if the engine that runs here were the one that we started.
            record = {"pid": other.pid, "start_ticks": start_ticks(other.pid)}
            (state / "engine.json").write_text(json.dumps(record))
            refused = fab("setup.clean", state=state)
            assert refused.code == 4
            assert f"tandem-{cluster.name}-node-1" in refused.err
            assert "fab local.down" in refused.err
            assert other.poll() is None
            other.communicate(b"\n")


def test_a_build_that_fails_says_why_and_leaves_no_image(engine, tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"no-such-package-of-ours==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(TandemError, match="could not be built") as caught:
        node_image.ensure(lock, tmp_path, tell_nobody)
    assert "no-such-package-of-ours" in str(caught.value)
    with docker_client() as client:
        tags = [tag for image in client.images.list() for tag in image.tags]
    assert node_image.wanted_tag(lock) not in tags


def test_a_full_disk_is_told_before_anything_is_built(engine, tmp_path, monkeypatch):
    lock = tmp_path / "requirements.lock"
    lock.write_text("")
    monkeypatch.setattr(base_image, "SPACE_NEEDED", 2**60)
    with pytest.raises(TandemError, match="GiB free; building the node image takes"):
        node_image.ensure(lock, tmp_path, tell_nobody)


@pytest.mark.long
def test_without_a_registry_the_base_is_made_by_debootstrap_once(engine, tmp_path, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("debootstrap takes root")
    monkeypatch.setattr(base_image, "STOCK", "registry.invalid/debian:none")
    monkeypatch.setattr(base_image, "OWN", f"tandem-base:test-{os.getpid()}")
    told = []
    with docker_client() as client:
        try:
            assert base_image.ensure(client, tmp_path, told.append) == base_image.OWN
            assert not (tmp_path / "rootfs").exists()
            command = ["dpkg", "--status", *base_image.PACKAGES]
            client.containers.run(base_image.OWN, command, remove=True)
            steps = {event.step for event in told if event.state == "done"}
            assert {"debootstrap base system", "import base image"} <= steps
            told.clear()
            assert base_image.ensure(client, tmp_path, told.append) == base_image.OWN
            assert [event.state for event in told] == ["skipped"]
        finally:
            client.images.remove(base_image.OWN)
