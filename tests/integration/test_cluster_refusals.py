"""What a bring-up refuses before it touches anything, and what it does when machines fail."""

import base64
import contextlib
import dataclasses
import re
import subprocess
import sys
import threading
import time

import pytest

from contracts import endpoint as endpoints
from contracts.errors import (
    BAD_USAGE,
    PARTIAL,
    REFUSED,
    DeadlineError,
    RefusedError,
    TandemError,
)
from contracts.files import single_writer
from contracts.inventory import Inventory
from infra import local_nodes
from infra.local_nodes import LOCK, LocalSettings
from provision import bringup, identity, remote_run
from provision.bringup import Request
from provision.command import Command
from provision.connection import connect
from provision.connection_errors import LoginError, UnreachableError
from provision.links import Links
from provision.parallel import NodesFailed
from tests.integration.cut_line import Line
from tests.integration.operator_at_work import Operator, Watched, container, free_port

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def operator(machines):
    with Links(machines.inventory) as links:
        made = Operator(machines.inventory, machines.state, links)
        yield made
        made.stop()


@pytest.fixture
def other(operator, tmp_path):
    """Give a function that makes an operator whose inventory differs."""
    made = []

    def make(**changes):
        made.append(operator.with_inventory(tmp_path / f"state-{len(made)}", **changes))
        return made[-1]

    yield make
    for one in made:
        with contextlib.suppress(TandemError):
            one.stop()
        one.links.close()


def changed(inventory: Inventory, name: str, **changes):
    """Return the nodes of an inventory, one of them changed."""
    return tuple(
        dataclasses.replace(node, **changes) if node.name == name else node
        for node in inventory.nodes
    )


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


def test_a_machine_that_refuses_connections_is_named_and_the_others_are_tried(operator, other):
    operator.stop()
    nodes = changed(operator.inventory, "node-2", ssh_port=free_port())
    broken = other(nodes=nodes)
    watched = Watched()
    with pytest.raises(NodesFailed) as caught:
        broken.start("ray", 3, watched)
    assert set(caught.value.outcomes) == {"node-2"}
    assert isinstance(caught.value.outcomes["node-2"], UnreachableError)
    assert {("node-1", "connect"), ("node-3", "connect")} <= watched.steps("done")
    assert operator.records("node-1") == {}, "nothing half-made"


def test_a_machine_behind_another_is_reached_through_it(operator, other):
    inside = operator.inventory.node("node-2").private_ip
    hidden = {"ssh_host": inside, "ssh_port": 22, "jump": "node-1"}
    behind = other(nodes=changed(operator.inventory, "node-2", **hidden))
    assert behind.start("dask", 2).endpoint.nodes == ("node-1", "node-2")
    assert behind.run("node-2", "hostname").strip() == "node-2"
    host_key = operator.inventory.node("node-3").host_key
    posing = changed(operator.inventory, "node-2", **hidden, host_key=host_key)
    with (
        Links(dataclasses.replace(operator.inventory, nodes=posing)) as links,
        pytest.raises(RefusedError, match="nothing was sent there"),
    ):
        assert links["node-2"]


def test_a_machine_that_writes_without_end_fills_nothing_of_ours(operator):
    flood = Command("head", "-c", "20000000", "/dev/zero")
    result = operator.links["node-1"].run(flood, timeout=60, limit=1000)
    assert (len(result.stdout), result.cut, result.exit_code) == (1000, True, 0)
    with pytest.raises(DeadlineError, match="for the end of `sleep 30`"):
        operator.links["node-1"].run(Command("sleep", "30"), timeout=0.5)


def test_a_file_appears_whole_and_with_its_mode(operator):
    link, path = operator.links["node-1"], "/home/tandem/new/folder/file"
    link.put(b"x" * 300_000, path, 0o600)
    shown = operator.run("node-1", "stat", "-c", "%a %s", path, "/home/tandem/new")
    assert shown.split()[:3] == ["600", "300000", "700"]
    assert link.get(path, offset=299_998) == b"xx"
    assert link.get("/home/tandem/new/none") is None
    assert link.get("/home/tandem/new") is None, "a folder is no file"
    with pytest.raises(TandemError, match="could not be written"):
        link.put(b"x", "/proc/none", 0o600)


def test_a_machine_that_is_not_to_take_part_may_be_away(operator, other):
    nodes = changed(operator.inventory, "node-3", ssh_port=free_port())
    started = other(nodes=nodes).start("dask", 2)
    assert started.endpoint.nodes == ("node-1", "node-2")
    assert any("node-3 takes no part" in note for note in started.notes)


def test_a_machine_that_does_not_answer_ends_in_a_deadline(operator, other):
    operator.stop()
    with container(operator.inventory.node("node-3")) as machine:
        machine.pause()
        try:
            inventory = operator.inventory
            with (
                Links(inventory, timeout=2.0) as links,
                pytest.raises(NodesFailed) as caught,
            ):
                bringup.start(Request(inventory, 3, "ray", operator.state, LOCK), links=links)
        finally:
            machine.unpause()
    assert isinstance(caught.value.outcomes["node-3"], DeadlineError)
    assert "no answer" in str(caught.value)


