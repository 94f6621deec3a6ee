"""Buying a machine on the spot market, or on demand where that has none; on moto's EC2."""

import base64

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from infra import aws_fallback
from infra.aws_fallback import SpotOrOnDemandProvider
from infra.aws_launch import launch_request

pytestmark = pytest.mark.slow

REGION = "eu-north-1"
USER_DATA = b"#cloud-config\n{}\n"


@pytest.fixture
def props(mocked_aws):
    ec2, iam = boto3.client("ec2", REGION), boto3.client("iam", REGION)
    vpc = ec2.create_vpc(CidrBlock="10.210.0.0/24")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.210.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
    ec2.create_key_pair(KeyName="key-made")
    iam.create_instance_profile(InstanceProfileName="profile-made")
    return {
        "region": REGION,
        "profile": None,
        "ami": "ami-03cf127a",
        "named_image": False,
        "instance_type": "t3.large",
        "subnet_id": subnet,
        "vpc_security_group_ids": [group],
        "key_name": "key-made",
        "iam_instance_profile": "profile-made",
        "user_data_base64": base64.b64encode(USER_DATA).decode(),
        "associate_public_ip_address": True,
        "instance_initiated_shutdown_behavior": "terminate",
        # The engine carries every number as a float.
        "metadata_options": {
            "http_endpoint": "enabled",
            "http_tokens": "required",
            "http_put_response_hop_limit": 1.0,
        },
        "root_block_device": {
            "volume_type": "gp3",
            "volume_size": 30.0,
            "encrypted": True,
            "delete_on_termination": True,
        },
        "max_price": None,
        "tags": {
            "tandem:cluster": "demo",
            "tandem:node": "node-2",
            "Name": "tandem-demo-node-2",
            aws_fallback.MARK: "spot-or-on-demand",
        },
    }


