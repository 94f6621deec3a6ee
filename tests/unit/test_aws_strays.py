"""Ending machines of a stack that Pulumi does not know of; on moto's EC2."""

import boto3
import pytest
from pulumi.output import UNKNOWN

from infra.aws_strays import NoneLeftProvider, NoStraysProvider

pytestmark = pytest.mark.slow

REGION = "eu-north-1"


@pytest.fixture
def ec2(mocked_aws):
    client = boto3.client("ec2", REGION)
    for key in ("key-made", "key-other"):
        client.create_key_pair(KeyName=key)
    return client


def make(ec2, node, key="key-made", cluster="demo"):
    tags = {"tandem:cluster": cluster, **({"tandem:node": node} if node else {})}
    made = ec2.run_instances(
        ImageId="ami-03cf127a",
        InstanceType="t3.large",
        MinCount=1,
        MaxCount=1,
        KeyName=key,
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": name, "Value": value} for name, value in tags.items()],
            }
        ],
    )
    return made["Instances"][0]["InstanceId"]


def there(ec2):
    found = ec2.describe_instances()["Reservations"]
    every = [one for part in found for one in part["Instances"]]
    return {one["InstanceId"] for one in every if one["State"]["Name"] != "terminated"}


def props(**more):
    ours = {"cluster_id": "demo", "region": REGION, "profile": None, "key_name": "key-made"}
    return {**ours, **more}


def test_a_machine_that_is_no_node_is_ended_and_nothing_else_is(ec2):
    node, stray = make(ec2, "node-1"), make(ec2, "node-1")
    asleep = make(ec2, "node-2")
    ec2.stop_instances(InstanceIds=[asleep])
    others = {
        make(ec2, None),
        make(ec2, "node-1", key="key-other"),
        make(ec2, "node-1", cluster="another"),
    }
    NoStraysProvider().create(props(nodes=[node]))
    assert there(ec2) == {node, *others}
    assert {stray, asleep}.isdisjoint(there(ec2))


def test_strays_are_a_difference_and_ending_them_removes_it(ec2):
    node, provider = make(ec2, "node-1"), NoStraysProvider()
    made = provider.create(props(nodes=[node])).outs
    assert provider.diff("demo", made, props(nodes=[node])).changes is False
    make(ec2, "node-1")
    assert provider.diff("demo", made, props(nodes=[node])).changes is True
    provider.update("demo", made, props(nodes=[node]))
    assert there(ec2) == {node}
    assert provider.diff("demo", made, props(nodes=[node])).changes is False
    assert provider.diff("demo", made, props(nodes=[node, UNKNOWN])).changes is True
    assert provider.diff("demo", made, props(nodes=[node, "i-more"])).changes is True


def test_whatever_is_left_is_ended_before_the_network_goes(ec2):
    provider = NoneLeftProvider()
    make(ec2, "node-1"), make(ec2, None)
    other = make(ec2, "node-1", key="key-other")
    made = provider.create(props())
    assert len(there(ec2)) == 3
    kept = {name: value for name, value in made.outs.items() if value is not None}
    assert provider.diff(made.id, kept, props()).changes is False
    assert provider.diff(made.id, kept, props(key_name="key-other")).changes is True
    provider.delete(made.id, made.outs)
    assert there(ec2) == {other}
    provider.delete(made.id, made.outs)
