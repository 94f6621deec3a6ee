"""Ray and Dask on three machines: up, again, other sizes, the other engine, no strangers.

Each test asks for the cluster that it needs, so any order works; in this order most asks change
nothing, which is also what makes the file quick.
"""

import dataclasses
import json
import socket
import ssl
import stat
import struct
import urllib.request

import pytest

from contracts import endpoint as endpoints
from contracts import ports
from contracts.errors import RefusedError, UsageError
from provision import dashboard, remote_run
from provision.credentials import Credentials
from provision.links import Links
from provision.node import ray_wire, tls_probe
from tests.integration.operator_at_work import Operator

pytestmark = pytest.mark.timeout(900)
NAMES = ["node-1", "node-2", "node-3"]


@pytest.fixture(scope="module")
def operator(machines):
    with Links(machines.inventory) as links:
        made = Operator(machines.inventory, machines.state, links)
        yield made
        made.stop()


def address(operator, name):
    return operator.inventory.node(name).private_ip


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
    assert found.address == f"{address(operator, 'node-1')}:{ports.RAY_GCS.first}"
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
        raylet = f"{address(operator, name)}:{ports.RAY_NODE_MANAGER.first}"
        assert ray_wire.refuses(raylet, ray_wire.STATS, token=token)
        for port, path in (
            (ports.RAY_RUNTIME_ENV, "/get_or_create_runtime_env"),
            (ports.RAY_AGENT_HTTP, "/api/job_agent/jobs/"),
        ):
            assert ray_wire.refuses_http(address(operator, name), port.first, path)
    head = f"{address(operator, 'node-1')}:{ports.RAY_GCS.first}"
    assert ray_wire.refuses(head, ray_wire.NODES, token=token)


def test_the_token_opens_ray_and_lies_on_the_nodes_for_their_user_only(operator):
    operator.start("ray", 3)
    folder = operator.state / "credentials" / operator.inventory.cluster_id
    token = (folder / "ray_token").read_text()
    assert stat.S_IMODE((folder / "ray_token").stat().st_mode) == 0o600
    head = f"{address(operator, 'node-1')}:{ports.RAY_GCS.first}"
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


def test_switching_engines_ends_one_and_starts_the_other(operator):
    operator.start("ray", 3)
    switched = operator.start("dask", 3)
    assert {f"{name}: ray stopped" for name in NAMES} <= set(switched.changed)
    for name in NAMES:
        assert not operator.processes(name, "raylet")
        assert "dask.json" in operator.records(name)
    assert operator.start("dask", 3).changed == ()


def test_strangers_are_refused_by_every_port_of_dask(operator):
    operator.start("dask", 3)
    doors = [(address(operator, "node-1"), ports.DASK_SCHEDULER.first)]
    doors += [(address(operator, name), ports.DASK_WORKERS.first) for name in NAMES]
    for host, port in doors:
        assert tls_probe.refuses(host, port)


def test_a_certificate_of_another_authority_is_refused_and_our_own_accepted(
    operator, make_stranger
):
    operator.start("dask", 3)
    host = address(operator, "node-1")
    own = operator.state / "credentials" / operator.inventory.cluster_id
    assert not answers(host, make_stranger / "node-1.pem", make_stranger / "node-1.key")
    assert answers(host, own / "node-1.pem", own / "node-1.key")


@pytest.fixture
def make_stranger(operator, tmp_path):
    """Give the certificates of another cluster's authority for the same address."""
    Credentials(tmp_path, operator.inventory).for_node("dask", operator.inventory.head)
    return tmp_path / "credentials" / operator.inventory.cluster_id


