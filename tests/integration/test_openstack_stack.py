"""The stack on OpenStack, each step checked by asking the real services as their member.

They run on loopback, from the lock of the test bed; machines are records of its nova driver.
Every test runs by doubles of Pulumi's engine and plugin, and by the real ones where they are on
PATH.
"""

import json
import time
from pathlib import Path

import pytest

from infra.openstack_sweep import sweep
from provision.node import machine_delete
from tests.command_line import fab
from tests.doubles.openstack.places import usual
from tests.integration.openstack_clusters import wait_for
from tests.integration.pulumi_project import kill_session

pytestmark = [pytest.mark.long, pytest.mark.openstack, pytest.mark.timeout(3600)]


@pytest.fixture
def cluster(openstack_cluster):
    return openstack_cluster


@pytest.fixture
def stack(openstack_stack):
    return openstack_stack


def names(outcome, *kinds):
    return {name for kind, name in outcome.changes() if kind in kinds}


def test_a_cluster_lives_from_preview_to_destroy(cluster, stack):
    planned = stack.preview()
    assert planned.succeeded, planned.told()
    assert cluster.audit().clean

    made = stack.up()
    assert made.succeeded, made.told()
    assert names(made, "create") == names(planned, "create")
    inventory, servers = cluster.inventory(), cluster.servers()
    assert {one.status for one in servers.values()} == {"ACTIVE"}
    head, worker = inventory.nodes
    assert (head.instance_id, worker.instance_id) == (
        servers["node-1"].id,
        servers["node-2"].id,
    )
    (outside,) = cluster.link.network.ips(floating_ip_address=head.ssh_host)
    assert outside.fixed_ip_address == head.private_ip
    assert (worker.ssh_host, worker.jump) == (worker.private_ip, "node-1")
    assert (head.hourly_price, worker.hourly_price) == (1, 0.5)
    check_rules(cluster, inventory)
    kinds = {one.kind for one in cluster.audit().found}
    assert kinds == {"server", "address", "port", "router", "network", "security group",
                     "key pair", "container", "credential"}  # fmt: skip

    again = stack.up()
    assert (again.succeeded, again.changes()) == (True, []), again.told()

    stack.settings["nodes"] = 3
    grown = stack.up()
    assert grown.succeeded, grown.told()
    assert {"node-3", "node-3-port"} <= names(grown, "create")
    assert not names(grown, "create") & {"node-1", "node-2", "network"}
    stack.settings["nodes"] = 2
    shrunk = stack.up()
    assert shrunk.succeeded, shrunk.told()
    assert set(cluster.servers()) == {"node-1", "node-2"}
    stack.settings["nodes"] = 3
    grown = stack.up()
    assert grown.succeeded, grown.told()
    assert {"node-3", "node-3-port"} <= names(grown, "create")
    assert [one.name for one in cluster.inventory().nodes] == ["node-1", "node-2", "node-3"]

    gone = stack.destroy()
    assert gone.succeeded, gone.told()
    left = cluster.audit()
    assert left.clean, left
    assert cluster.left() == []
    assert not (cluster.state / "inventory.json").exists()
    assert not (cluster.state / "machines" / cluster.name).exists()


def check_rules(cluster, inventory):
    group = inventory.security_group_id
    found = list(cluster.link.network.security_group_rules(security_group_id=group))
    by_address = {
        (one.remote_ip_prefix, one.port_range_min)
        for one in found
        if one.direction == "ingress" and one.remote_group_id is None
    }
    assert by_address == {("198.51.100.7/32", 22), (f"{inventory.head.private_ip}/32", 22)}
    assert {one.remote_group_id for one in found} <= {group, None}


def test_drift_is_mended_and_an_end_is_not_undone_by_chance(cluster, stack):
    assert stack.up().succeeded
    first = cluster.servers()
    cluster.link.compute.delete_server(first["node-2"].id)
    cluster.link.compute.stop_server(first["node-1"].id)
    wait_for(lambda: cluster.servers()["node-1"].status == "SHUTOFF", "node-1 to be off")
    wait_for(lambda: "node-2" not in cluster.servers(), "node-2 to go")
    # Both are out of use now, which looks as if they had ended.
    refused = stack.up()
    assert not refused.succeeded
    assert "pulumi config set renew 1" in refused.told()
    stack.settings["renew"] = 1
    mended = stack.up()
    assert mended.succeeded, mended.told()
    second = cluster.servers()
    assert second["node-1"].id == first["node-1"].id
    assert second["node-2"].id != first["node-2"].id
    assert {one.status for one in second.values()} == {"ACTIVE"}
    # One of two is drift, which needs no leave.
    del stack.settings["renew"]
    cluster.link.compute.delete_server(second["node-2"].id)
    wait_for(lambda: "node-2" not in cluster.servers(), "node-2 to go")
    assert stack.up().succeeded
    assert set(cluster.servers()) == {"node-1", "node-2"}


