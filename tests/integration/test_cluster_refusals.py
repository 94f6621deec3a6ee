"""What a bring-up refuses before it touches anything."""

import base64
import dataclasses
import re
import subprocess
import threading
import time

import pytest

from contracts import endpoint as endpoints
from contracts.errors import (
    BAD_USAGE,
    REFUSED,
    RefusedError,
    TandemError,
)
from contracts.files import single_writer
from infra.local_nodes import LOCK
from provision import (
    bringup,
    identity,
)
from provision.bringup import Request
from provision.connection import connect
from provision.connection_errors import LoginError
from provision.parallel import NodesFailed
from tests.integration.operator_at_work import (
    Watched,
    changed,
    container,
)

pytestmark = pytest.mark.timeout(900)


def log_of_sshd(node):
    """Return what a machine's sshd wrote."""
    with container(node) as machine:
        return machine.logs().decode(errors="replace")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nodes", "0"], "--nodes must be a whole number from 1, not '0'"),
        (["--nodes", "three"], "--nodes must be a whole number from 1, not 'three'"),
        (["--nodes", "4"], "--nodes 4 is more than the 3 machines"),
        (["--engine", "spark"], "There is no engine 'spark'"),
        (["--inventory", "/no/such/file"], "There is no file /no/such/file"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_and_nothing_is_touched(
    operator, arguments, words
):
    operator.stop()
    answered = operator.fab("cluster.start", *arguments, "--json")
    assert answered.code == BAD_USAGE
    assert words in answered.err
    assert "Next: " in answered.err
    assert answered.document["exit_code"] == BAD_USAGE
    assert operator.records("node-1") == {}


def test_a_dry_run_says_what_it_means_and_touches_nothing(operator):
    operator.stop()
    answered = operator.fab("cluster.start", "--nodes", "2", "--engine", "dask", "--dry-run")
    assert answered.code == 0
    assert "Would run dask on node-1, node-2" in answered.out
    assert operator.records("node-1") == {}


def test_another_host_key_is_refused_before_anything_is_sent(operator, other):
    stranger = operator.inventory.node("node-2").host_key
    operator.stop()
    wrong = other(nodes=changed(operator.inventory, "node-3", host_key=stranger))
    watched = Watched()
    # Three different pins are needed in an inventory only for names and addresses.
    with pytest.raises(NodesFailed, match="not the one in the inventory") as caught:
        wrong.start("ray", 3, watched)
    assert caught.value.exit_code == REFUSED
    assert {step for _, step in watched.steps()} <= {"connect", "code"}, "no command ran"
    answered = wrong.fab("cluster.start")
    assert answered.code == REFUSED
    assert "SHA256:" in answered.err


def test_nothing_of_ours_follows_a_wrong_host_key(operator):
    node = operator.inventory.node("node-1")
    blob = base64.b64decode(node.host_key.split()[1])
    forged = f"ssh-ed25519 {base64.b64encode(blob[:-1] + bytes([blob[-1] ^ 1])).decode()}"
    nodes = changed(operator.inventory, "node-1", host_key=forged)
    before = log_of_sshd(node)
    with pytest.raises(RefusedError, match="nothing was sent there"):
        connect(dataclasses.replace(operator.inventory, nodes=nodes), "node-1")
    time.sleep(0.5)
    news = log_of_sshd(node)[len(before) :]
    assert "Accepted" not in news
    assert "Failed" not in news, "not even a login was tried"


def test_a_wrong_user_key_is_tried_once_and_named(operator, tmp_path):
    key = tmp_path / "other_key"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30
    )
    wrong = dataclasses.replace(operator.inventory, ssh_key_path=str(key))
    begin = time.monotonic()
    with pytest.raises(
        LoginError, match=r"Authentication refused for node-1 \(tandem@"
    ) as told:
        connect(wrong, "node-1")
    assert time.monotonic() - begin < 15
    assert told.value.exit_code == 1


