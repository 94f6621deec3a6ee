"""What a local machine is: its limits, who may log in, whom it reaches, what is installed."""

import socket
from pathlib import Path

import paramiko
import pytest

from infra import node_image, ssh_keys
from infra.local_nodes import LOCK
from tests.integration.local_clusters import docker_client, ssh, temporary_cluster

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("engine")]


@pytest.fixture(scope="module")
def cluster(engine, tmp_path_factory):
    with temporary_cluster(tmp_path_factory.mktemp("state")) as made:
        answered = made.up(2)
        assert answered.code == 0, answered.err
        yield made


@pytest.fixture(scope="module")
def key(cluster):
    return cluster.state / "machines" / cluster.name / "id_ed25519"


def test_limits_are_set_and_only_ssh_is_published_on_loopback(cluster):
    with docker_client() as client:
        for node in cluster.nodes():
            attributes = client.containers.get(node.instance_id).attrs
            limits = attributes["HostConfig"]
            assert limits["CpuQuota"] / limits["CpuPeriod"] == node.cpus == 0.2
            assert limits["Memory"] == limits["MemorySwap"] == node.memory_bytes
            assert limits["PidsLimit"] > 0
            assert limits["ShmSize"] >= node.memory_bytes
            assert not limits["Privileged"]
            ports = attributes["NetworkSettings"]["Ports"]
            published = {name: bound for name, bound in ports.items() if bound}
            assert list(published) == ["22/tcp"]
            assert {one["HostIp"] for one in published["22/tcp"]} == {"127.0.0.1"}


def test_the_operator_logs_in_as_one_user_with_the_baked_environment(cluster, key):
    fingerprint = node_image.lock_fingerprint(LOCK)
    python = f"/opt/tandem/env/{fingerprint}/bin/python"
    for node in cluster.nodes():
        command = f"id -un; hostname; {python} -c 'import numpy; print(numpy.__cached__)'"
        user, host, cached = ssh(node, key, command).splitlines()
        assert (user, host) == ("tandem", node.name)
        assert ssh(node, key, f"test -f {cached} && test -w {cached} && uv --version")


def test_machines_of_a_cluster_reach_each_other(cluster, key):
    first, second = cluster.nodes()
    script = (
        "import socket; s = socket.create_connection(('%s', 22), 5); print(s.recv(7).decode())"
    )
    assert ssh(first, key, f'python3 -c "{script % second.private_ip}"') == "SSH-2.0"
    assert ssh(second, key, f'python3 -c "{script % first.private_ip}"') == "SSH-2.0"


def test_machines_of_other_clusters_are_out_of_reach(cluster, key, tmp_path):
    with temporary_cluster(tmp_path) as other:
        assert other.up(1).code == 0
        (stranger,) = other.nodes()
        script = f"import socket; socket.create_connection(('{stranger.private_ip}', 22), 3)"
        told = ssh(cluster.nodes()[0], key, f'python3 -c "{script}" 2>&1 | tail -1')
        assert "timed out" in told or "unreachable" in told.lower()


def test_other_keys_passwords_and_root_are_refused(cluster, key, tmp_path):
    node = cluster.nodes()[0]
    wrong = tmp_path / "id_ed25519"
    ssh_keys.operator_key(wrong)
    with pytest.raises(paramiko.AuthenticationException):
        ssh(node, wrong, "true")
    with pytest.raises(paramiko.AuthenticationException):
        ssh(node, key, "true", user="root")
    with socket.create_connection((node.ssh_host, node.ssh_port), 20) as connection:
        transport = paramiko.Transport(connection)
        try:
            transport.start_client(timeout=20)
            with pytest.raises(paramiko.BadAuthenticationType) as caught:
                transport.auth_password("tandem", "")
        finally:
            transport.close()
    assert caught.value.allowed_types == ["publickey"]


def test_each_machine_has_a_host_key_of_its_own_that_is_in_no_image(cluster, key):
    assert len({node.host_key for node in cluster.nodes()}) == 2
    with docker_client() as client:
        image = client.containers.get(cluster.instance_ids()[0]).image
        output = client.containers.run(image, ["ls", "/etc/ssh/machine"], remove=True)
    assert output == b""


def test_private_keys_are_readable_by_their_owner_alone(cluster, key):
    folder: Path = key.parent
    assert folder.stat().st_mode & 0o077 == 0
    assert [path.name for path in folder.iterdir()] == ["id_ed25519"]
    assert key.stat().st_mode & 0o077 == 0