def test_the_head_deletes_the_machines_by_its_credential_and_can_do_nothing_else(
    cluster, stack, monkeypatch
):
    made = stack.up()
    assert made.succeeded, made.told()
    path = cluster.state / "machines" / cluster.name / "ending.json"
    assert path.stat().st_mode & 0o777 == 0o600
    ending = json.loads(path.read_text())
    assert "may delete" in machine_delete.prove(ending)
    token = machine_delete._token(ending)
    others = "11111111-2222-3333-4444-555555555555"
    assert machine_delete._delete(ending, token, others) in (401, 403)
    monkeypatch.setattr(machine_delete, "OTHERS_SECONDS", 0.0)
    machine_delete.delete_all(ending, lambda words: None)
    wait_for(lambda: cluster.servers() == {}, "every machine to go")
    refused = stack.up()
    assert "none of them runs any more" in refused.told()
    assert cluster.servers() == {}
    assert stack.destroy().succeeded
    assert cluster.audit().clean


def test_a_machine_for_which_no_host_is_valid_is_told_at_once_and_is_gone(cluster, stack):
    stack.settings["worker-flavors"] = "ssc.giant"
    begin = time.monotonic()
    failed = stack.up()
    assert not failed.succeeded
    assert "No valid host" in failed.told()
    assert "Next: another flavor or zone" in failed.told()
    assert time.monotonic() - begin < 300
    assert "node-2" not in cluster.servers()
    stack.settings["worker-flavors"] = "ssc.tiny"
    assert stack.up().succeeded
    assert {one.status for one in cluster.servers().values()} == {"ACTIVE"}


def test_a_quota_that_is_used_up_is_told_as_that(cluster, stack):
    stack.settings["nodes"] = 9
    failed = stack.up()
    assert not failed.succeeded
    assert "quota is used up" in failed.told()
    assert stack.destroy().succeeded
    assert cluster.audit().clean


@pytest.mark.parametrize("kind", ["network", "server"])
def test_an_up_that_was_killed_leaves_nothing_that_destroy_does_not_remove(
    cluster, stack, kind
):
    process = stack.start("up")
    wait_for(lambda: kind in {one.kind for one in cluster.audit().found}, f"a {kind}", 600)
    kill_session(process)
    stack.cancel()
    went_on = stack.up()
    assert went_on.succeeded, went_on.told()
    assert set(cluster.servers()) == {"node-1", "node-2"}
    assert stack.destroy().succeeded
    assert cluster.left() == []


def test_what_has_another_stacks_mark_is_left_alone(cluster, stack):
    assert stack.up().succeeded
    sweep(cluster.link, "ffffffff", ("server", "port", "address", "router", "network", "group"))
    assert set(cluster.servers()) == {"node-1", "node-2"}


def test_the_doctor_reads_login_quotas_and_offers_of_the_cloud(cluster, tmp_path):
    answered = fab("doctor", "--stack", "ssc", "--json", state=tmp_path, **cluster.variables)
    found = {one["what"]: one for one in answered.document["findings"]}
    wanted = ("login", "flavors", "image", "ssh-user", "ends", "network", "quota instances")
    assert {found[name]["state"] for name in wanted} == {"ok"}, answered.document
    assert found["quota instances"]["words"].startswith("3 wanted, ")
    assert found["quota floating ips"]["state"] == "ok"
    assert found["image"]["words"] == "Ubuntu 24.04"


def test_a_wrong_password_is_told_as_that_and_is_not_told_itself(cluster, stack, tmp_path):
    text = Path(cluster.variables["OS_CLIENT_CONFIG_FILE"]).read_text()
    wrong = tmp_path / "clouds.yaml"
    wrong.write_text(text.replace(usual().password, "not-this-one"))
    stack.use({"OS_CLIENT_CONFIG_FILE": str(wrong)})
    failed = stack.up()
    assert not failed.succeeded
    assert "does not take the credentials" in failed.told()
    assert "openrc.sh" in failed.told()
    assert "not-this-one" not in failed.told()
    assert cluster.left() == []