@pytest.mark.parametrize(
    ("name", "mode", "words"),
    [("missing", None, "cannot be read"), ("open", 0o644, "can be read by others")],
)
def test_a_key_file_that_cannot_be_used_is_named(operator, tmp_path, name, mode, words):
    path = tmp_path / "key"
    if mode is not None:
        path.write_text("x")
        path.chmod(mode)
    inventory = dataclasses.replace(operator.inventory, ssh_key_path=str(path))
    with pytest.raises(TandemError, match=words) as caught:
        connect(inventory, "node-1")
    assert caught.value.exit_code == BAD_USAGE


def test_a_stale_inventory_is_refused_even_with_another_state_folder(operator, other):
    newer = other(generation=operator.inventory.generation + 5)
    newer.start("dask", 1)
    watched = Watched()
    with pytest.raises(TandemError, match="inventory is stale") as caught:
        operator.start("dask", 1, watched)
    assert caught.value.exit_code == REFUSED
    assert "check" not in {step for _, step in watched.steps()}, "no command ran"
    assert newer.stop()
    operator.start("dask", 1)


def test_a_newer_inventory_is_remembered_where_nothing_else_is_to_be_done(operator, other):
    newer = other(generation=operator.inventory.generation + 1)
    newer.start("dask", 1)
    newest = newer.with_inventory(newer.state, generation=newer.inventory.generation + 1)
    assert newest.start("dask", 1).changed == ()
    owner = identity.read_owner(newest.links["node-1"])
    assert owner["generation"] == newest.inventory.generation
    newest.stop()
    newest.links.close()


def test_processes_are_ended_even_where_the_machine_forgot_whose_it_is(operator):
    operator.start("dask", 1)
    operator.run("node-1", "rm", "/home/tandem/.tandem/cluster.json")
    assert "node-1: dask stopped" in operator.stop()


def test_an_older_generation_than_the_endpoints_is_refused_without_a_connection(
    operator, other
):
    operator.start("dask", 1)
    request = Request(operator.inventory, 1, "dask", operator.state, LOCK)
    newest = bringup.known_endpoint(operator.state)
    raised = dataclasses.replace(newest, generation=newest.generation + 1)
    endpoints.dump(raised, bringup.endpoint_path(operator.state))
    watched = Watched()
    with pytest.raises(RefusedError, match="was started with generation"):
        bringup.start(request, watched)
    assert watched.events == []
    endpoints.dump(newest, bringup.endpoint_path(operator.state))


def test_a_machine_of_another_cluster_is_refused(operator, other):
    operator.start("dask", 1)
    stranger = other(cluster_id="another")
    with pytest.raises(TandemError, match="belongs to cluster") as caught:
        stranger.start("dask", 1)
    assert caught.value.exit_code == REFUSED
    with pytest.raises(TandemError, match="belongs to cluster"):
        stranger.stop()
    assert operator.start("dask", 1).changed == ()


def test_two_at_once_the_second_is_told_who_is_first(operator):
    operator.stop()
    holding = threading.Event()

    def hold(event):
        if event.step == "check":
            holding.set()
            time.sleep(0.3)

    outcome = []
    first = threading.Thread(target=lambda: outcome.append(operator.start("dask", 1, hold)))
    first.start()
    assert holding.wait(60)
    answered = operator.fab("cluster.stop")
    first.join(120)
    assert outcome
    assert outcome[0].endpoint.nodes == ("node-1",)
    if answered.code != 0:
        assert answered.code == REFUSED
        assert re.search(r"already under way: pid \d+ on \S+ since", answered.err)
    with pytest.raises(RefusedError, match="already under way: pid"), held(operator):
        operator.start("dask", 1)


def held(operator):
    """Hold the operator's lock as another bring-up would."""
    return single_writer(operator.state / "cluster.lock", purpose=bringup.PURPOSE)


def test_a_taken_port_is_named_before_anything_starts(operator):
    operator.stop()
    listen = "import socket, time; s = socket.create_server(('', 8786)); time.sleep(600)"
    operator.run(
        "node-1", "sh", "-c", f'setsid python3 -c "{listen}" >/dev/null 2>&1 & sleep 1'
    )
    try:
        with pytest.raises(TandemError, match="port 8786 is in use") as caught:
            operator.start("dask", 2)
        assert caught.value.exit_code == BAD_USAGE
    finally:
        operator.kill("node-1", "socket.create_server")
