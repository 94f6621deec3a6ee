"""`fab local.*` on real containers: made, kept, scaled, resized, shown and removed."""

import socket
from contextlib import ExitStack, suppress

import pytest

from contracts import inventory as inventories
from contracts.files import single_writer
from infra import docker_engine, local_nodes
from infra.local_nodes import LocalSettings
from tests.integration.local_clusters import docker_client, labelled, temporary_cluster

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("engine")]


@pytest.fixture
def cluster(tmp_path):
    with temporary_cluster(tmp_path / "state") as made:
        yield made


def test_made_kept_scaled_resized_and_removed(cluster):
    made = cluster.up(2, "--json")
    assert made.code == 0, made.err
    assert made.document["create"] == ["node-1", "node-2"]
    first = cluster.instance_ids()

    again = cluster.up(2)
    assert "Nothing to change: 2 machines as asked." in again.out
    assert cluster.instance_ids() == first
    assert inventories.load(cluster.inventory_path).generation == 1

    grown = cluster.up(3, "--json")
    assert (grown.document["create"], grown.document["keep"]) == (
        ["node-3"],
        ["node-1", "node-2"],
    )
    assert cluster.instance_ids()[:2] == first

    shrunk = cluster.up(1, "--json")
    assert shrunk.document["remove"] == ["node-2", "node-3"]
    assert cluster.instance_ids() == first[:1]
    assert inventories.load(cluster.inventory_path).generation == 3

    resized = cluster.fab("local.up", "--nodes", "1", "--cpus", "0.3", "--memory", "300m")
    assert "change the limits of node-1" in resized.out
    (node,) = cluster.nodes()
    assert (node.instance_id, node.cpus, node.memory_bytes) == (first[0], 0.3, 300 * 1024**2)

    removed = cluster.fab("local.down", "--json")
    assert removed.document["removed"] == [
        f"tandem-{cluster.name}-node-1",
        f"tandem-{cluster.name}",
    ]
    assert labelled(cluster) == (0, 0)
    assert not cluster.inventory_path.exists()
    assert not list((cluster.state / "machines").iterdir())
    assert "Nothing to remove." in cluster.fab("local.down").out


def test_a_notional_price_stands_in_the_inventory(cluster):
    cluster.up(1, "--price", "0.05", "--currency", "SEK")
    (node,) = cluster.nodes()
    assert (node.hourly_price, node.currency) == (0.05, "SEK")
    before = node.instance_id
    cluster.up(1)
    (node,) = cluster.nodes()
    assert (node.instance_id, node.hourly_price) == (before, None)


def test_a_dry_run_says_what_it_would_do_and_does_nothing(cluster):
    told = cluster.up(2, "--dry-run")
    assert told.out.strip() == "Would create node-1, node-2."
    assert labelled(cluster) == (0, 0)
    assert not cluster.state.exists()
    cluster.up(1)
    assert "node-1" in cluster.fab("local.down", "--dry-run").out
    assert labelled(cluster) == (1, 1)


def test_status_tells_what_the_engine_has(cluster):
    nothing = cluster.fab("local.status")
    assert (nothing.code, "fab local.up" in nothing.out) == (0, True)
    cluster.up(2)
    with docker_client() as client:
        client.containers.get(f"tandem-{cluster.name}-node-2").stop(timeout=0)
    states = {
        one["name"]: one["state"]
        for one in cluster.fab("local.status", "--json").document["machines"]
    }
    assert states == {"node-1": "running", "node-2": "exited"}


def test_machines_that_stopped_paused_or_vanished_are_brought_back(cluster):
    cluster.up(4)
    before = cluster.instance_ids()
    with docker_client() as client:
        client.containers.get(before[0]).stop(timeout=0)
        client.containers.get(before[1]).pause()
        client.containers.get(before[2]).remove(force=True)
    repaired = cluster.up(4, "--json").document
    assert (repaired["start"], repaired["create"]) == (["node-1", "node-2"], ["node-3"])
    after = cluster.instance_ids()
    assert [after[0], after[1], after[3]] == [before[0], before[1], before[3]]
    assert not cluster.up(4, "--json").document["changes"]


def test_a_machine_cut_from_its_network_is_replaced(cluster):
    cluster.up(2)
    with docker_client() as client:
        network = client.networks.get(f"tandem-{cluster.name}")
        network.disconnect(cluster.instance_ids()[1])
    assert "node-2 (it left its network)" in cluster.up(2).out


