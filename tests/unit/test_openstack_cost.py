"""What machines on OpenStack cost by a table of coins, and what of them is left."""

import pytest

from contracts import inventory as inventories
from contracts.errors import UsageError
from cost import coins, openstack_remove
from cost.openstack_audit import audit, regions
from cost.openstack_found import KINDS, find
from cost.openstack_remove import remove
from infra import stack_file
from infra.openstack_calls import in_our_words
from tasks import cost_openstack
from tests.command_line import fab
from tests.doubles.scripted_openstack import failure, thing
from tests.unit.openstack_project import MARKS, cloud, volume
from tests.unit.provision_examples import inventory

TABLE = {"m": 2.0, "s": 1.0, "volume-gib": 0.01, "floating-ip": 0.1}


def test_everything_of_a_cluster_is_found_and_nothing_of_others():
    found = audit({"EAST-1": cloud()}, "demo", in_our_words)
    assert {one.kind: one.id for one in found.found} == {
        "server": "s1",
        "volume": "v1",
        "address": "a1",
        "port": "p1",
        "router": "r1",
        "network": "n1",
        "security group": "g1",
        "key pair": "tandem-demo-key-1a2b3c4",
        "container": "tandem-demo-results-0a1b",
        "credential": "c1",
    }
    assert [one.kind for one in found.found] == list(KINDS)
    server = found.found[0]
    assert (server.owner, server.state, server.region) == ("ada", "active", "EAST-1")
    assert not found.clean


def test_without_a_name_all_that_tandem_ever_marked_is_found():
    names = {one.cluster for one in audit({"x": cloud()}, None, in_our_words).found}
    assert names == {"demo", "other"}


def test_a_volume_that_a_machine_left_behind_says_whose_it_was():
    there = cloud(volumes=[[volume("v9", status="available", metadata=MARKS)]])
    assert [one.id for one in find(there, "volume", "x", "demo")] == ["v9"]


def test_a_clean_project_is_called_so_and_a_gap_is_not():
    empty = {name: [[]] for name in cloud()._answers}
    assert audit({"x": cloud(**empty)}, None, in_our_words).clean
    gap = audit({"x": cloud(**{**empty, "routers": [failure(500)]})}, None, in_our_words)
    assert not gap.clean
    assert list(gap.unseen) == ["routers in x"]
    assert "failed with 500" in gap.unseen["routers in x"]


def test_an_expired_login_ends_the_audit_at_once():
    with pytest.raises(UsageError, match="login expired"):
        audit({"x": cloud(servers=[failure(401)])}, None, in_our_words)


def test_what_was_not_reached_in_time_is_told():
    found = audit({"x": cloud()}, None, in_our_words, seconds=-1)
    assert len(found.unseen) == len(KINDS)


def test_the_login_service_is_asked_in_one_region_only():
    found = audit({"a": cloud(), "b": cloud()}, "demo", in_our_words)
    assert [one.region for one in found.found if one.kind == "credential"] == ["a"]
    assert [one.region for one in found.found if one.kind == "router"] == ["a", "b"]


def test_a_cloud_without_volumes_or_objects_has_none():
    bare = cloud()
    bare.has_service = lambda name: False
    assert not list(find(bare, "volume", "x", None))
    assert not list(find(bare, "container", "x", None))


def test_regions_are_those_of_the_catalogue():
    endpoints = {"compute": [{"region_id": "b"}, {"region_id": "a"}]}
    catalog = thing(get_endpoints=lambda **asked: endpoints)
    access = thing(service_catalog=catalog)
    auth = thing(get_access=lambda session: access)
    assert regions(thing(session=thing(auth=auth))) == ("a", "b")


def test_things_are_removed_each_after_those_that_hold_on(monkeypatch):
    there = cloud(objects=[[thing(name="o1")]])
    found = audit({"x": there}, "demo", in_our_words).found
    there._answers["servers"] = [[]]
    there.calls.clear()
    assert remove({"x": there}, found, in_our_words) == {}
    did = [name for name, *_ in there.calls if name.startswith(("delete", "remove"))]
    assert did == [
        "delete_server",
        "delete_volume",
        "delete_ip",
        "delete_port",
        "remove_interface_from_router",
        "delete_router",
        "delete_network",
        "delete_security_group",
        "delete_keypair",
        "delete_object",
        "delete_container",
        "delete_application_credential",
        "delete_access_rule",
    ]


def test_what_is_gone_is_fine_and_what_is_held_is_tried_again(monkeypatch):
    monkeypatch.setattr(openstack_remove, "_AGAIN_SECONDS", 0.0)
    there = cloud(delete_ip=[failure(404)], delete_network=[failure(409), failure(409), None])
    found = [
        one
        for one in audit({"x": there}, "demo", in_our_words).found
        if one.kind in ("address", "network")
    ]
    assert remove({"x": there}, found, in_our_words) == {}
    assert len(there.asked("delete_network")) == 3


