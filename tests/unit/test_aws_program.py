"""What the program declares on AWS, resource by resource, by Pulumi's own mocks."""

import base64
import gzip
import json
from functools import cache

import pulumi
import pytest

from contracts import inventory as inventories
from contracts import ports
from contracts.ports import Audience
from infra import operator_address
from infra.aws_identity import OF_ITS_OBJECTS, OF_THE_BUCKET
from tests.doubles.declared_program import IMAGE, KEYS, TIMES, Declaration, declare

GIVEN = {
    "tandem:provider": "aws",
    "tandem:name": "demo",
    "tandem:owner": "ada",
    "tandem:operator-cidrs": "198.51.100.7",
    "aws:region": "eu-north-1",
}
TAGGED = (
    "Vpc",
    "Subnet",
    "InternetGateway",
    "RouteTable",
    "SecurityGroup",
    "SecurityGroupIngressRule",
    "SecurityGroupEgressRule",
    "KeyPair",
    "Role",
    "InstanceProfile",
    "Bucket",
    "Instance",
)


@pytest.fixture(autouse=True)
def _state(tmp_path, monkeypatch):
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "a phrase")


@cache
def usual() -> Declaration:
    return declare(GIVEN)


def declared(**changes) -> Declaration:
    ours = {f"tandem:{name.replace('_', '-')}": value for name, value in changes.items()}
    return declare({**GIVEN, **ours})


def document(found: Declaration) -> dict:
    return json.loads(found.one("InventoryFile").inputs["document"])


def test_everything_lies_under_one_component_and_carries_the_tags():
    found = usual()
    assert found.one("tandem:aws:Cluster").name == "cluster"
    others = [one for one in found.resources if "pulumi:pulumi" not in one.kind]
    assert {one.parent for one in others[1:]} == {"cluster"}
    for kind in TAGGED:
        for one in found.all(f":{kind}"):
            tags = one.inputs["tags"]
            assert tags["tandem:cluster"] == "demo", one.name
            assert tags["tandem:owner"] == "ada"
            assert tags["tandem:expires-at"] == TIMES["expires_at"]
            assert tags["Name"].startswith("tandem-demo-")


def test_engine_ports_are_open_to_members_and_ssh_to_the_operator_and_nothing_else():
    found = declared(operator_cidrs="198.51.100.7,203.0.113.0/28")
    rules = [one.inputs for one in found.all("SecurityGroupIngressRule")]
    members = {
        (one["fromPort"], one["toPort"])
        for one in rules
        if one.get("referencedSecurityGroupId") == one["securityGroupId"] == "members-id"
    }
    assert members == {(one.first, one.last) for one in ports.open_to(Audience.MEMBERS)}
    outside = [one for one in rules if "referencedSecurityGroupId" not in one]
    assert [(one["cidrIpv4"], one["fromPort"], one["toPort"]) for one in outside] == [
        ("198.51.100.7/32", 22, 22),
        ("203.0.113.0/28", 22, 22),
    ]
    assert {one["tags"]["tandem:rule"] for one in outside} == {"ssh"}
    assert {one["ipProtocol"] for one in rules} == {"tcp"}
    assert len(rules) == len(members) + 2
    group = found.one("ec2/securityGroup:SecurityGroup").inputs
    assert "ingress" not in group
    assert "egress" not in group
    outward = found.one("SecurityGroupEgressRule").inputs
    assert (outward["ipProtocol"], outward["cidrIpv4"]) == ("-1", "0.0.0.0/0")


def test_the_network_is_one_subnet_in_one_zone_with_a_way_out():
    found = usual()
    assert found.one("ec2/vpc:Vpc").inputs["cidrBlock"] == "10.210.0.0/24"
    subnet = found.one("ec2/subnet:Subnet")
    assert subnet.inputs["cidrBlock"] == "10.210.0.0/24"
    assert subnet.inputs["availabilityZone"] == "eu-north-1a"
    assert subnet.kept == ("availabilityZone",)
    assert found.one("ec2/routeTable:RouteTable").inputs["routes"] == [
        {"cidrBlock": "0.0.0.0/0", "gatewayId": "gateway-id"}
    ]
    association = found.one("RouteTableAssociation").inputs
    assert association == {"subnetId": "subnet-id", "routeTableId": "routes-id"}


def test_a_zone_of_ones_own_is_not_looked_up_and_is_followed():
    found = declared(zone="eu-north-1c", network="192.168.7.0/26")
    subnet = found.one("ec2/subnet:Subnet")
    assert subnet.inputs["availabilityZone"] == "eu-north-1c"
    assert subnet.inputs["cidrBlock"] == "192.168.7.0/26"
    assert subnet.kept == ()
    assert not [token for token, _ in found.calls if "Zones" in token]


def test_a_given_network_is_used_and_nothing_is_made_in_it_but_the_group():
    found = declared(vpc="vpc-0123456789abcdef0", subnet="subnet-0123456789abcdef0")
    for kind in ("Vpc", "Subnet", "InternetGateway", "RouteTable", "RouteTableAssociation"):
        assert not found.all(f":{kind}")
    group = found.one("ec2/securityGroup:SecurityGroup").inputs
    assert group["vpcId"] == "vpc-0123456789abcdef0"
    for one in found.all("ec2/instance:Instance"):
        assert one.inputs["subnetId"] == "subnet-0123456789abcdef0"


