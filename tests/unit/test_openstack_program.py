"""What the program declares on OpenStack around the machines, by Pulumi's own mocks."""

import dataclasses
import json

import pulumi
import pytest

from contracts import ports
from contracts.ports import Audience
from infra import operator_address
from tests.doubles.declared_program import KEYS, TIMES, declare
from tests.unit.openstack_examples import GIVEN, SITE, declared, document

TAGGED = ("Network", "Subnet", "Router", "SecGroup", "Port", "FloatingIp")


@pytest.fixture(autouse=True)
def _state(tmp_path, monkeypatch):
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "a phrase")


def test_everything_lies_under_one_component_and_carries_the_marks():
    found = declared()
    assert found.one("tandem:openstack:Cluster").name == "cluster"
    others = [one for one in found.resources if "pulumi:pulumi" not in one.kind]
    assert {one.parent for one in others[1:]} == {"cluster"}
    tags = {
        "tandem:cluster=demo",
        "tandem:owner=ada",
        f"tandem:expires-at={TIMES['expires_at']}",
        "tandem:stack=0a1b2c3d",
    }
    for kind in TAGGED:
        for one in found.all(f":{kind}"):
            assert set(one.inputs["tags"]) == tags, one.name
            assert max(map(len, one.inputs["tags"])) <= 60
    for one in found.all(":Server"):
        assert {f"{key}={value}" for key, value in one.inputs["metadata"].items()} >= tags
    metadata = found.one("Container").inputs["metadata"]
    assert metadata["tandem-cluster"] == "demo"
    assert not [key for key in metadata if ":" in key]


def test_a_long_owner_is_cut_to_what_a_tag_takes():
    network = declared(owner="o" * 100).one(":Network")
    assert max(map(len, network.inputs["tags"])) == 60


def test_engine_ports_are_open_to_members_ssh_to_operator_and_head_and_nothing_else():
    found = declared(operator_cidrs="198.51.100.7,203.0.113.0/28")
    rules = [one.inputs for one in found.all("SecGroupRule") if one.name != "outward"]
    assert {(one["direction"], one["protocol"], one["ethertype"]) for one in rules} == {
        ("ingress", "tcp", "IPv4")
    }
    assert {one["securityGroupId"] for one in rules} == {"members-id"}
    inside = [one for one in rules if "remoteGroupId" in one]
    assert {one["remoteGroupId"] for one in inside} == {"members-id"}
    assert {(one["portRangeMin"], one["portRangeMax"]) for one in inside} == {
        (one.first, one.last) for one in ports.open_to(Audience.MEMBERS)
    }
    by_address = {
        (one["remoteIpPrefix"], one["portRangeMin"], one["portRangeMax"])
        for one in rules
        if "remoteGroupId" not in one
    }
    assert by_address == {
        ("198.51.100.7/32", 22, 22),
        ("203.0.113.0/28", 22, 22),
        ("10.210.0.1/32", 22, 22),
    }
    assert len(rules) == len(inside) + 3
    assert found.one(":SecGroup").inputs["deleteDefaultRules"] is True
    outward = found.one("SecGroupRule", "outward").inputs
    assert outward["direction"] == "egress"
    assert "protocol" not in outward


def test_one_machine_has_no_workers_to_let_in():
    found = declared(nodes=1)
    assert not [one for one in found.all("SecGroupRule") if one.name == "head-ssh"]


def test_the_network_is_one_subnet_with_a_router_to_the_outside():
    found = declared(network="192.168.7.0/26", nameservers="192.0.2.53,192.0.2.54")
    subnet = found.one(":Subnet").inputs
    assert (subnet["networkId"], subnet["cidr"]) == ("network-id", "192.168.7.0/26")
    assert subnet["dnsNameservers"] == ["192.0.2.53", "192.0.2.54"]
    assert found.one(":Router").inputs["externalNetworkId"] == "n1"
    joined = found.one(":RouterInterface").inputs
    assert (joined["routerId"], joined["subnetId"]) == ("router-id", "subnet-id")
    assert found.one(":Network").inputs["name"] == "tandem-demo-network-0a1b2c3d"


def test_a_given_network_is_used_and_none_is_made():
    found = declared(given_network="project")
    for kind in ("Network", "Subnet", "Router", "RouterInterface"):
        assert not found.all(f":{kind}")
    for one in found.all(":Port"):
        assert one.inputs["networkId"] == "n2"
        assert one.inputs["fixedIps"] == [{"subnetId": "s4"}]
    assert found.all(":FloatingIp")


def test_the_head_has_the_only_address_outside():
    found = declared()
    address = found.one(":FloatingIp").inputs
    assert address["pool"] == "Public External IPv4 Network"
    assert address["portId"] == "node-1-port-id"
    assert "router-interface" in found.one(":FloatingIp").needs


def test_a_head_in_a_given_network_may_do_without_an_address_outside():
    found = declared(given_network="project", floating_ip="false")
    assert not found.all("FloatingIp")
    head, worker = document(found)["nodes"][:2]
    assert head["ssh_host"] == head["private_ip"] == "10.210.0.1"
    assert "public_ip" not in head
    assert worker["jump"] == "node-1"


def test_the_container_is_kept_from_destroy_while_it_holds_objects():
    container = declared().one("Container").inputs
    assert container["name"] == "tandem-demo-results-0a1b2c3d"
    assert container["forceDestroy"] is False
    assert declared(purge_bucket=True).one("Container").inputs["forceDestroy"] is True
    assert "containerRead" not in container
    assert document(declared()).get("bucket") is None