def refusing(monkeypatch, refusals):
    """Let RunInstances fail with these codes in turn, None for a success."""
    real = BaseClient._make_api_call
    asked = []

    def call(self, name, request):
        if name == "RunInstances":
            asked.append("spot" if "InstanceMarketOptions" in request else "on-demand")
            code = refusals.pop(0) if refusals else None
            if code:
                words = {"Code": code, "Message": f"{code} in the cloud's own words"}
                raise ClientError({"Error": words}, name)
        return real(self, name, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    return asked


def machines(*states):
    found = boto3.client("ec2", REGION).describe_instances()["Reservations"]
    every = [one for part in found for one in part["Instances"]]
    return [one for one in every if one["State"]["Name"] in (states or ("running",))]


def test_a_machine_is_bought_on_the_spot_market_as_the_design_says(props):
    made = SpotOrOnDemandProvider().create(props)
    (found,) = machines()
    assert found["InstanceId"] == made.id
    assert found["InstanceType"] == "t3.large"
    assert {one["Key"]: one["Value"] for one in found["Tags"]} == props["tags"]
    assert made.outs["private_ip"] == found["PrivateIpAddress"]
    data = boto3.client("ec2", REGION).describe_instance_attribute(
        InstanceId=made.id, Attribute="userData"
    )
    assert base64.b64decode(data["UserData"]["Value"]) == USER_DATA


def test_what_is_asked_for_is_what_pulumis_own_resource_asks_for(props):
    request = launch_request({**props, "root_device": "/dev/sda1"}, "spot")
    assert request["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    }
    assert request["InstanceInitiatedShutdownBehavior"] == "terminate"
    (disk,) = request["BlockDeviceMappings"]
    assert disk["Ebs"] == {
        "VolumeType": "gp3",
        "VolumeSize": 30,
        "Encrypted": True,
        "DeleteOnTermination": True,
    }
    assert request["InstanceMarketOptions"]["SpotOptions"] == {
        "SpotInstanceType": "one-time",
        "InstanceInterruptionBehavior": "terminate",
    }
    assert {one["ResourceType"] for one in request["TagSpecifications"]} == {
        "instance",
        "volume",
    }
    dear = launch_request({**props, "root_device": "/dev/sda1", "max_price": "0.0500"}, "spot")
    assert dear["InstanceMarketOptions"]["SpotOptions"]["MaxPrice"] == "0.0500"
    given = {**props, "root_device": "/dev/sda1"}
    assert "CreditSpecification" not in launch_request(given, "spot")
    given["credit_specification"] = {"cpu_credits": "standard"}
    assert launch_request(given, "spot")["CreditSpecification"] == {"CpuCredits": "standard"}
    plain = launch_request({**props, "root_device": "/dev/sda1"}, "on-demand")
    assert "InstanceMarketOptions" not in plain


@pytest.mark.parametrize("code", aws_fallback.NO_SPOT)
def test_where_there_is_no_spot_machine_one_is_bought_on_demand(props, monkeypatch, code):
    asked = refusing(monkeypatch, [code])
    made = SpotOrOnDemandProvider().create(props)
    assert asked == ["spot", "on-demand"]
    assert made.outs["market"] == "on-demand"
    assert [one["InstanceId"] for one in machines()] == [made.id]


def test_where_there_is_none_at_all_both_answers_are_told(props, monkeypatch):
    refusing(monkeypatch, ["InsufficientInstanceCapacity", "VcpuLimitExceeded"])
    with pytest.raises(RuntimeError) as caught:
        SpotOrOnDemandProvider().create(props)
    assert "InsufficientInstanceCapacity in the cloud's own words" in str(caught.value)
    assert "VcpuLimitExceeded in the cloud's own words" in str(caught.value)
    assert machines("pending", "running") == []


def test_another_refusal_is_no_reason_to_pay_more(props, monkeypatch):
    asked = refusing(monkeypatch, ["UnauthorizedOperation"])
    with pytest.raises(RuntimeError, match="UnauthorizedOperation"):
        SpotOrOnDemandProvider().create(props)
    assert asked == ["spot"]


def test_a_profile_that_ec2_does_not_know_yet_is_waited_for(props, monkeypatch):
    real = BaseClient._make_api_call
    asked = []

    def call(self, name, request):
        if name == "RunInstances" and len(asked) < 2:
            asked.append(name)
            words = "Value (profile-made) for parameter iamInstanceProfile.name is invalid. "
            error = {"Code": "InvalidParameterValue", "Message": words}
            error["Message"] += "Invalid IAM Instance Profile name"
            raise ClientError({"Error": error}, name)
        return real(self, name, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    made = SpotOrOnDemandProvider().create(props)
    assert [one["InstanceId"] for one in machines()] == [made.id]


def test_a_machine_that_a_killed_attempt_left_is_taken_over(props):
    first = SpotOrOnDemandProvider().create(props)
    again = SpotOrOnDemandProvider().create(props)
    assert again.id == first.id
    assert len(machines("pending", "running")) == 1


def test_a_machine_of_another_stack_is_not_taken_over(props):
    SpotOrOnDemandProvider().create(props)
    boto3.client("ec2", REGION).create_key_pair(KeyName="key-other")
    other = SpotOrOnDemandProvider().create({**props, "key_name": "key-other"})
    assert len(machines()) == 2
    assert other.id in {one["InstanceId"] for one in machines()}


def test_the_machine_of_a_node_that_was_on_demand_is_not_taken_over(props):
    """Pulumi's own resource made it, and ends it as soon as the other one is there."""
    tags = {name: value for name, value in props["tags"].items() if name != aws_fallback.MARK}
    request = launch_request({**props, "tags": tags, "root_device": "/dev/sda1"}, "on-demand")
    old = boto3.client("ec2", REGION).run_instances(**request)["Instances"][0]["InstanceId"]
    made = SpotOrOnDemandProvider().create(props)
    assert made.id != old


def test_a_machine_of_another_type_is_not_taken_over(props):
    first = SpotOrOnDemandProvider().create(props)
    assert SpotOrOnDemandProvider().create({**props, "instance_type": "t3.xlarge"}).id != (
        first.id
    )


def test_a_wait_that_fails_leaves_no_machine(props, monkeypatch):
    def fail(ec2, instance):
        raise KeyboardInterrupt

    monkeypatch.setattr(aws_fallback, "describe", fail)
    with pytest.raises(KeyboardInterrupt):
        SpotOrOnDemandProvider().create(props)
    assert machines("pending", "running") == []


def test_refresh_finds_a_machine_that_aws_took_back(props):
    provider = SpotOrOnDemandProvider()
    made = provider.create(props)
    assert provider.read(made.id, made.outs).id == made.id
    boto3.client("ec2", REGION).terminate_instances(InstanceIds=[made.id])
    assert provider.read(made.id, made.outs).id == ""
    assert provider.read("i-0123456789abcdef0", made.outs).id == ""


def test_tags_change_in_place_and_what_it_was_started_with_replaces_it(props):
    provider = SpotOrOnDemandProvider()
    made = provider.create(props)
    assert provider.diff(made.id, made.outs, props).changes is False
    newer = {**props, "ami": "ami-newer", "user_data_base64": "other"}
    assert provider.diff(made.id, made.outs, newer).changes is False
    assert provider.diff(made.id, made.outs, {**newer, "named_image": True}).replaces == ["ami"]
    roomy = {**props, "root_block_device": {**props["root_block_device"], "volume_size": 50.0}}
    assert provider.diff(made.id, made.outs, roomy).replaces == ["root_block_device"]
    bigger = {**props, "instance_type": "t3.xlarge"}
    assert provider.diff(made.id, made.outs, bigger).replaces == ["instance_type"]
    tagged = {**props, "tags": {**props["tags"], "tandem:expires-at": "later"}}
    assert provider.diff(made.id, made.outs, tagged).changes is True
    provider.update(made.id, made.outs, tagged)
    (found,) = machines()
    assert {"Key": "tandem:expires-at", "Value": "later"} in found["Tags"]


def test_a_destroyed_machine_is_gone_and_destroying_it_again_is_no_error(props):
    provider = SpotOrOnDemandProvider()
    made = provider.create(props)
    provider.delete(made.id, made.outs)
    assert machines("pending", "running", "shutting-down") == []
    provider.delete(made.id, made.outs)
    provider.delete("i-0123456789abcdef0", made.outs)
