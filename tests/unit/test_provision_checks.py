"""What is refused before anything starts: bad facts, unfit machines, wrong owners."""

import json

import pytest

from contracts.errors import InvalidDocument, RefusedError
from provision import preflight
from provision.environment_plan import EnvironmentPlan
from provision.facts import Recorded, parse
from provision.identity import check_owner, owner_of
from provision.words import plain_text
from tests.unit.provision_examples import facts, inventory, node

KEEP, CREATE = EnvironmentPlan("/e", "keep"), EnvironmentPlan("/e", "create")
ANSWER = {
    "home": "/home/tandem/.tandem",
    "time": 1000.5,
    "python": "3.11.2",
    "system": "Linux",
    "machine": "x86_64",
    "release": "6.1",
    "owns_address": True,
    "disk_free": 1,
    "temporary_free": 1,
    "shared_memory": 1,
    "memory_bytes": 1,
    "environments": [
        {
            "path": "/opt/e",
            "python": "3.11.2",
            "packages": {"numpy": "2.4.6"},
            "damaged": {"numpy": ["x is missing"]},
            "writable": True,
        }
    ],
    "can_write_system": False,
    "uv": None,
    "code": False,
    "credentials": {"ray_token": "ab12"},
    "records": {"ray": {"spec": "s", "state": "ready", "complete": True, "members": 3}},
    "listening": [22],
}


def test_what_a_node_says_is_taken_over():
    found = parse("head", ANSWER, clock=1000.0)
    assert found.skew == 0.5
    assert found.records["ray"] == Recorded("s", True, 3)
    assert found.environments[0].damaged == {"numpy": ("x is missing",)}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("home", "/home/x; rm -rf /"),
        ("home", "relative"),
        ("python", "3.11; reboot"),
        ("uv", "/usr/bin/uv --evil"),
        ("disk_free", "much"),
        ("disk_free", True),
        ("listening", None),
        ("credentials", {"ray_token": "not hex!"}),
        ("records", {"ray": "running"}),
        ("records", {"../../x": {"spec": "s", "complete": True, "members": 1}}),
        ("environments", [{"path": "/opt/e\n", "python": "3"}]),
        ("time", "noon"),
    ],
)
def test_an_answer_of_the_wrong_form_is_refused_and_the_field_named(key, value):
    with pytest.raises(InvalidDocument, match=key):
        parse("head", {**ANSWER, key: value}, clock=0)


@pytest.mark.parametrize("answer", [None, [], "x", {}, json.loads("1")])
def test_an_answer_that_is_no_object_is_refused(answer):
    with pytest.raises(InvalidDocument, match="what head says of itself"):
        parse("head", answer, clock=0)


@pytest.mark.parametrize(
    ("changes", "plan", "words"),
    [
        ({"system": "Darwin"}, KEEP, "must run Linux"),
        ({"owns_address": False}, KEEP, "10.0.0.10 is not an address of that machine"),
        ({"memory_bytes": 10**9}, KEEP, "3072 MiB in the inventory, and the machine has 954"),
        ({"disk_free": 10**6}, KEEP, "needs 256"),
        ({"disk_free": 10**9}, CREATE, "needs 2048"),
        ({"temporary_free": 10**6}, KEEP, "temporary folder"),
        ({"python": "3.10.4"}, CREATE, "python3 is 3.10.4; Python 3.11 to 3.13 is needed"),
        ({"listening": frozenset({6379})}, KEEP, "port 6379 is in use"),
    ],
)
def test_a_machine_that_cannot_take_part_is_named_with_the_reason(changes, plan, words):
    found = preflight.complaints(node(), facts(**changes), plan, "ray")
    assert len(found) == 1
    assert found[0].startswith("head: ")
    assert words in found[0]


def test_a_machine_in_good_order_has_no_complaint():
    assert preflight.complaints(node(), facts(), CREATE, "ray") == []
    assert preflight.complaints(node(), facts(python="3.9.1"), KEEP, "ray") == []


def test_ports_of_an_engine_of_ours_are_not_in_the_way():
    ours = {"ray": Recorded("s", False, 2)}
    found = facts(listening=frozenset({6379, 6380}), records=ours)
    assert preflight.complaints(node(), found, KEEP, "ray") == []
    assert preflight.complaints(node(), found, KEEP, None) == []


def test_different_pythons_are_named_with_their_nodes():
    complaint = preflight.same_python({"head": "3.11.2", "worker-1": "3.12.1"})
    assert complaint == [
        "all nodes must have the same Python, and there is Python 3.11 on head; "
        "Python 3.12 on worker-1"
    ]
    assert preflight.same_python({"head": "3.11.2", "worker-1": "3.11.9"}) == []


def test_every_complaint_is_told_at_once():
    with pytest.raises(InvalidDocument) as caught:
        preflight.refuse(["head: one", "worker-1: two"])
    assert "head: one" in str(caught.value)
    assert "worker-1: two" in str(caught.value)


def test_a_wrong_clock_is_noted_and_nothing_more():
    notes = preflight.clock_notes({"head": facts(skew=-600.0), "worker-1": facts(skew=1.0)})
    assert notes == ["head: its clock is 600 s behind"]


def test_a_machine_of_this_cluster_or_of_none_is_accepted():
    known = inventory(generation=3)
    for owner in (None, owner_of(known, node()), {**owner_of(known, node(2)), "generation": 2}):
        check_owner(known, node(), owner)


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        (
            {"cluster_id": "other", "generation": 1, "node": "head"},
            "belongs to cluster 'other'",
        ),
        ({"cluster_id": "example", "generation": 9, "node": "head"}, "inventory is stale"),
        ({"cluster_id": "example", "generation": None, "node": "head"}, "inventory is stale"),
        ({"cluster_id": "example", "generation": 2, "node": "worker-1"}, "is 'worker-1'"),
        ({}, "belongs to cluster None"),
    ],
)
def test_another_clusters_machine_and_a_stale_inventory_are_refused(owner, words):
    with pytest.raises(RefusedError, match=words) as caught:
        check_owner(inventory(), node(), owner)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", "plain"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07text", "text"),
        (b"a\x00b\x08c\rd", "abcd"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("right\u202eto left", "rightto left"),
    ],
)
def test_text_from_a_machine_is_made_safe_to_print(raw, shown):
    assert plain_text(raw) == shown
