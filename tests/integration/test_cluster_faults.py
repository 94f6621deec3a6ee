"""What a bring-up does when machines, lines and operators fail."""

import dataclasses
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from contracts.errors import (
    PARTIAL,
    DeadlineError,
    RefusedError,
    TandemError,
)
from infra import local_nodes
from infra.local_nodes import LOCK, LocalSettings
from provision import (
    bringup,
    identity,
    remote_run,
)
from provision.bringup import Request
from provision.command import Command
from provision.connection import connect
from provision.connection_errors import UnreachableError
from provision.links import Links
from provision.parallel import NodesFailed
from tests.inside import run_inside
from tests.integration.cut_line import Line
from tests.integration.operator_at_work import (
    Operator,
    Watched,
    changed,
    container,
    free_port,
)

pytestmark = pytest.mark.timeout(900)
# How many sessions of users sshd serves, the one that asks among them.
SESSIONS = """
import glob
titles = [open(path, "rb").read() for path in glob.glob("/proc/[0-9]*/cmdline")]
print(sum(one.startswith(b"sshd") and b"@" in one for one in titles))
"""


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


def test_a_way_through_another_machine_is_closed_with_what_it_led_to(operator):
    """Or each look at a machine that still boots would leave a session behind."""
    inside = operator.inventory.node("node-2").private_ip
    before = int(operator.run("node-1", "python3", "-c", SESSIONS))
    for port in (22, free_port()):
        behind = {"ssh_host": inside, "ssh_port": port, "jump": "node-1"}
        nodes = changed(operator.inventory, "node-2", **behind)
        with suppress(UnreachableError):
            connect(dataclasses.replace(operator.inventory, nodes=nodes), "node-2").close()
    end = time.monotonic() + 20
    while int(operator.run("node-1", "python3", "-c", SESSIONS)) > before:
        assert time.monotonic() < end, "a session is left on node-1"
        time.sleep(0.5)


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
                run_inside(machine, "pkill", "-KILL", "-f", "sshd: tandem")

    with pytest.raises(TandemError, match="node-1") as caught:
        operator.start("dask", 2, cutting)
    assert caught.value.exit_code == PARTIAL, str(caught.value)
    assert operator.start("dask", 2).endpoint.nodes == ("node-1", "node-2")
    assert operator.start("dask", 2).changed == ()


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
