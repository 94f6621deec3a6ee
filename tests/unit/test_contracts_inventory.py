"""The inventory: every rule has a document that breaks it, and all problems come at once."""

import copy
import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import inventory
from contracts.errors import BAD_USAGE, InvalidDocument, UsageError

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFZ9cDHk3rJ1p6wXx1o0cQ1Yp1u3WqFf0yP9s5hTq1cB"


def node(name: str, role: str = "worker", last: int = 2) -> dict:
    return {
        "name": name,
        "role": role,
        "private_ip": f"10.0.0.{last}",
        "ssh_host": "127.0.0.1",
        "ssh_port": 2200 + last,
        "host_key": HOST_KEY,
        "instance_id": f"i-{last}",
        "cpus": 0.6,
        "memory_bytes": 3 << 30,
        "gpus": 0,
    }


def document() -> dict:
    return {
        "schema": 1,
        "cluster_id": "local",
        "generation": 1,
        "provider": "local",
        "region": "here",
        "created_at": "2026-11-21T09:00:00+00:00",
        "ssh_user": "tandem",
        "ssh_key_path": "/keys/id_ed25519",
        "nodes": [node("node-0", "head", 2), node("node-1", last=3), node("node-2", last=4)],
    }


def at(path: str, value: object) -> dict:
    """Return a good document with one value replaced; `None` removes the field."""
    changed = copy.deepcopy(document())
    place = changed
    *folders, last = path.split("/")
    for part in folders:
        place = place[int(part)] if isinstance(place, list) else place[part]
    key = int(last) if isinstance(place, list) else last
    if value is None:
        del place[key]
    else:
        place[key] = value
    return changed


def problems(broken: object) -> tuple[str, ...]:
    with pytest.raises(InvalidDocument) as caught:
        inventory.parse(json.dumps(broken))
    return caught.value.problems


def test_a_good_document_becomes_an_inventory_with_its_head_first():
    shuffled = document()
    shuffled["nodes"].reverse()
    loaded = inventory.parse(json.dumps(shuffled))
    assert loaded.head.name == "node-0"
    assert loaded.nodes[0] is loaded.head
    assert [one.name for one in loaded.first(2)] == ["node-0", "node-2"]
    assert loaded.node("node-1").private_ip == "10.0.0.3"
    with pytest.raises(KeyError):
        loaded.node("node-9")


def test_what_is_dumped_is_what_is_loaded(tmp_path):
    full = document()
    full |= {"expires_at": "2026-11-22T09:00:00+00:00", "bucket": "results"}
    full["nodes"][0] |= {"public_ip": "192.0.2.1", "hourly_price": 0.25, "currency": "USD"}
    full["nodes"][1] |= {"jump": "node-0"}
    loaded = inventory.parse(json.dumps(full))
    inventory.dump(loaded, tmp_path / "inventory.json")
    assert inventory.load(tmp_path / "inventory.json") == loaded
    assert json.loads((tmp_path / "inventory.json").read_text()) == full


