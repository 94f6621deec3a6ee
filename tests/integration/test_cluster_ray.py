"""Ray on three machines: up, again, larger and smaller, mended, and closed to strangers.

Each test asks for the cluster that it needs, so any order works; in this order most find it
there, which is what makes the file quick.
"""

import stat

import pytest

from contracts import endpoint as endpoints
from contracts import ports
from provision.node import ray_wire
from tests.integration.operator_at_work import (
    NAMES,
)

pytestmark = pytest.mark.timeout(900)


def test_ray_comes_up_by_the_verb_and_again_changes_nothing(operator):
    first = operator.fab("cluster.start", "--nodes", "3", "--engine", "ray", "--json")
    assert first.code == 0, first.err
    assert first.document["endpoint"]["nodes"] == NAMES
    assert {"connect", "check", "probe"} <= set(first.document["endpoint"]["phases"]["node-1"])
    before = {name: operator.records(name) for name in NAMES}
    again = operator.fab("cluster.start", "--nodes", "3", "--engine", "ray")
    assert again.code == 0, again.err
    assert again.out.startswith("Nothing to change: ray on node-1, node-2, node-3")
    assert {name: operator.records(name) for name in NAMES} == before


def test_the_endpoint_says_where_all_is_and_holds_no_secret(operator):
    operator.start("ray", 3)
    found = endpoints.load(operator.state / "endpoint.json")
    assert found.address == f"{operator.address('node-1')}:{ports.RAY_GCS.first}"
    assert list(found.slots) == NAMES
    token = (operator.state / "credentials" / found.cluster_id / "ray_token").read_text()
    assert token not in (operator.state / "endpoint.json").read_text()


def test_status_shows_each_node(operator):
    operator.start("ray", 3)
    answered = operator.fab("cluster.status", "--json")
    assert answered.code == 0, answered.err
    nodes = {one["name"]: one for one in answered.document["nodes"]}
    assert {name: one["state"] for name, one in nodes.items()} == dict.fromkeys(NAMES, "up")
    for one in nodes.values():
        assert 0 < one["memory_used"] < one["memory_total"]
        assert one["store_total"] > 0
        assert one["store_used"] == one["tasks"] == 0
        assert one["cpus_used"] >= 0


@pytest.mark.parametrize("token", [None, "0" * 64], ids=["no token", "a wrong token"])
def test_strangers_are_refused_by_every_service_of_ray(operator, token):
    operator.start("ray", 3)
    for name in NAMES:
        raylet = f"{operator.address(name)}:{ports.RAY_NODE_MANAGER.first}"
        assert ray_wire.refuses(raylet, ray_wire.STATS, token=token)
        for port, path in (
            (ports.RAY_RUNTIME_ENV, "/get_or_create_runtime_env"),
            (ports.RAY_AGENT_HTTP, "/api/job_agent/jobs/"),
        ):
            assert ray_wire.refuses_http(operator.address(name), port.first, path)
    head = f"{operator.address('node-1')}:{ports.RAY_GCS.first}"
    assert ray_wire.refuses(head, ray_wire.NODES, token=token)


def test_the_token_opens_ray_and_lies_on_the_nodes_for_their_user_only(operator):
    operator.start("ray", 3)
    folder = operator.state / "credentials" / operator.inventory.cluster_id
    token = (folder / "ray_token").read_text()
    assert stat.S_IMODE((folder / "ray_token").stat().st_mode) == 0o600
    head = f"{operator.address('node-1')}:{ports.RAY_GCS.first}"
    assert not ray_wire.refuses(head, ray_wire.NODES, token=token)
    for name in NAMES:
        path = "/home/tandem/.tandem/credentials/ray_token"
        assert operator.run(name, "stat", "-c", "%a %U", path).split() == ["600", "tandem"]
        shown = operator.run(name, "sh", "-c", "cat /proc/*/cmdline 2>/dev/null | tr '\\0' ' '")
        assert token not in shown


def test_rays_own_client_cannot_join_without_the_token(operator):
    started = operator.start("ray", 3)
    stranger = (
        "import os, sys\n"
        "os.environ['RAY_AUTH_MODE'] = 'disabled'\n"
        "from ray._raylet import GcsClient\n"
        "try:\n"
        f"    GcsClient(address='{started.endpoint.address}').internal_kv_keys(b'', b'')\n"
        "except Exception as error:\n"
        "    print('refused:', error)\n"
        "else:\n"
        "    print('let in')\n"
    )
    python = f"{started.endpoint.environment}/bin/python"
    told = operator.run("node-2", "timeout", "60", python, "-c", stranger)
    assert told.startswith("refused:"), told
    assert "Auth" in told or "UNAUTHENTICATED" in told


def test_rays_dashboard_is_on_loopback_and_demands_the_token(operator):
    operator.start("ray", 3)
    answered = operator.fab("cluster.dashboard", "--seconds", "1", "--json")
    assert answered.code == 0, answered.err
    assert answered.document["url"].startswith("http://127.0.0.1:")
    listening = operator.listeners("node-1")
    assert ("127.0.0.1", ports.RAY_DASHBOARD.first) in listening
    others = {where for where, port in listening if port == ports.RAY_DASHBOARD.first}
    assert others == {"127.0.0.1"}
    assert operator.start("ray", 3).changed == (), "a dashboard disturbs nothing"


def test_a_worker_that_died_is_started_again_and_the_rest_is_left_alone(operator):
    operator.start("ray", 3)
    before = operator.records("node-1")["ray.json"]
    operator.kill("node-3", "raylet/raylet")
    started = operator.start("ray", 3)
    assert any(words == "node-3: ray started" for words in started.changed), started.changed
    assert not any(words.startswith("node-1: ray") for words in started.changed)
    assert operator.records("node-1")["ray.json"] == before


def test_a_head_that_died_takes_the_workers_along(operator):
    operator.start("ray", 2)
    operator.kill("node-1", "gcs/gcs_server")
    started = operator.start("ray", 2)
    assert {"node-1: ray started", "node-2: ray started"} <= set(started.changed)
    assert operator.start("ray", 2).changed == ()


def test_ray_grows_and_shrinks_by_what_differs(operator):
    operator.start("ray", 2)
    before = operator.records("node-1")["ray.json"]
    grown = operator.start("ray", 3)
    assert grown.endpoint.nodes == tuple(NAMES)
    assert {words for words in grown.changed if "ray" in words} <= {
        "node-3: ray started",
        "node-3: ray_token brought",
    }, grown
    shrunk = operator.start("ray", 1)
    assert shrunk.endpoint.nodes == ("node-1",)
    assert operator.records("node-1")["ray.json"] == before
    for name in NAMES[1:]:
        assert operator.records(name) == {}
        assert not operator.processes(name, "ray")