@pytest.mark.parametrize(
    ("moment", "limit"), [("the first look", 15_000), ("the code is sent", 100_000)]
)
def test_a_line_cut_after_so_many_bytes_is_told_and_the_same_command_goes_on(
    operator, other, moment, limit
):
    operator.stop()
    operator.run("node-1", "rm", "-rf", "/home/tandem/.tandem/code")
    with Line(operator.inventory.node("node-1").ssh_port, limit) as line:
        nodes = changed(operator.inventory, "node-1", ssh_port=line.port)
        through = other(nodes=nodes)
        with pytest.raises(TandemError) as caught:
            through.start("dask", 2)
        assert line.cut, moment
        assert caught.value.exit_code == PARTIAL, str(caught.value)
        assert "node-1" in str(caught.value)
        found = operator.run("node-1", "find", "/home/tandem", "-name", "*.whl")
        assert found == "", "a file that was not sent whole is not there"
        assert through.start("dask", 2).endpoint.nodes == ("node-1", "node-2")
        assert through.start("dask", 2).changed == ()


def test_a_session_that_dies_while_the_engine_starts_is_told_and_mended(operator):
    operator.stop()

    def cutting(event):
        if (event.subject, event.step, event.state) == ("node-1", "dask head", "running"):
            with container(operator.inventory.node("node-1")) as machine:
                machine.exec_run(["pkill", "-KILL", "-f", "sshd: tandem"])

    with pytest.raises(TandemError, match="node-1") as caught:
        operator.start("dask", 2, cutting)
    assert caught.value.exit_code == PARTIAL, str(caught.value)
    assert operator.start("dask", 2).endpoint.nodes == ("node-1", "node-2")
    assert operator.start("dask", 2).changed == ()


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


def test_a_run_is_followed_across_a_cut_connection(operator):
    started = operator.start("dask", 1)
    script = (
        "import time\n"
        "for number in range(40):\n"
        "    with open('results.jsonl', 'a') as file: print(number, file=file, flush=True)\n"
        "    time.sleep(0.1)\n"
    )
    operator.run("node-1", "mkdir", "-p", "/home/tandem/slow/workloads")
    operator.links["node-1"].put(
        script.encode(), "/home/tandem/slow/workloads/driver.py", 0o644
    )
    endpoint = dataclasses.replace(started.endpoint, code="/home/tandem/slow")
    assert remote_run.launch(operator.links, endpoint, "slow", b"{}") is True
    assert remote_run.launch(operator.links, endpoint, "slow", b"{}") is False, "one driver"
    text, cut = b"", False
    for part in remote_run.follow(operator.links, "node-1", "slow"):
        text += part
        if len(text) > 20 and not cut:
            cut = True
            operator.links["node-1"].transport.sock.close()
    assert cut
    assert text.decode().split() == [str(number) for number in range(40)]


def test_the_operator_killed_while_starting_leaves_what_the_next_one_mends(operator):
    operator.stop()
    code = (
        "import sys; from pathlib import Path; from contracts import inventory;"
        "from provision import bringup;"
        "state = Path(sys.argv[1]);"
        "request = bringup.Request(inventory.load(state / 'inventory.json'), 3, 'ray', state,"
        " Path(sys.argv[2]));"
        "bringup.start(request, lambda event: print(event.step, event.state, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(operator.state), str(LOCK)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=LOCK.parent,
    ) as process:
        for line in process.stdout:
            if line.startswith("ray head running"):
                process.kill()
                break
    started = operator.start("ray", 3)
    assert started.endpoint.nodes == ("node-1", "node-2", "node-3")
    assert operator.start("ray", 3).changed == ()
    raylets = [
        len(operator.processes(name, "raylet/raylet")) for name in started.endpoint.nodes
    ]
    assert raylets == [1, 1, 1], "no process of the first start is left"


def test_a_machine_that_was_restarted_is_brought_up_again(make_machines, tmp_path):
    made = make_machines(2)
    settings = LocalSettings(
        nodes=2,
        state=made.state,
        cluster_id=made.inventory.cluster_id,
        cpus=made.inventory.head.cpus,
        memory_bytes=made.inventory.head.memory_bytes,
    )
    with Links(made.inventory) as links:
        Operator(made.inventory, made.state, links).start("dask", 2)
    with container(made.inventory.node("node-2")) as machine:
        machine.restart(timeout=1)
    inventory = local_nodes.up(settings)
    with Links(inventory) as links:
        operator = Operator(inventory, made.state, links)
        started = operator.start("dask", 2)
        assert "node-2: dask started" in started.changed
        assert identity.read_owner(links["node-2"])["generation"] == inventory.generation
        operator.stop()
