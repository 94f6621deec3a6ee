"""Dask on three machines: larger and smaller, mended, and closed to strangers."""

import json
import socket
import ssl
import struct
import urllib.request

import pytest

from contracts import ports
from contracts.errors import (
    UsageError,
)
from provision import (
    dashboard,
)
from provision.credentials import Credentials
from provision.node import tls_probe
from tests.integration.operator_at_work import (
    NAMES,
)

pytestmark = pytest.mark.timeout(900)


def test_strangers_are_refused_by_every_port_of_dask(operator):
    operator.start("dask", 3)
    doors = [(operator.address("node-1"), ports.DASK_SCHEDULER.first)]
    doors += [(operator.address(name), ports.DASK_WORKERS.first) for name in NAMES]
    for host, port in doors:
        assert tls_probe.refuses(host, port)


def test_a_certificate_of_another_authority_is_refused_and_our_own_accepted(
    operator, make_stranger
):
    operator.start("dask", 3)
    host = operator.address("node-1")
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