def test_a_machine_is_what_the_design_says():
    node = usual().one("ec2/instance:Instance", "node-2")
    inputs = node.inputs
    assert inputs["ami"] == IMAGE
    assert inputs["instanceType"] == "t3.large"
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


def test_the_bucket_is_private_encrypted_versioned_and_tidied():
    found = usual()
    bucket = found.one("s3/bucket:Bucket").inputs
    assert bucket["forceDestroy"] is False
    assert bucket["bucketPrefix"] == "tandem-demo-"
    block = found.one("BucketPublicAccessBlock").inputs
    assert {value for key, value in block.items() if key != "bucket"} == {True}
    assert len(block) == 5
    rules = found.one("BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rules == [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]
    versioning = found.one("BucketVersioning").inputs["versioningConfiguration"]
    assert versioning == {"status": "Enabled"}
    (tidy,) = found.one("BucketLifecycleConfiguration").inputs["rules"]
    assert tidy["noncurrentVersionExpiration"] == {"noncurrentDays": 7}
    assert tidy["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 1}


def test_the_bucket_is_emptied_by_destroy_when_asked_only():
    assert declared(purge_bucket=True).one("s3/bucket:Bucket").inputs["forceDestroy"] is True


def test_a_given_bucket_is_left_as_it_is():
    found = declared(bucket="my-results")
    assert not [one for one in found.resources if "s3/" in one.kind]
    assert "arn:aws:s3:::my-results/*" in found.one("RolePolicy").inputs["policy"]
    assert document(found)["bucket"] == "my-results"


def test_machines_may_use_the_one_bucket_and_nothing_else():
    found = usual()
    policy = json.loads(found.one("RolePolicy").inputs["policy"])["Statement"]
    assert [(one["Effect"], one["Resource"]) for one in policy] == [
        ("Allow", "arn:aws:s3:::bucket-made"),
        ("Allow", "arn:aws:s3:::bucket-made/*"),
    ]
    assert [one["Action"] for one in policy] == [list(OF_THE_BUCKET), list(OF_ITS_OBJECTS)]
    assert "*" not in "".join(policy[0]["Action"] + policy[1]["Action"])
    trust = json.loads(found.one("iam/role:Role").inputs["assumeRolePolicy"])["Statement"]
    assert [one["Principal"] for one in trust] == [{"Service": "ec2.amazonaws.com"}]
    assert found.one("InstanceProfile").inputs["role"] == "role-made"


def test_names_that_aws_makes_unique_fit_its_limit():
    found = declared(name="a" + "b" * 30)
    assert len(found.one("iam/role:Role").inputs["namePrefix"]) <= 38
    assert len(found.one("s3/bucket:Bucket").inputs["bucketPrefix"]) <= 37
    assert len(found.one("InstanceProfile").inputs["namePrefix"]) <= 38


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


def test_where_the_operator_is_gets_found(monkeypatch):
    asked = []
    monkeypatch.setattr(
        operator_address, "find", lambda url: asked.append(url) or "203.0.113.9"
    )
    found = declare({key: value for key, value in GIVEN.items() if "cidrs" not in key})
    assert found.one("Rule", "operator-ssh-1").inputs["cidrIpv4"] == "203.0.113.9/32"
    assert asked == ["https://checkip.amazonaws.com"]


def test_a_wrong_configuration_is_refused_before_anything_is_asked(monkeypatch):
    monkeypatch.setattr(operator_address, "find", lambda url: pytest.fail("asked"))
    with pytest.raises(pulumi.RunError) as caught:
        declare(
            {**GIVEN, "tandem:nodes": 0, "tandem:network": "x", "tandem:operator-cidrs": ""}
        )
    assert "nodes: must be" in str(caught.value)
    assert "network: must be" in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "stack_file", "refused"),
    [
        ({"PULUMI_CONFIG_PASSPHRASE": ""}, None, True),
        ({"PULUMI_CONFIG_PASSPHRASE": "x"}, None, False),
        ({"PULUMI_CONFIG_PASSPHRASE": "", "PULUMI_CONFIG_PASSPHRASE_FILE": "f"}, None, False),
        ({"PULUMI_CONFIG_PASSPHRASE": ""}, "secretsprovider: awskms://x\n", False),
    ],
)
def test_an_empty_passphrase_is_refused(tmp_path, monkeypatch, variables, stack_file, refused):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    if stack_file:
        (tmp_path / "Pulumi.aws.yaml").write_text(stack_file)
    if refused:
        with pytest.raises(pulumi.RunError, match="PASSPHRASE is empty"):
            declared()
    else:
        assert declared().all("Instance")


def test_another_provider_is_named_with_those_that_there_are():
    with pytest.raises(pulumi.RunError, match="one of local, aws"):
        declare({**GIVEN, "tandem:provider": "azure"})
