"""The verbs for machines on OpenStack while it fails: an answer in time, and a true one."""

import time

import pytest

from tests.integration.openstack_clusters import check_gone

pytestmark = [pytest.mark.long, pytest.mark.openstack, pytest.mark.timeout(3600)]

BROKEN = "An unexpected error prevented the server from fulfilling your request."


@pytest.fixture
def cluster(openstack_cluster):
    return openstack_cluster


@pytest.fixture
def stack(gated_stack):
    return gated_stack


@pytest.fixture
def ask(cluster, behind_gate):
    """Give a function that runs a verb with every call through the gate."""
    return lambda *words: cluster.fab(*words, "--json", **behind_gate)


def findings(answered):
    return {one["what"]: one for one in answered.document["findings"]}


def test_the_doctor_tells_what_it_could_not_see(ask, gate):
    gate.refuse("compute", "GET", "/limits", 500, BROKEN)
    gate.hang("network", "GET", "/quotas/", 60)
    begin = time.monotonic()
    looked = ask("doctor", "--stack", "ssc")
    assert time.monotonic() - begin < 120
    assert looked.code == 1
    told = [one["words"] for one in looked.document["findings"] if one["state"] == "bad"]
    assert any("failed with 500" in words and BROKEN in words for words in told), told
    assert any("was not reached" in words for words in told), told
    assert findings(looked)["flavors"]["state"] == "ok"


def test_the_doctor_says_which_service_keeps_it_from_looking(ask, gate):
    gate.refuse("image", "GET", "/images", 503, "No server is available.")
    looked = ask("doctor", "--stack", "ssc")
    assert looked.code == 1
    found = findings(looked)
    assert found["login"]["state"] == "ok"
    assert "No server is available" in found["offers"]["words"]
    gate.refuse("identity", "POST", "/auth/tokens", 500, BROKEN)
    assert findings(ask("doctor", "--stack", "ssc"))["login"]["state"] == "bad"


def test_what_costs_is_estimated_without_the_cloud(ask, gate):
    gate.refuse("", "", "", 503, "down")
    estimated = ask("cost.estimate", "--stack", "ssc")
    assert estimated.code == 2, "the stack has no table of coins"
    assert "coins" in estimated.err
    shown = ask("cost.show", "--stack", "ssc")
    assert shown.code == 2
    assert "cost.audit --stack ssc" in shown.err
    assert not gate.calls()


def test_an_audit_that_does_not_see_everything_is_not_clean(cluster, stack, ask, gate):
    wanted = ("cost.audit", "--stack", "ssc", "--cluster", cluster.name)
    gate.refuse("network", "GET", "/routers", 500, BROKEN)
    gate.hang("compute", "GET", "/os-keypairs", 60)
    begin = time.monotonic()
    audited = ask(*wanted)
    assert time.monotonic() - begin < 120
    assert audited.code == 3
    assert set(audited.document["unseen"]) == {"routers in EAST-1", "key pairs in EAST-1"}
    assert BROKEN in audited.document["unseen"]["routers in EAST-1"]
    gate.clear()
    assert ask(*wanted).code == 0


def test_an_audit_removes_what_it_can_and_the_rest_when_the_cloud_is_well(
    cluster, stack, ask, gate, tmp_path
):
    made = stack.up()
    assert made.succeeded, made.told()
    wanted = ("cost.audit", "--stack", "ssc", "--cluster", cluster.name, "--delete", "--in-use")
    refused = ask(*wanted)
    assert refused.code == 2, "the state folder's own cluster is Pulumi's to remove"
    (cluster.state / "inventory.json").rename(tmp_path / "inventory.json")
    gate.refuse("network", "DELETE", "/routers/", 500, BROKEN)
    gate.refuse("compute", "DELETE", "/servers/", 429, "too many", left=2)
    partly = ask(*wanted)
    assert partly.code == 8
    left = {one["kind"] for one in partly.document["found"]}
    assert {"router"} <= left <= {"router", "network", "security group"}
    assert any(BROKEN in words for words in partly.document["refused"])
    gate.clear()
    done = ask(*wanted)
    assert done.code == 0, done.out + done.err
    check_gone(cluster, stack)


def test_who_may_reach_machines_is_changed_by_the_stack(cluster, stack, ask, gate):
    assert stack.up().succeeded
    gate.refuse("", "", "", 503, "down")
    refused = ask("cluster.allow", "--address", "203.0.113.9")
    assert refused.code == 2
    assert "pulumi config set operator-cidrs" in refused.err
    gate.clear()
    stack.settings["operator-cidrs"] = "203.0.113.9/32"
    gate.refuse("network", "POST", "/security-group-rules", 500, BROKEN, left=1)
    failed = stack.up()
    assert not failed.succeeded
    done = stack.up()
    assert done.succeeded, done.told()
    group = cluster.inventory().security_group_id
    rules = cluster.link.network.security_group_rules(security_group_id=group)
    ssh = {one.remote_ip_prefix for one in rules if one.port_range_min == 22}
    assert "203.0.113.9/32" in ssh
    assert "198.51.100.7/32" not in ssh
