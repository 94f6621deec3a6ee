"""What the program declares on AWS for each machine, by Pulumi's own mocks."""

import base64
import gzip
import json

import pulumi
import pytest

from contracts import inventory as inventories
from tests.doubles.declared_program import IMAGE, KEYS, TIMES, declare
from tests.unit.aws_examples import GIVEN, declared, document, usual


@pytest.fixture(autouse=True)
def _state(tmp_path, monkeypatch):
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "a phrase")


def test_a_machine_is_what_the_design_says():
    node = usual().one("ec2/instance:Instance", "node-2")
    inputs = node.inputs
    assert inputs["ami"] == IMAGE
    assert inputs["instanceType"] == "m7i.large"
    assert inputs["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }
    disk = inputs["rootBlockDevice"]
    assert (disk["volumeType"], disk["volumeSize"]) == ("gp3", 30)
    assert disk["encrypted"] is True
    assert disk["deleteOnTermination"] is True
    assert disk["tags"]["tandem:cluster"] == "demo"
    assert inputs["instanceInitiatedShutdownBehavior"] == "terminate"
    assert inputs["vpcSecurityGroupIds"] == ["members-id"]
    assert inputs["iamInstanceProfile"] == "profile-made"
    assert inputs["keyName"] == "key-made"
    assert inputs["associatePublicIpAddress"] is True
    assert "instanceMarketOptions" not in inputs
    assert inputs["tags"]["tandem:node"] == "node-2"
    assert node.kept == ("userDataBase64", "ami")


def test_a_machine_goes_before_what_it_needs_and_comes_after_it():
    found = usual()
    needed = {one.name for one in found.all("SecurityGroupIngressRule")}
    needed |= {"outward", "route", "role-policy", "bucket-private", "bucket-encrypted"}
    for one in found.all("ec2/instance:Instance"):
        assert needed <= set(one.needs)


def test_machines_of_a_killed_up_are_ended_after_the_nodes_and_before_the_network():
    found = usual()
    last, after = found.one("NoneLeft"), found.one("NoStrays")
    assert last.inputs["key_name"] == after.inputs["key_name"] == "key-made"
    assert {one.name for one in found.all("SecurityGroupIngressRule")} <= set(last.needs)
    assert "route" in last.needs
    for one in found.all("ec2/instance:Instance"):
        assert last.name in one.needs
        assert one.name in after.needs
    assert after.inputs["nodes"] == ["node-1-id", "node-2-id", "node-3-id"]


def test_user_data_is_secret_and_holds_the_first_host_key_and_the_limits():
    found = declared(ttl_hours="2", idle_minutes="10")
    node = found.one("ec2/instance:Instance", "node-1")
    assert "userDataBase64" in node.secrets
    packed = base64.b64decode(node.inputs["userDataBase64"])
    assert len(packed) <= 16 * 1024
    text = gzip.decompress(packed).decode()
    assert text.startswith("#cloud-config\n")
    data = json.loads(text.split("\n", 1)[1])
    assert data["ssh_keys"]["ed25519_private"] == KEYS["node-1"].private.decode()
    assert data["ssh_keys"]["ed25519_public"] == KEYS["node-1"].public
    assert data["ssh_deletekeys"] is True
    assert data["package_update"] is False
    assert "packages" not in data
    assert "runcmd" not in data
    assert "apt-get" not in text
    mask, limits = data["bootcmd"]
    assert mask[:2] == ["systemctl", "--no-block"]
    wanted = {"expires_at": None, "idle_seconds": 600, "ttl_seconds": 7200}
    encoded = base64.b64encode(json.dumps(wanted, sort_keys=True).encode()).decode()
    assert encoded in limits[2]
    assert found.one("HostKey", "node-1-first-host-key").secrets == ("private",)


def test_no_private_key_is_in_the_inventory_or_the_outputs():
    found = usual()
    assert "PRIVATE" not in json.dumps(found.outputs)
    assert "PRIVATE" not in found.one("InventoryFile").inputs["document"]


def test_spot_workers_end_when_taken_back_and_the_head_stays_on_demand():
    found = declared(workers="spot", spot_max_price="0.05")
    assert "instanceMarketOptions" not in found.one("Instance", "node-1").inputs
    assert found.one("Instance", "node-2").inputs["instanceMarketOptions"] == {
        "marketType": "spot",
        "spotOptions": {
            "instanceInterruptionBehavior": "terminate",
            "spotInstanceType": "one-time",
            "maxPrice": "0.0500",
        },
    }
    assert [one["market"] for one in document(found)["nodes"]] == ["on-demand", "spot", "spot"]


@pytest.mark.parametrize("market", ["spot", "on-demand"])
def test_only_a_spot_machine_is_made_anew_for_another_type(market):
    found = declared(workers=market)
    assert found.one("Instance", "node-1").anew == ()
    wanted = ("instanceType",) if market == "spot" else ()
    assert found.one("Instance", "node-2").anew == wanted


def test_a_burstable_machine_costs_what_its_type_says():
    found = declared(worker_types="t3.large", workers="spot", nodes=2)
    assert "creditSpecification" not in found.one("Instance", "node-1").inputs
    credits = found.one("Instance", "node-2").inputs["creditSpecification"]
    assert credits == {"cpuCredits": "standard"}
    found = declared(worker_types="t3.large", workers="spot", spot_fallback=True, nodes=2)
    inputs = found.one("SpotOrOnDemand").inputs
    assert inputs["credit_specification"] == {"cpu_credits": "standard"}


def test_spot_with_fallback_is_bought_by_a_resource_of_ours():
    found = declared(workers="spot", spot_fallback=True, nodes=2)
    assert [one.name for one in found.all("ec2/instance:Instance")] == ["node-1"]
    worker = found.one("SpotOrOnDemand")
    assert worker.inputs["region"] == "eu-north-1"
    assert worker.inputs["vpc_security_group_ids"] == ["members-id"]
    assert "user_data_base64" in worker.secrets
    assert worker.inputs["named_image"] is False
    assert document(found)["nodes"][1]["instance_id"] == "node-2-id"


@pytest.mark.parametrize(
    ("kind", "architecture", "name"),
    [("t3.large", "x86_64", "amd64"), ("t4g.large", "arm64", "arm64")],
)
def test_the_newest_ubuntu_of_canonical_is_looked_up(kind, architecture, name):
    found = declared(head_type=kind, worker_types=kind)
    asked = dict(found.calls)["aws:ec2/getAmi:getAmi"]
    assert asked["owners"] == ["099720109477"]
    filters = {one["name"]: one["values"] for one in asked["filters"]}
    assert filters["architecture"] == [architecture]
    assert f"24.04-{name}-server" in filters["name"][0]


def test_a_given_image_is_used_and_a_change_of_it_is_followed():
    found = declared(image="ami-0123456789abcdef0", ssh_user="debian", disk_gib=50)
    node = found.one("Instance", "node-1")
    assert node.inputs["ami"] == "ami-0123456789abcdef0"
    assert node.inputs["rootBlockDevice"]["volumeSize"] == 50
    assert node.kept == ("userDataBase64",)
    assert not [token for token, _ in found.calls if "getAmi" in token]
    assert document(found)["ssh_user"] == "debian"


def test_a_type_that_the_table_lacks_is_asked_for():
    answer = {
        "defaultVcpus": 4,
        "memorySize": 8192,
        "supportedArchitectures": ["x86_64"],
        "gpuses": [{"count": 1, "manufacturer": "x", "memorySize": 1, "name": "g"}],
    }
    found = declare(
        {**GIVEN, "tandem:head-type": "t99.large", "tandem:unlisted-types": "true"},
        answers={"aws:ec2/getInstanceType:getInstanceType": answer},
    )
    head = document(found)["nodes"][0]
    assert (head["cpus"], head["memory_bytes"], head["gpus"]) == (4, 8 * 1024**3, 1)
    assert "hourly_price" not in head


def test_a_type_with_more_cpus_than_the_engines_have_ports_is_refused():
    answer = {"defaultVcpus": 1920, "memorySize": 1, "supportedArchitectures": ["x86_64"]}
    with pytest.raises(pulumi.RunError, match="has 1920 virtual CPUs"):
        declare(
            {**GIVEN, "tandem:head-type": "u9.large", "tandem:unlisted-types": "true"},
            answers={"aws:ec2/getInstanceType:getInstanceType": {**answer, "gpuses": []}},
        )


def test_the_inventory_is_one_that_the_next_stage_reads(tmp_path):
    found = declared(nodes=4, worker_types="t3.large,c7i.large,c7i.xlarge", budget="5")
    inventory = inventories.parse(found.one("InventoryFile").inputs["document"])
    assert (inventory.cluster_id, inventory.provider) == ("demo", "aws")
    assert (inventory.region, inventory.ssh_user) == ("eu-north-1", "ubuntu")
    assert inventory.ssh_key_path == str(tmp_path / "machines/demo/id_ed25519")
    assert (inventory.bucket, inventory.security_group_id) == ("bucket-made", "members-id")
    assert (inventory.ttl_hours, inventory.idle_minutes, inventory.budget) == (8, 30, 5)
    assert inventory.expires_at == TIMES["expires_at"]
    assert [node.cpus for node in inventory.nodes] == [2, 2, 2, 4]
    last = inventory.nodes[3]
    assert (last.private_ip, last.ssh_host, last.ssh_port) == ("10.210.0.4", "198.51.100.4", 22)
    assert last.host_key == last.temporary_host_key == KEYS["node-4"].public
    assert last.hourly_price > 0
    assert last.currency == "USD"
    assert set(found.outputs) == {"inventory", "inventory_path", "bucket", "security_group_id"}
    assert found.outputs["security_group_id"] == "members-id"


def test_the_key_pair_is_the_operators():
    found = usual()
    assert found.one("KeyPair").inputs["publicKey"] == KEYS["node-8"].public
    assert found.one("OperatorKey").inputs["path"].endswith("/machines/demo/id_ed25519")