def test_a_cloud_that_fails_while_machines_go_is_asked_again(monkeypatch):
    monkeypatch.setattr(openstack_remove, "_AGAIN_SECONDS", 0.0)
    there = cloud()
    found = [
        one for one in audit({"x": there}, "demo", in_our_words).found if one.kind == "server"
    ]
    there._answers["servers"] = [failure(500), [thing(id="s1")], []]
    assert remove({"x": there}, found, in_our_words) == {}


def test_what_would_not_go_is_told_with_the_reason(monkeypatch):
    there = cloud(delete_router=[failure(403, "Policy doesn't allow it")])
    found = [
        one for one in audit({"x": there}, "demo", in_our_words).found if one.kind == "router"
    ]
    refused = remove({"x": there}, found, in_our_words)
    assert list(refused.values()) == ["Policy doesn't allow it"]


def test_an_estimate_is_made_of_the_table():
    found = coins.estimate(["m", "s", "s"], TABLE, 10, volume_gib=40)
    assert [(one.what, one.count, one.hourly) for one in found.lines] == [
        ("machine m", 1, 2.0),
        ("machine s", 2, 1.0),
        ("volume of 40 GiB", 3, 0.4),
        ("floating address", 1, 0.1),
    ]
    assert found.hourly == pytest.approx(5.3)
    assert found.document()["currency"] == "coins"
    with pytest.raises(UsageError, match="table of coins has no xl"):
        coins.estimate(["xl"], TABLE, 1)


def test_what_stays_is_told_with_its_cost_and_its_end():
    words = coins.remains(TABLE, address=True, network=True, container=True)
    assert "the floating address (0.1 coins an hour)" in words
    assert "router and network (cost not in the table)" in words
    assert words.endswith("pulumi destroy removes them.")
    assert "Nothing stays" in coins.remains({}, address=False, network=False, container=False)


def test_the_verb_estimates_a_stack_on_openstack(tmp_path):
    answered = fab(
        "cost.estimate", "--stack", "jetstream2", "--hours", "2", "--json", state=tmp_path
    )
    assert answered.code == 0, answered.err
    assert answered.document["hourly"] == 12
    assert answered.document["total"] == 24
    assert answered.document["budget_hours"] == pytest.approx(100 / 12, rel=1e-3)
    assert "pulumi destroy" in answered.document["stays"]


def test_what_is_typed_takes_the_place_of_what_the_stack_says(tmp_path):
    stack = ("cost.estimate", "--stack", "jetstream2", "--hours", "1", "--json")
    answered = fab(*stack, "--nodes", "5", "--head-type", "m3.medium", state=tmp_path)
    assert answered.code == 0, answered.err
    assert answered.document["hourly"] == 8 + 4 * 4
    answered = fab(*stack, "--type", "m3.small", state=tmp_path)
    assert answered.document["hourly"] == 3 * 2
    refused = fab(*stack, "--workers", "spot", "--disk", "30", state=tmp_path)
    assert (refused.code, "--workers, --disk means nothing" in refused.err) == (2, True)


def test_a_container_that_was_given_is_not_said_to_go_with_the_stack():
    known = {"tandem:head-flavor": "m", "tandem:coins": "m=2", "tandem:name": "demo"}
    assert "the container" in cost_openstack.estimate(known, 1)[1]
    given = {**known, "tandem:bucket": "my-results"}
    assert "the container" not in cost_openstack.estimate(given, 1)[1]


def test_the_verb_audits_where_a_stack_is(tmp_path):
    nobody = {"OS_CLOUD": "nowhere", "HOME": str(tmp_path)}
    answered = fab("cost.audit", "--stack", "ssc", state=tmp_path, **nobody)
    assert answered.code == 2, answered
    assert "openrc.sh" in answered.err


def test_the_address_is_the_stacks_to_change_and_the_verb_says_so(tmp_path):
    machines = inventory(provider="openstack", security_group_id="g1")
    inventories.dump(machines, tmp_path / "inventory.json")
    answered = fab("cluster.allow", "--address", "198.51.100.7", state=tmp_path)
    assert answered.code == 2
    assert "pulumi config set operator-cidrs" in answered.err


def test_the_stack_of_a_cluster_is_found_on_any_cloud(tmp_path):
    for name, provider in (("a", "aws"), ("b", "openstack"), ("c", "local")):
        text = f"config:\n  tandem:provider: {provider}\n  tandem:name: lab\n"
        (tmp_path / f"Pulumi.{name}.yaml").write_text(text)
    assert stack_file.of_cluster("lab", tmp_path) == ["a", "b"]
