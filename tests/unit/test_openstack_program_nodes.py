"""What the program declares on OpenStack for each machine, and when it refuses to."""

import base64
import dataclasses
import gzip
import json

import pulumi
import pytest

from contracts import inventory as inventories
from provision import ssh_config
from tests.doubles.declared_program import KEYS, TIMES
from tests.unit.openstack_examples import declared, document


@pytest.fixture(autouse=True)
def _state(tmp_path, monkeypatch):
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "a phrase")
    return tmp_path


def inventory(**changes):
    return inventories.parse(declared(**changes).one("InventoryFile").inputs["document"])


def test_a_machine_is_what_the_configuration_says():
    found = declared(zone="gpu", volume_gib=40, volume_type="fast")
    node = found.one("Server", "node-2").inputs
    assert (node["flavor"], node["flavor_name"]) == ("f1", "ssc.small")
    assert (node["image"], node["image_name"]) == ("i3", "the newest Ubuntu 24.04")
    assert (node["port"], node["key_name"]) == ("node-2-port-id", "key-made")
    assert (node["zone"], node["volume_gib"], node["volume_type"]) == ("gpu", 40, "fast")
    assert node["metadata"]["tandem:node"] == "node-2"
    assert node["name"] == "tandem-demo-node-2"
    assert (node["project"], node["site_region"]) == ("p", "EAST-1")
    assert found.one("Server", "node-1").inputs["flavor"] == "f2"
    port = found.one(":Port", "node-2-port").inputs
    assert port["fixedIps"] == [{"subnetId": "subnet-id"}]
    assert port["securityGroupIds"] == ["members-id"]


def test_a_named_image_is_remembered_by_its_name():
    node = declared(image="Debian 13", volume_gib=40, ssh_user="debian").one("Server", "node-1")
    assert (node.inputs["image"], node.inputs["image_name"]) == ("i4", "Debian 13")


def test_a_machine_goes_before_what_it_needs_and_comes_after_it():
    found = declared()
    needed = {one.name for one in found.all("SecGroupRule")} | {"router-interface"}
    for one in found.all(":Server"):
        assert needed <= set(one.needs)


def test_user_data_is_secret_and_holds_the_first_host_key_and_the_limits():
    found = declared(ttl_hours="2", idle_minutes="10")
    node = found.one("Server", "node-1")
    assert "user_data" in node.secrets
    text = gzip.decompress(base64.b64decode(node.inputs["user_data"])).decode()
    data = json.loads(text.split("\n", 1)[1])
    assert data["ssh_keys"]["ed25519_private"] == KEYS["node-1"].private.decode()
    wanted = {"expires_at": None, "idle_seconds": 600, "ttl_seconds": 7200}
    encoded = base64.b64encode(json.dumps(wanted, sort_keys=True).encode()).decode()
    assert encoded in data["bootcmd"][1][2]
    assert "opens-nothing" not in text


def test_the_inventory_is_one_that_the_next_stage_reads(tmp_path):
    found = inventory(nodes=4, coins="ssc.medium=2,ssc.small=1", budget=50)
    assert (found.cluster_id, found.provider, found.region) == ("demo", "openstack", "EAST-1")
    assert found.ssh_key_path == str(tmp_path / "machines/demo/id_ed25519")
    assert (found.ttl_hours, found.idle_minutes, found.budget) == (8, 30, 50)
    assert found.expires_at == TIMES["expires_at"]
    assert [node.cpus for node in found.nodes] == [2, 1, 1, 1]
    assert [node.hourly_price for node in found.nodes] == [2, 1, 1, 1]
    assert {node.currency for node in found.nodes} == {"coins"}
    assert [node.instance_id for node in found.nodes] == [f"node-{n}-id" for n in range(1, 5)]
    for node in found.nodes:
        assert node.host_key == node.temporary_host_key == KEYS[node.name].public


def test_workers_are_reached_through_the_head_with_both_keys_pinned(tmp_path):
    found = inventory()
    head, worker = found.nodes[:2]
    assert (head.ssh_host, head.jump, head.public_ip) == ("198.51.100.1", None, "198.51.100.1")
    assert (worker.ssh_host, worker.jump) == ("10.210.0.2", "node-1")
    assert worker.public_ip is None
    text = ssh_config.write(found, tmp_path).read_text()
    block = text.split("Host demo-node-2\n")[1].split("Host ")[0]
    assert "  ProxyJump demo-node-1\n" in block
    assert "  StrictHostKeyChecking yes\n" in block
    known = (tmp_path / "known_hosts").read_text()
    assert f"[198.51.100.1]:22 {KEYS['node-1'].public}\n" in known
    assert f"[10.210.0.2]:22 {KEYS['node-2'].public}\n" in known


def test_without_a_table_of_coins_no_price_is_claimed():
    assert {node.hourly_price for node in inventory().nodes} == {None}


def test_no_secret_is_in_the_inventory_or_the_outputs():
    found = declared(s3_endpoint="https://s3.example.org")
    told = json.dumps(found.outputs) + found.one("InventoryFile").inputs["document"]
    assert "PRIVATE" not in told
    assert "opens-nothing" not in told


def keep(state, **changes):
    """Leave an inventory in the state folder, as an `up` of before did."""
    found = inventory()
    far = {"expires_at": "2999-01-01T00:00:00+00:00", "generation": 7}
    inventories.dump(dataclasses.replace(found, **{**far, **changes}), state / "inventory.json")


def test_machines_that_ended_are_not_made_again_by_chance(tmp_path):
    keep(tmp_path)
    assert declared(awake=["node-3-id"]).all(":Server")
    with pytest.raises(pulumi.RunError) as caught:
        declared(awake=["another"])
    words = str(caught.value)
    assert "none of them runs any more" in words
    assert "may cost" in words
    assert "pulumi destroy" in words
    assert "pulumi config set renew 7" in words
    assert declared(awake=[], renew=7).all(":Server")
    with pytest.raises(pulumi.RunError):
        declared(awake=[], renew=6)


def test_machines_whose_time_was_up_are_not_made_again_by_chance(tmp_path):
    keep(tmp_path, expires_at="2020-01-01T00:00:00+00:00")
    with pytest.raises(pulumi.RunError, match="their time was up at 2020"):
        declared(awake=["node-1-id"])


def test_the_inventory_of_another_cluster_says_nothing_of_this_one(tmp_path):
    keep(tmp_path, cluster_id="other")
    assert document(declared(awake=[]))["cluster_id"] == "demo"
