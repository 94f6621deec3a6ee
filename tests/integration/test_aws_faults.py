"""What goes wrong on AWS: each fault ends in the right state, with the cloud's own words.

Every test runs by the double of Pulumi's engine, and by the real program where it is on PATH.
"""

import time

import pytest

from tests.doubles.pulumi_stack import LOCKED
from tests.integration.pulumi_project import kill_session

HALF_WRITTEN = "failed to load checkpoint: EOF"
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

QUOTA = (
    "You have requested more vCPU capacity than your current vCPU limit of 5 allows for the "
    "instance bucket that the specified instance type belongs to. Please visit "
    "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
)
NO_CAPACITY = "There is no Spot capacity available that matches your request."
SPOT = {"InstanceMarketOptions.MarketType": "spot"}


def wait_for(condition, what, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def test_without_valid_credentials_nothing_is_touched(aws_stack, aws_cluster):
    missing = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    aws_stack.use(missing)
    refused = aws_stack.up()
    assert not refused.succeeded
    assert "Unable to locate credentials" in refused.told()

    aws_stack.use(aws_cluster.environment)
    words = "The security token included in the request is expired"
    aws_cluster.account.fail("GetCallerIdentity", "ExpiredToken", words)
    refused = aws_stack.up()
    assert not refused.succeeded
    assert f"(ExpiredToken) when calling the GetCallerIdentity operation: {words}" in (
        refused.told()
    )
    assert aws_cluster.left() == []


def test_a_quota_is_told_and_the_same_command_goes_on_when_it_was_raised(
    aws_stack, aws_cluster
):
    aws_cluster.account.fail("RunInstances", "VcpuLimitExceeded", QUOTA)
    refused = aws_stack.up()
    assert not refused.succeeded
    assert QUOTA in refused.told()
    assert aws_cluster.instances() == []
    before = set(aws_cluster.left())

    aws_cluster.account.clear()
    done = aws_stack.up()
    assert done.succeeded, done.told()
    assert len(aws_cluster.instances()) == 1
    assert before < set(aws_cluster.left()), "what was there was not made again"
    assert aws_stack.destroy().succeeded
    assert aws_cluster.left() == []


def test_no_spot_capacity_falls_back_to_on_demand_where_that_is_allowed(aws_stack, aws_cluster):
    aws_stack.settings.update({"nodes": 2, "workers": "spot"})
    code = "InsufficientInstanceCapacity"
    aws_cluster.account.fail("RunInstances", code, NO_CAPACITY, where=SPOT)
    refused = aws_stack.up()
    assert not refused.succeeded
    assert NO_CAPACITY in refused.told()
    # The head is bought on demand, if its turn came before the worker was refused.
    assert all("InstanceLifecycle" not in one for one in aws_cluster.instances())

    aws_stack.settings["spot-fallback"] = "true"
    done = aws_stack.up()
    assert done.succeeded, done.told()
    markets = [one.get("InstanceLifecycle", "on-demand") for one in aws_cluster.instances()]
    assert markets == ["on-demand", "on-demand"]
    assert [node.market for node in aws_cluster.inventory().nodes] == ["on-demand"] * 2
    assert aws_stack.up().changes() == []
    assert aws_stack.destroy().succeeded
    assert aws_cluster.left() == []


def test_fallback_can_be_allowed_for_machines_that_are_there(aws_stack, aws_cluster):
    """Another resource takes over the name of the node, and must not take over its machine."""
    aws_stack.settings.update({"nodes": 2, "workers": "spot"})
    bought = aws_stack.up()
    assert bought.succeeded, bought.told()
    check_markets(aws_cluster)
    aws_stack.settings["spot-fallback"] = "true"
    done = aws_stack.up()
    assert done.succeeded, done.told()
    check_markets(aws_cluster)


def test_a_spot_worker_of_another_type_is_another_machine(aws_stack, aws_cluster):
    """EC2 does not stop a spot machine, and only a stopped one could change its type."""
    aws_stack.settings.update({"nodes": 2, "workers": "spot"})
    bought = aws_stack.up()
    assert bought.succeeded, bought.told()
    head, worker = aws_cluster.inventory().nodes
    aws_stack.settings["worker-types"] = "t3.large"
    done = aws_stack.up()
    assert done.succeeded, done.told()
    nodes = aws_cluster.inventory().nodes
    assert nodes[0].instance_id == head.instance_id
    assert nodes[1].instance_id != worker.instance_id
    types = {one["InstanceId"]: one["InstanceType"] for one in aws_cluster.instances()}
    assert types == {nodes[0].instance_id: "t3.medium", nodes[1].instance_id: "t3.large"}


def check_markets(cluster):
    nodes = {node.instance_id: node.market for node in cluster.inventory().nodes}
    found = {
        one["InstanceId"]: one.get("InstanceLifecycle", "on-demand")
        for one in cluster.instances()
    }
    assert found == nodes
    assert sorted(found.values()) == ["on-demand", "spot"]


def test_throttled_calls_are_made_again(aws_stack, aws_cluster):
    for action in ("RunInstances", "CreateVpc", "DescribeInstances", "CreateSubnet"):
        aws_cluster.account.fail(
            action, "RequestLimitExceeded", "Request limit exceeded.", times=2
        )
    aws_cluster.account.calls()
    done = aws_stack.up()
    assert done.succeeded, done.told()
    refused = [one["action"] for one in aws_cluster.account.calls() if one["refused"]]
    assert {"RunInstances", "CreateVpc"} <= set(refused)
    assert len(aws_cluster.instances()) == 1


def kill_an_up(stack, cluster):
    """Kill it when EC2 has made the machine and Pulumi has not noted it: the worst moment."""
    # The provider asks for the machine by its id, and the test by its tag.
    cluster.account.slow("DescribeInstances", 30, where={"InstanceId.1": "i-"})
    process = stack.start("up")
    wait_for(cluster.instances, "a machine")
    kill_session(process)
    cluster.account.clear()
    stack.cancel()
    (orphan,) = cluster.instances()
    assert not (cluster.state / "inventory.json").exists()
    return orphan["InstanceId"]


def test_an_up_that_was_killed_half_way_is_finished_by_the_same_command(aws_stack, aws_cluster):
    kill_an_up(aws_stack, aws_cluster)
    done = aws_stack.up()
    assert done.succeeded, done.told()
    used = [node.instance_id for node in aws_cluster.inventory().nodes]
    assert [one["InstanceId"] for one in aws_cluster.instances()] == used
    assert aws_stack.up().changes() == []
    gone = aws_stack.destroy()
    assert gone.succeeded, gone.told()
    assert aws_cluster.left() == []


def test_a_destroy_after_an_up_that_was_killed_leaves_nothing(aws_stack, aws_cluster):
    kill_an_up(aws_stack, aws_cluster)
    gone = aws_stack.destroy()
    assert gone.succeeded, gone.told()
    assert aws_cluster.left() == []
    audit = aws_cluster.fab("cost.audit", "--cluster", aws_cluster.name)
    assert audit.code == 0, audit.out + audit.err


def test_a_destroy_that_was_killed_is_finished_by_the_same_command(aws_stack, aws_cluster):
    assert aws_stack.up().succeeded
    aws_cluster.account.slow("DeleteSubnet", 10)
    process = aws_stack.start("destroy")
    wait_for(lambda: not aws_cluster.instances(), "the machine to end")
    kill_session(process)
    aws_cluster.account.clear()
    aws_stack.cancel()
    assert aws_cluster.left() != []
    done = aws_stack.destroy()
    assert done.succeeded, done.told()
    assert aws_cluster.left() == []


def test_a_second_up_at_the_same_time_is_refused(aws_stack, aws_cluster):
    process = aws_stack.start("up")
    wait_for(lambda: aws_cluster.left(), "the first to begin")
    # The real engine writes its checkpoint in place: whoever reads it then finds half of it.
    refused = aws_stack.up()
    while HALF_WRITTEN in refused.told():
        refused = aws_stack.up()
    assert not refused.succeeded
    assert LOCKED in refused.told()
    assert process.wait(300) == 0
    assert len(aws_cluster.instances()) == 1
    assert aws_stack.up().changes() == []


def test_machines_deleted_behind_pulumis_back_are_missed_and_do_not_stop_a_destroy(
    aws_stack, aws_cluster
):
    assert aws_stack.up().succeeded
    (lost,) = aws_cluster.instances()
    ec2 = aws_cluster.account.client("ec2")
    ec2.terminate_instances(InstanceIds=[lost["InstanceId"]])
    gone = aws_stack.destroy()
    assert gone.succeeded, gone.told()
    assert aws_cluster.left() == []
