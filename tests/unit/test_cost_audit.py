"""What an audit finds in an account, what it says of gaps, and how it removes things."""

import datetime
import time
from collections import Counter

import boto3
import pytest
from botocore.exceptions import ClientError

from contracts.errors import FAILED
from cost.account import Account, Denied, NoCredentials, in_our_words
from cost.audit import audit, enabled_regions
from cost.found import GLOBAL, REGIONAL
from cost.remove import remove
from tests.doubles import aws_server
from tests.doubles.aws_cluster import (
    make_bucket,
    make_cluster,
    make_machines,
    make_network,
    plain_tags,
)

pytestmark = pytest.mark.slow

REGION = "eu-north-1"


def test_an_account_that_never_saw_a_cluster_is_clean(aws):
    found = audit(Account(), [REGION, "us-east-1"])
    assert found.clean
    assert found.regions == (REGION, "us-east-1")


def test_all_enabled_regions_are_looked_at_unless_told_fewer(aws):
    ec2 = boto3.client("ec2")
    boto3.client("ec2", region_name="sa-east-1").create_volume(
        Size=1,
        AvailabilityZone="sa-east-1a",
        TagSpecifications=[
            {"ResourceType": "volume", "Tags": [{"Key": "tandem:cluster", "Value": "far"}]}
        ],
    )
    found = audit(Account())
    assert set(found.regions) == {
        one["RegionName"] for one in ec2.describe_regions()["Regions"]
    }
    assert [(one.kind, one.region, one.cluster) for one in found.found] == [
        ("volume", "sa-east-1", "far")
    ]


def test_one_of_every_kind_is_found_by_its_tag(aws):
    make_cluster(REGION)
    found = audit(Account(), [REGION])
    kinds = Counter(one.kind for one in found.found)
    expected = {*REGIONAL, *GLOBAL} - {"spot request", "network interface"}
    assert set(kinds) == expected
    assert kinds["instance"] == 2
    assert {one.owner for one in found.found} == {"ada"}
    assert not found.unseen


def test_another_cluster_is_left_out_when_one_is_named(aws):
    make_network(boto3.client("ec2"), "lab")
    make_network(boto3.client("ec2"), "course")
    make_bucket(REGION, "course")
    assert {one.cluster for one in audit(Account(), [REGION]).found} == {"lab", "course"}
    assert {one.cluster for one in audit(Account(), [REGION], "lab").found} == {"lab"}


def test_what_was_ended_does_not_count(aws):
    ec2 = boto3.client("ec2")
    machines = make_machines(ec2, make_network(ec2), 1)
    ec2.terminate_instances(InstanceIds=machines)
    assert "instance" not in {one.kind for one in audit(Account(), [REGION]).found}


def test_everything_is_removed_in_one_go_and_nobody_else_is_touched(aws):
    make_cluster(REGION)
    theirs = make_network(boto3.client("ec2"), "course")
    account = Account()
    assert remove(account, audit(account, [REGION], "lab").found) == {}
    assert audit(account, [REGION], "lab").clean
    left = {one.id for one in audit(account, [REGION]).found}
    assert {theirs["vpc"], theirs["subnet"], theirs["group"]} <= left


def test_removing_what_is_gone_already_is_fine(aws):
    make_cluster(REGION)
    account = Account()
    found = audit(account, [REGION]).found
    assert remove(account, found) == {}
    assert remove(account, found) == {}


def test_a_throttled_call_is_repeated(aws, monkeypatch):
    make_network(boto3.client("ec2"))
    with aws_server.slow_line(aws, 0.0) as line:
        monkeypatch.setenv("AWS_ENDPOINT_URL", line.address)
        line.refuse_first = 3
        found = audit(Account(), [REGION])
    assert {one.kind for one in found.found} >= {"network", "subnet"}
    assert not found.unseen


def test_what_could_not_be_seen_is_told_and_is_not_clean(aws, monkeypatch):
    with aws_server.slow_line(aws, 3.0) as line:
        monkeypatch.setenv("AWS_ENDPOINT_URL", line.address)
        found = audit(Account(), [REGION], seconds=0.5)
    assert not found.found
    assert not found.clean
    assert found.unseen[f"instance in {REGION}"] == "no answer within 0 s"


def test_no_credentials_are_one_error_that_says_what_to_do(aws, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(NoCredentials, match="AWS_PROFILE"):
        audit(Account(), [REGION])
    with pytest.raises(NoCredentials):
        enabled_regions(Account())


def test_a_bucket_that_keeps_an_object_says_which_and_why_at_once(aws):
    s3, name = boto3.client("s3"), "tandem-locked"
    where = {"LocationConstraint": REGION}
    s3.create_bucket(
        Bucket=name, CreateBucketConfiguration=where, ObjectLockEnabledForBucket=True
    )
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": plain_tags("lab")})
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    s3.put_object(
        Bucket=name,
        Key="kept",
        Body=b"x",
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=until,
    )
    begin = time.monotonic()
    (reason,) = remove(Account(), audit(Account(), [REGION], "lab").found).values()
    assert "kept: AccessDenied" in reason
    assert time.monotonic() - begin < 60, "it is not tried again and again"


def test_what_a_policy_denies_is_a_failure_and_no_refusal_of_ours():
    answer = {"Error": {"Code": "UnauthorizedOperation", "Message": "ec2:DescribeVpcs"}}
    with pytest.raises(Denied, match="ec2:DescribeVpcs") as caught, in_our_words("look"):
        raise ClientError(answer, "DescribeVpcs")
    assert caught.value.exit_code == FAILED