def answers(host, certificate, key):
    """Say whether Dask's scheduler speaks to a client with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(certificate, key)
    with socket.create_connection((host, ports.DASK_SCHEDULER.first), 10) as plain:
        try:
            with context.wrap_socket(plain) as stream:
                stream.settimeout(10)
                return bool(stream.recv(1))
        except (ssl.SSLError, ConnectionError):
            return False


@pytest.mark.parametrize("kind", ["ray", "dask"])
def test_only_known_ports_listen_and_dashboards_on_loopback_only(operator, kind):
    operator.start(kind, 3)
    known = {port for one in ports.PORTS for port in range(one.first, one.last + 1)}
    for name in NAMES:
        own = address(operator, name)
        for where, port in operator.listeners(name):
            if where.startswith(("127.", "[::1]")):
                continue
            assert port in known, f"{kind} on {name} listens on {where}:{port}"
            if kind == "dask" and port != ports.SSH.first:
                assert where == own, f"{kind} on {name} listens on {where}:{port}"


def test_dask_grows_and_shrinks_by_what_differs(operator):
    operator.start("dask", 2)
    before = operator.records("node-1")["dask.json"]
    assert operator.start("dask", 3).endpoint.nodes == tuple(NAMES)
    operator.start("dask", 1)
    assert operator.records("node-1")["dask.json"] == before
    state = {one.name: one.state for one in operator.status().nodes}
    assert state == {"node-1": "up", "node-2": "idle", "node-3": "idle"}


def test_dasks_dashboard_is_reached_through_the_tunnel_only(operator):
    operator.start("dask", 1)
    answered = operator.fab("cluster.dashboard", "--seconds", "1", "--json")
    assert answered.code == 0, answered.err
    assert answered.document["url"].endswith("/status")
    where = {
        at for at, port in operator.listeners("node-1") if port == ports.DASK_DASHBOARD.first
    }
    assert where == {"127.0.0.1"}


def test_a_tunnel_outlives_clients_that_hang_up(operator):
    endpoint = operator.start("dask", 1).endpoint
    with dashboard.tunnel(operator.links, operator.inventory, endpoint) as url:
        port = int(url.split(":")[2].split("/")[0])
        for _ in range(2):
            hasty = socket.create_connection(("127.0.0.1", port), 10)
            hasty.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
            hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            hasty.close()
        with urllib.request.urlopen(url, timeout=60) as page:  # noqa: S310  our own tunnel
            assert b"Dask" in page.read()
        again = dashboard.tunnel(operator.links, operator.inventory, endpoint, port=port)
        with pytest.raises(UsageError, match=f"--port {port} is in use"):
            again.__enter__()


def test_a_scheduler_that_died_is_seen_in_the_status_and_started_again(operator):
    started = operator.start("dask", 2)
    record = json.loads(operator.records("node-1")["dask.json"])
    operator.run("node-1", "kill", "-KILL", str(record["processes"]["scheduler"][0]))
    states = {one.name: one.state for one in operator.status().nodes}
    assert states["node-1"] == "broken"
    again = operator.start("dask", 2)
    assert "node-1: dask started" in again.changed
    assert again.endpoint.nodes == started.endpoint.nodes


def test_without_an_engine_environment_code_and_monitor_stay(operator):
    operator.start("dask", 1)
    prepared = operator.prepare(1)
    assert prepared.endpoint.engine == "plain"
    assert prepared.endpoint.credentials == {}
    assert set(operator.records("node-1")) == {"monitor.json"}
    assert not (operator.state / "endpoint.json").exists()
    operator.run("node-1", "test", "-d", prepared.endpoint.code)
    assert operator.prepare(1).changed == ()


def test_a_run_at_work_is_not_ended_by_another_wish(operator):
    started = operator.start("dask", 2)
    remote_run.launch(operator.links, waiting(operator, started.endpoint), "busy", b"{}")
    try:
        assert operator.status().nodes[0].run == "busy"
        with pytest.raises(RefusedError, match="busy"):
            operator.start("dask", 1)
        assert operator.start("dask", 2).changed == ()
    finally:
        assert remote_run.stop(operator.links, "node-1", "busy")
    assert operator.start("dask", 1).endpoint.nodes == ("node-1",)


def waiting(operator, endpoint):
    """Return an endpoint whose driver does nothing but wait."""
    script = "mkdir -p ~/waiting/workloads && echo 'import time; time.sleep(600)' > "
    operator.run("node-1", "sh", "-c", f"{script}~/waiting/workloads/driver.py")
    return dataclasses.replace(endpoint, code="/home/tandem/waiting")


def test_samples_of_each_machine_can_be_read_back(operator):
    operator.start("dask", 2)
    found = remote_run.timeline(operator.links, ["node-1", "node-2"], 30)
    assert set(found) == {"node-1", "node-2"}
    for series in found.values():
        assert len(series["seconds"]) == len(series["cpu"]) == len(series["memory"]) > 0
        assert all(0 <= at <= 30 for at in series["seconds"])
        assert all(used > 0 for used in series["memory"])


def test_logs_and_ssh_reach_a_node_by_name(operator):
    operator.start("dask", 2)
    answered = operator.fab("cluster.logs", "--node", "node-1", "--lines", "5", "--json")
    assert answered.code == 0, answered.err
    assert any("dask.log" in name for name in answered.document["nodes"]["node-1"])
    printed = operator.fab("cluster.ssh", "--node", "node-2", "--print-only", "--json")
    assert printed.document["command"][-1].endswith("-node-2")
    missing = operator.fab("cluster.logs", "--node", "nobody")
    assert missing.code == 2
    assert "--node with one of node-1, node-2, node-3" in missing.err


def test_stopping_ends_everything_and_again_nothing(operator):
    operator.start("ray", 2)
    answered = operator.fab("cluster.stop", "--json")
    assert answered.code == 0, answered.err
    assert "node-1: ray stopped" in answered.document["stopped"]
    for name in NAMES:
        assert operator.records(name) == {}
        assert not operator.processes(name, "/.tandem")
    again = operator.fab("cluster.stop")
    assert again.code == 0
    assert again.out == "Nothing was running.\n"
    assert operator.fab("cluster.dashboard").code == 2