def test_machines_reach_the_container_over_s3_where_the_site_has_it(tmp_path):
    found = declared(s3_endpoint="https://s3.example.org", s3_region="local")
    file = found.one("SecretFile", "store-file")
    assert file.inputs["path"] == str(tmp_path / "machines/demo/store.ini")
    assert "content" in file.secrets
    assert "endpoint_url = https://s3.example.org\n" in file.inputs["content"]
    assert (
        "aws_access_key_id = a1\naws_secret_access_key = opens-nothing-either\n"
        in file.inputs["content"]
    )
    known = document(found)
    assert known["bucket"].startswith("tandem-demo-results-")
    assert (known["bucket_region"], known["region"]) == ("local", "EAST-1")


@pytest.mark.parametrize(
    ("changes", "site"),
    [({"container": "false"}, SITE), ({}, dataclasses.replace(SITE, store=False))],
)
def test_no_container_where_none_is_wanted_or_kept(changes, site):
    found = declared(site, **changes)
    assert not found.all("Container")
    assert not found.all("Ec2CredentialV3")


def test_a_given_container_is_left_as_it_is():
    found = declared(bucket="my-results", s3_endpoint="https://s3.example.org")
    assert not found.all("Container")
    assert document(found)["bucket"] == "my-results"


def test_the_head_may_delete_these_machines_and_do_nothing_else(tmp_path):
    found = declared()
    credential = found.one("ApplicationCredential")
    rules = credential.inputs["accessRules"]
    assert {(one["service"], one["method"]) for one in rules} == {("compute", "DELETE")}
    nobody = "00000000-0000-0000-0000-000000000000"
    assert [one["path"] for one in rules] == [
        f"/v2.1/servers/{name}" for name in ("node-2-id", "node-3-id", "node-1-id", nobody)
    ]
    assert not credential.inputs.get("unrestricted")
    file = found.one("SecretFile", "ending-file")
    assert file.inputs["path"] == str(tmp_path / "machines/demo/ending.json")
    assert "content" in file.secrets
    content = json.loads(file.inputs["content"])
    assert content["servers"] == ["node-2-id", "node-3-id", "node-1-id"]
    assert (content["id"], content["secret"]) == ("ending-id", "opens-nothing")
    assert content["auth_url"] == SITE.auth_url
    assert "opens-nothing" not in json.dumps(found.outputs)


def test_machines_that_only_stop_need_no_credential():
    found = declared(ends="stop")
    assert not found.all("ApplicationCredential")
    assert not found.all("SecretFile")


def test_what_a_killed_up_left_goes_after_the_machines_and_after_everything():
    found = declared()
    first, last = found.one("Sweep", "swept"), found.one("Sweep", "swept-machines")
    assert first.inputs["kinds"] == [
        *last.inputs["kinds"],
        "volume",
        "router",
        "network",
        "group",
        "credential",
        "container",
        "key",
    ]
    assert first.inputs["public"].startswith("ssh-ed25519 ")
    assert last.inputs["mark"] == "0a1b2c3d"
    assert {"router-interface", "outward", "members-ray-gcs"} <= set(last.needs)
    joints = found.one("Sweep", "swept-interfaces")
    assert (joints.inputs["kinds"], joints.inputs["mark"]) == (["interface"], "0a1b2c3d")
    # While Pulumi waits for the subnet to go, nothing that it does not know may hold it.
    assert {"subnet", "router"} <= set(joints.needs)
    assert "swept-interfaces" in found.one("RouterInterface").needs
    held = found.one("Sweep", "swept-servers")
    assert (held.inputs["kinds"], held.inputs["mark"]) == (["server"], "0a1b2c3d")
    assert {"node-1-port", "node-2-port"} <= set(held.needs)
    assert all("swept-servers" in one.needs for one in found.all(":Server"))
    for one in [*found.all(":Server"), *found.all(":Port"), *found.all(":FloatingIp")]:
        assert "swept-machines" in one.needs, one.name


def test_the_key_is_the_operators_and_its_name_is_left_to_pulumi(tmp_path):
    key = declared().one(":Keypair")
    assert key.name == "tandem-demo-key"
    assert key.inputs == {"publicKey": KEYS["node-8"].public}


def test_where_the_operator_is_gets_found(monkeypatch):
    monkeypatch.setattr(operator_address, "find", lambda url: "203.0.113.9")
    found = declared(operator_cidrs="")
    rule = found.one("SecGroupRule", "operator-ssh-1")
    assert rule.inputs["remoteIpPrefix"] == "203.0.113.9/32"


def test_a_wrong_configuration_is_refused_before_the_cloud_is_asked():
    with pytest.raises(pulumi.RunError) as caught:
        declare({**GIVEN, "tandem:nodes": 0, "tandem:network": "x", "tandem:head-flavour": "y"})
    words = str(caught.value)
    assert "nodes: must be" in words
    assert "network: must be" in words
    assert "head-flavour: unknown field" in words


def test_names_that_the_cloud_has_not_are_all_told_before_anything_is_made():
    with pytest.raises(pulumi.RunError) as caught:
        declared(head_flavor="ssc.huge", image="Ubuntu 24.10", external_network="public")
    words = str(caught.value)
    assert "head-flavor: this cloud has no flavor 'ssc.huge'" in words
    assert "there are ssc.large, ssc.medium, ssc.small" in words
    assert "image: this cloud has no image" in words
    assert "external-network: this cloud has no external network 'public'" in words


def test_an_empty_passphrase_is_refused(monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    with pytest.raises(pulumi.RunError, match="PASSPHRASE is empty"):
        declared()