CASES = {
    "no cluster id": ("cluster_id", None, "cluster_id: missing"),
    "shouting cluster id": ("cluster_id", "LOCAL", "cluster_id: must match"),
    "cluster id ends in a newline": ("cluster_id", "local\n", "cluster_id: must match"),
    "generation 0": ("generation", 0, "generation: must be 1 or more"),
    "generation is a truth value": ("generation", True, "generation: must be int"),
    "unknown field": ("colour", "blue", "colour: unknown field; known fields: bucket"),
    "region with a semicolon": ("region", "a;reboot", "region: must be 1 to 255 letters"),
    "no time zone": (
        "created_at",
        "2026-11-21T09:00:00",
        "created_at: must name its time zone",
    ),
    "no time": ("created_at", "yesterday", "created_at: must be a time in ISO 8601"),
    "expiry is no time": ("expires_at", "never", "expires_at: must be a time"),
    "user with a dash first": ("ssh_user", "-oProxyCommand=x", "ssh_user: must match"),
    "key path with a dash first": ("ssh_key_path", "-F/tmp/x", "ssh_key_path: must be a path"),
    "key path with a newline": ("ssh_key_path", "a\nb", "ssh_key_path: must be a path"),
    "bucket with a blank": ("bucket", "a b", "bucket: must be"),
    "nodes is no list": ("nodes", {}, "nodes: must be list"),
    "no nodes": ("nodes", [], "nodes: exactly one must have role head, 0 have"),
    "a node is no object": ("nodes/1", "node-1", "nodes[1]: must be an object"),
    "two heads": ("nodes/1/role", "head", "nodes: exactly one must have role head, 2 have"),
    "unknown role": ("nodes/1/role", "boss", "nodes[1].role: must be head or worker"),
    "same name": ("nodes/1/name", "node-2", "nodes.name: must be unique, 'node-2' occurs 2"),
    "name in capitals": ("nodes/1/name", "Node", "nodes[1].name: must match"),
    "name with a path": ("nodes/1/name", "../x", "nodes[1].name: must match"),
    "name too long": ("nodes/1/name", "n" * 32, "nodes[1].name: must match"),
    "same address": ("nodes/1/private_ip", "10.0.0.2", "nodes.private_ip: must be unique"),
    "no address": (
        "nodes/1/private_ip",
        "10.0.0",
        "nodes[1].private_ip: must be an IP address",
    ),
    "same instance": ("nodes/1/instance_id", "i-2", "nodes.instance_id: must be unique"),
    "same door": ("nodes/1/ssh_port", 2202, "nodes.ssh_host: must be unique"),
    "host is an option": ("nodes/1/ssh_host", "-oX", "nodes[1].ssh_host: must be a host name"),
    "host with a backtick": ("nodes/1/ssh_host", "a`id`", "nodes[1].ssh_host: must be a host"),
    "port 0": ("nodes/1/ssh_port", 0, "nodes[1].ssh_port: must be 1 to 65535"),
    "port is text": ("nodes/1/ssh_port", "22", "nodes[1].ssh_port: must be int, is str '22'"),
    "no host key": ("nodes/1/host_key", None, "nodes[1].host_key: missing"),
    "host key of no type": ("nodes/1/host_key", "AAAA", "nodes[1].host_key: must be '<type>"),
    "host key not base64": (
        "nodes/1/host_key",
        "ssh-ed25519 ???",
        "must hold its key in base64",
    ),
    "host key of another type": (
        "nodes/1/host_key",
        HOST_KEY.replace("ssh-ed25519", "ssh-rsa"),
        "must hold a key of the type it names",
    ),
    "jump through nobody": ("nodes/1/jump", "node-7", "node-1 jumps through 'node-7'"),
    "jump through itself": ("nodes/1/jump", "node-1", "node-1 jumps through 'node-1'"),
    "no cpus": ("nodes/1/cpus", 0, "nodes[1].cpus: must be above 0"),
    "no memory": ("nodes/1/memory_bytes", 0, "nodes[1].memory_bytes: must be 1 or more"),
    "memory is a fraction": ("nodes/1/memory_bytes", 1.5, "nodes[1].memory_bytes: must be int"),
    "fewer than no gpus": ("nodes/1/gpus", -1, "nodes[1].gpus: must be 0 or more"),
    "negative price": ("nodes/1/hourly_price", -1.0, "hourly_price: must be 0 or more"),
    "price without currency": ("nodes/1/hourly_price", 1.0, "goes together with currency"),
    "currency without price": ("nodes/1/currency", "USD", "goes together with currency"),
    "a private key": ("region", "-----BEGIN PRIVATE KEY-----", "region: looks like a secret"),
    "a password": ("password", "hunter2", "password: looks like a secret"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_broken_rule_is_named(name):
    path, value, expected = CASES[name]
    found = problems(at(path, value))
    assert any(expected in one for one in found), found


def test_all_problems_are_reported_at_once():
    broken = at("generation", -1)
    broken["nodes"][1]["cpus"] = -1
    broken["nodes"][2]["role"] = "boss"
    broken["nodes"][2]["shoe_size"] = 43
    found = problems(broken)
    assert len(found) == 4, found


def test_two_jumps_in_a_row_are_refused():
    broken = at("nodes/1/jump", "node-2")
    broken["nodes"][2]["jump"] = "node-0"
    assert any("needs a jump itself" in one for one in problems(broken))


def test_a_newer_schema_is_refused_by_name():
    with pytest.raises(
        UsageError, match=r"schema 2; this Tandem knows schemas up to 1"
    ) as caught:
        inventory.parse(json.dumps(at("schema", 2)), source="inventory.json")
    assert caught.value.exit_code == BAD_USAGE
    assert "update Tandem" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema": true}', '{"schema": 0}', "null", "3"]
)
def test_what_is_no_document_is_refused(text):
    with pytest.raises(InvalidDocument):
        inventory.parse(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(number):
    text = json.dumps(document()).replace("0.6", number, 1)
    with pytest.raises(InvalidDocument):
        inventory.parse(text)


def test_a_missing_file_says_what_to_type(tmp_path):
    with pytest.raises(UsageError, match="There is no file") as caught:
        inventory.load(tmp_path / "inventory.json")
    assert "fab local.up" in str(caught.value)


def test_a_broken_inventory_is_never_written(tmp_path):
    good = inventory.parse(json.dumps(document()))
    two_heads = tuple(dataclasses.replace(one, role="head") for one in good.nodes)
    with pytest.raises(InvalidDocument):
        inventory.dump(dataclasses.replace(good, nodes=two_heads), tmp_path / "inventory.json")
    assert not list(tmp_path.iterdir())


HOSTILE = st.one_of(
    st.sampled_from(
        ["; reboot", "$(id)", "`id`", "'", '"', "a\nb", "\0", "--flag", "../x", "~"]
    ),
    st.text(max_size=40),
)


@given(
    field=st.sampled_from(["name", "ssh_host", "private_ip", "instance_id", "jump"]),
    value=HOSTILE,
)
def test_hostile_text_is_refused_or_harmless(field, value):
    try:
        loaded = inventory.parse(json.dumps(at(f"nodes/1/{field}", value)))
    except InvalidDocument:
        return
    kept = getattr(next(one for one in loaded.nodes if one.ssh_port == 2203), field)
    assert kept == value
    assert not set(kept) & set(" ;$`'\"\n\0\\|&<>()*?[]{}~!#")
    assert not kept.startswith("-")