def test_the_other_door_is_refused(cluster):
    local_nodes.up(
        LocalSettings(
            nodes=1,
            cpus=0.2,
            memory_bytes=256 * 1024**2,
            state=cluster.state,
            cluster_id=cluster.name,
            door="pulumi",
        )
    )
    for refused in (cluster.up(2), cluster.fab("local.down"), cluster.up(2, "--dry-run")):
        assert refused.code == 4
        assert "made by pulumi" in refused.err
        assert "pulumi destroy --stack local" in refused.err
    assert labelled(cluster) == (1, 1)
    assert cluster.fab("local.status").code == 0


def test_another_state_folder_is_refused(cluster, tmp_path):
    cluster.up(1)
    stranger = type(cluster)(cluster.name, tmp_path / "other")
    for refused in (stranger.up(1), stranger.fab("local.down")):
        assert refused.code == 4
        assert str(cluster.state) in refused.err
    assert labelled(cluster) == (1, 1)


def test_the_inventory_of_another_cluster_is_not_overwritten(cluster):
    cluster.up(1)
    with temporary_cluster(cluster.state) as second:
        refused = second.up(1)
        assert refused.code == 4
        assert f"fab local.down --name {cluster.name}" in refused.err
        assert labelled(second) == (0, 0)


def test_one_change_at_a_time(cluster):
    with single_writer(cluster.state / "machines.lock", purpose="a test"):
        refused = cluster.up(1)
    assert refused.code == 4
    assert "pid" in refused.err
    assert labelled(cluster) == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--nodes", "0"), "nodes: must be a whole number from 1"),
        (("--nodes", "1000000"), "nodes: must be a whole number from 1"),
        (("--cpus", "nan"), "cpus: must be a number"),
        (("--memory", "much"), "memory: must be a size"),
        (("--nodes", "60", "--memory", "1000g"), "of memory, and this computer has"),
        (("--cpus", "1000"), "and this computer has"),
    ],
)
def test_bad_input_touches_nothing(cluster, arguments, words):
    refused = cluster.fab("local.up", *arguments, "--json")
    assert refused.code == 2
    assert words in refused.err
    assert "Next:" in refused.err
    assert refused.document["exit_code"] == 2
    assert labelled(cluster) == (0, 0)
    assert not cluster.state.exists()


def test_no_docker_is_said_in_one_paragraph(cluster, tmp_path):
    none = f"unix://{tmp_path}/none.sock"
    refused = cluster.fab("local.up", DOCKER_HOST=none)
    assert (refused.code, "No Docker engine answers." in refused.err) == (1, True)
    assert "Next:" in refused.err
    # Where nothing was ever made, there is nothing to remove, engine or not.
    assert cluster.fab("local.down", DOCKER_HOST=none).code == 0


def test_a_name_that_is_taken_leaves_nothing_half_made(cluster):
    taken = f"tandem-{cluster.name}-node-2"
    with docker_client() as client:
        image = local_nodes.node_image.wanted_tag(local_nodes.LOCK)
        stranger = client.containers.create(image, ["true"], name=taken)
        try:
            refused = cluster.up(3)
            assert refused.code == 1
            assert taken in refused.err
            assert labelled(cluster) == (0, 0)
            assert not cluster.inventory_path.exists()
            assert cluster.fab("local.down").code == 0
            stranger.reload()  # it is nobody's to remove but its owner's
        finally:
            stranger.remove(force=True)


def test_ports_that_others_listen_on_are_passed_over(cluster):
    cluster.up(1)
    (node,) = cluster.nodes()
    with ExitStack() as held:
        taken = set()
        for port in range(node.ssh_port + 1, node.ssh_port + 6):
            listener = held.enter_context(socket.socket())
            with suppress(OSError):
                listener.bind(("127.0.0.1", port))
                listener.listen()
                taken.add(port)
        assert taken
        made = cluster.up(4)
        assert made.code == 0, made.err
        ports = {one.ssh_port for one in cluster.nodes()}
        assert len(ports) == 4
        assert not ports & taken


def test_an_engine_that_refuses_is_told_in_its_own_words(cluster):
    with pytest.raises(docker_engine.TandemError, match="No such image"):
        local_nodes.up(
            LocalSettings(
                nodes=1,
                cpus=0.2,
                memory_bytes=256 * 1024**2,
                state=cluster.state,
                cluster_id=cluster.name,
                image="tandem-node:none",
            )
        )
    assert labelled(cluster) == (0, 0)
