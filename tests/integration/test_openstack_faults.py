"""Calls that fail on OpenStack: each ends in the right state, with the cloud's own words.

They pass a gate before the real services, which makes them fail, hang or lose their answer.
Every test runs by doubles of Pulumi's engine and plugin, and by the real ones where they are on
PATH. That nothing is orphaned is seen by listing the whole project, marked or not.
"""

import time

import pytest

from tests.integration.openstack_clusters import check_gone, wait_for
from tests.integration.pulumi_project import kill_session

pytestmark = [pytest.mark.long, pytest.mark.openstack, pytest.mark.timeout(3600)]

BROKEN = "The server has either erred or is incapable of performing the requested operation."


@pytest.fixture
def cluster(openstack_cluster):
    return openstack_cluster


@pytest.fixture
def stack(gated_stack):
    return gated_stack


def test_a_machine_that_the_cloud_fails_to_make_is_made_by_the_same_command(
    cluster, stack, gate
):
    gate.refuse("compute", "POST", "/servers$", 500, BROKEN)
    failed = stack.up()
    assert not failed.succeeded
    assert f"the cloud failed with 500.\n{BROKEN}" in failed.told()
    assert "the same command again" in failed.told()
    assert "direct cause" not in failed.told()
    assert cluster.servers() == {}
    made = {one.id for one in cluster.audit().found if one.kind == "network"}

    gate.clear()
    done = stack.up()
    assert done.succeeded, done.told()
    assert set(cluster.servers()) == {"node-1", "node-2"}
    assert {one.id for one in cluster.audit().found if one.kind == "network"} == made
    check_gone(cluster, stack)


def test_a_port_without_its_tags_is_no_orphan(cluster, stack, gate):
    """Tags come by a second call; until then a name is all that tells whose a thing is."""
    gate.refuse("network", "PUT", "/ports/.*/tags$", 500, BROKEN)
    failed = stack.up()
    assert not failed.succeeded
    assert BROKEN in failed.told()
    assert "port" in {one.kind for one in cluster.audit().found}
    gate.clear()
    check_gone(cluster, stack)


def test_calls_too_many_are_made_again(cluster, stack, gate):
    words = "This request was rate-limited."
    for service, method, path in (
        ("compute", "GET", "/flavors"),
        ("compute", "POST", "/servers$"),
        ("compute", "GET", "/servers/"),
        ("network", "POST", "/ports$"),
    ):
        gate.refuse(service, method, path, 429, words, left=2)
    done = stack.up()
    assert done.succeeded, done.told()
    assert len([one for one in gate.calls(method="POST") if one.status == 429]) == 4
    assert set(cluster.servers()) == {"node-1", "node-2"}
    assert stack.up().changes() == []


def test_a_silent_service_is_told_within_the_deadline_and_nothing_is_made(cluster, stack, gate):
    gate.hang("compute", "GET", "/flavors", 60)
    begin = time.monotonic()
    failed = stack.up()
    assert not failed.succeeded
    assert "a service of the cloud was not reached" in failed.told()
    assert "timed out" in failed.told()
    assert time.monotonic() - begin < 120
    assert cluster.left() == []


def test_a_machine_whose_answer_was_lost_is_taken_over(cluster, stack, gate):
    gate.lose("compute", "POST", "/servers$", left=1)
    done = stack.up()
    assert done.succeeded, done.told()
    mine = [one for one in cluster.link.compute.servers() if cluster.name in one.name]
    assert len(mine) == 2
    assert {node.instance_id for node in cluster.inventory().nodes} == {one.id for one in mine}
    check_gone(cluster, stack)


def test_a_destroy_that_the_cloud_refuses_goes_on_with_the_same_command(cluster, stack, gate):
    assert stack.up().succeeded
    gate.refuse("compute", "DELETE", "/servers/", 500, BROKEN)
    gate.refuse("network", "DELETE", "/routers/", 503, "No server is available.")
    refused = stack.destroy()
    assert not refused.succeeded
    assert BROKEN in refused.told()
    assert set(cluster.servers()) == {"node-1", "node-2"}
    assert not cluster.audit().clean
    gate.clear()
    check_gone(cluster, stack)


def test_a_destroy_that_was_killed_is_finished_by_the_same_command(cluster, stack, gate):
    assert stack.up().succeeded
    gate.hang("network", "DELETE", "/subnets/", 600)
    process = stack.start("destroy")
    wait_for(lambda: cluster.servers() == {}, "the machines to go", 600)
    kill_session(process)
    gate.clear()
    stack.cancel()
    assert cluster.left() != []
    check_gone(cluster, stack)


@pytest.mark.parametrize("next_command", ["up", "destroy"])
def test_an_up_killed_when_the_machine_is_there_and_nobody_noted_it(
    cluster, stack, gate, next_command
):
    gate.hang("compute", "GET", "/servers/[0-9a-f-]{36}$", 600)
    process = stack.start("up")
    wait_for(lambda: cluster.servers() or process.poll() is not None, "a machine", 900)
    assert process.poll() is None
    kill_session(process)
    gate.clear()
    stack.cancel()
    orphans = {one.id for one in cluster.servers().values()}
    if next_command == "up":
        done = stack.up()
        assert done.succeeded, done.told()
        assert orphans <= {node.instance_id for node in cluster.inventory().nodes}
        assert len(cluster.servers()) == 2
    check_gone(cluster, stack)


def test_what_was_deleted_behind_pulumis_back_does_not_stop_a_destroy(cluster, stack):
    assert stack.up().succeeded
    lost = cluster.servers()
    for one in lost.values():
        cluster.link.compute.delete_server(one.id)
    wait_for(lambda: cluster.servers() == {}, "the machines to go")
    (address,) = [one.id for one in cluster.audit().found if one.kind == "address"]
    cluster.link.network.delete_ip(address)
    check_gone(cluster, stack)
