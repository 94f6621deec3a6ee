"""An operator that is killed or interrupted half way: repaired by `up`, removed by `down`."""

import os
import signal
import subprocess
import time

import pytest

from contracts.errors import INTERRUPTED
from infra import local_nodes
from infra.local_network import CLUSTER, DOOR, OWNER
from infra.local_observed import HOST_KEY, NODE
from tests.command_line import FAB, ROOT
from tests.integration.local_clusters import SIZE, docker_client, labelled, temporary_cluster

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("engine")]
NODES = 8


@pytest.fixture
def cluster(tmp_path):
    with temporary_cluster(tmp_path / "state") as made:
        yield made


@pytest.fixture
def bystander(tmp_path):
    """A machine of another cluster, which nothing here may touch."""
    with temporary_cluster(tmp_path / "bystander") as other:
        assert other.up(1).code == 0
        yield other
        assert labelled(other) == (1, 1)


def stopped_half_way(cluster, sign: signal.Signals) -> tuple[int, int]:
    """Send a signal to `fab local.up` when some of its machines are there; return how many."""
    command = [*FAB, "local.up", "--name", cluster.name, "--nodes", str(NODES), *SIZE]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TANDEM_STATE": str(cluster.state)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        end = time.monotonic() + 60
        while labelled(cluster)[0] < 2 and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(sign)
        seen = labelled(cluster)[0]
        code = process.wait(60)
    return seen, code


def test_after_a_kill_down_removes_all_of_it_and_nothing_else(cluster, bystander):
    seen, code = stopped_half_way(cluster, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert 2 <= seen < NODES
    assert not cluster.inventory_path.exists()
    removed = cluster.fab("local.down", "--json")
    assert removed.code == 0, removed.err
    assert len(removed.document["removed"]) >= seen
    assert labelled(cluster) == (0, 0)
    assert not list((cluster.state / "machines").iterdir())


def test_after_a_kill_up_repairs(cluster, bystander):
    stopped_half_way(cluster, signal.SIGKILL)
    repaired = cluster.up(NODES, "--json")
    assert repaired.code == 0, repaired.err
    assert labelled(cluster) == (NODES, 1)
    assert len(cluster.nodes()) == NODES
    assert not cluster.up(NODES, "--json").document["changes"]


def test_after_ctrl_c_what_was_made_is_gone_again(cluster, bystander):
    seen, code = stopped_half_way(cluster, signal.SIGINT)
    assert seen >= 2
    assert code == INTERRUPTED
    assert labelled(cluster) == (0, 0)
    assert not cluster.inventory_path.exists()


def test_a_container_that_never_got_its_keys_is_made_anew(cluster):
    cluster.up(2)
    whole, half = cluster.instance_ids()
    labels = {
        CLUSTER: cluster.name,
        DOOR: "fab",
        OWNER: str(cluster.state),
        NODE: "node-2",
        HOST_KEY: "ssh-ed25519 AAAA",
    }
    with docker_client() as client:
        machine = client.containers.get(half)
        image, name = machine.image, machine.name
        machine.remove(force=True)
        client.containers.create(image, name=name, labels=labels)
    assert "left created, half made" in cluster.up(2, "--dry-run").out
    assert cluster.up(2).code == 0
    assert cluster.instance_ids()[0] == whole
    assert {one.state for one in local_nodes.observe(cluster.name).machines} == {"running"}


def test_down_goes_on_where_a_killed_down_stopped(cluster, bystander):
    cluster.up(3)
    with docker_client() as client:
        client.containers.get(cluster.instance_ids()[0]).remove(force=True)
    (cluster.state / "machines" / cluster.name / "id_ed25519").unlink()
    removed = cluster.fab("local.down", "--json").document["removed"]
    assert len(removed) == 3
    assert labelled(cluster) == (0, 0)
