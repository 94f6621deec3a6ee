"""What the program declares on AWS around the machines, by Pulumi's own mocks."""

import json

import pulumi
import pytest

from contracts import ports
from contracts.ports import Audience
from infra import operator_address
from infra.aws_identity import OF_ITS_OBJECTS, OF_ITS_PROOFS, OF_THE_BUCKET, PROOFS
from tests.doubles.declared_program import OFFERINGS, TIMES, declare, offered
from tests.unit.aws_examples import GIVEN, declared, document, usual

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


def test_the_zone_is_the_first_that_offers_every_type():
    types = ("m7i.large", "c7i.large")
    offers = offered(("m7i.large", "eu-north-1a"), *((name, "eu-north-1b") for name in types))
    found = declare({**GIVEN, "tandem:worker-types": "c7i.large"}, answers={OFFERINGS: offers})
    assert found.one("ec2/subnet:Subnet").inputs["availabilityZone"] == "eu-north-1b"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "None of eu-north-1a, eu-north-1b offers all of m7i.large"),
        ({"tandem:zone": "eu-north-1a"}, "all are offered in eu-north-1c"),
        (
            {
                "tandem:vpc": "vpc-0123456789abcdef0",
                "tandem:subnet": "subnet-0123456789abcdef0",
            },
            "None of eu-north-1b offers",
        ),
        (
            {
                "tandem:vpc": "vpc-0123456789abcdef1",
                "tandem:subnet": "subnet-0123456789abcdef0",
            },
            "is in vpc-0123456789abcdef0",
        ),
    ],
)
def test_a_zone_without_the_types_is_refused_before_any_machine(changes, words):
    answers = {OFFERINGS: offered(("m7i.large", "eu-north-1c"))}
    with pytest.raises(pulumi.RunError, match=words):
        declare({**GIVEN, **changes}, answers=answers)


def test_a_given_network_is_used_and_nothing_is_made_in_it_but_the_group():
    found = declared(vpc="vpc-0123456789abcdef0", subnet="subnet-0123456789abcdef0")
    for kind in ("Vpc", "Subnet", "InternetGateway", "RouteTable", "RouteTableAssociation"):
        assert not found.all(f":{kind}")
    group = found.one("ec2/securityGroup:SecurityGroup").inputs
    assert group["vpcId"] == "vpc-0123456789abcdef0"
    for one in found.all("ec2/instance:Instance"):
        assert one.inputs["subnetId"] == "subnet-0123456789abcdef0"


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
        ("Allow", f"arn:aws:s3:::bucket-made/{PROOFS}"),
    ]
    assert [one["Action"] for one in policy] == [
        list(OF_THE_BUCKET),
        list(OF_ITS_OBJECTS),
        list(OF_ITS_PROOFS),
    ]
    assert not [one for part in policy for one in part["Action"] if "*" in one]
    trust = json.loads(found.one("iam/role:Role").inputs["assumeRolePolicy"])["Statement"]
    assert [one["Principal"] for one in trust] == [{"Service": "ec2.amazonaws.com"}]
    assert found.one("InstanceProfile").inputs["role"] == "role-made"


def test_names_that_aws_makes_unique_fit_its_limit():
    found = declared(name="a" + "b" * 30)
    assert len(found.one("iam/role:Role").inputs["namePrefix"]) <= 38
    assert len(found.one("s3/bucket:Bucket").inputs["bucketPrefix"]) <= 37
    assert len(found.one("InstanceProfile").inputs["namePrefix"]) <= 38


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
