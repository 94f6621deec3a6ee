"""First contact with machines that boot with a host key that others may know."""

import dataclasses
import os
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from contracts import inventory as inventories
from contracts.errors import DeadlineError, RefusedError, TandemError
from contracts.inventory import Inventory, Node
from infra import docker_engine, node_image, ssh_keys
from infra.local_nodes import LOCK
from provision import first_contact
from provision.command import Command
from provision.connection import connect
from provision.connection_errors import UnreachableError
from provision.first_contact import HostKeyPlace
from tests.inside import run_inside
from tests.integration.own_machines import LABEL, put

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("engine")]
KEY = "/etc/ssh/ssh_host_ed25519_key"
# Debian's sshd without systemd; root logs in, so nothing needs sudo here.
START = "exec /usr/sbin/sshd -D -e -f /etc/ssh/sshd_first"
SSHD = f"HostKey {KEY}\nAuthorizedKeysFile /etc/ssh/known_operator\nUsePAM no\nUseDNS no\n"


@dataclasses.dataclass
class NewMachine:
    """A machine that has just booted, its operator's inventory and its first host key."""

    container: object
    path: Path
    temporary: str

    @property
    def inventory(self) -> Inventory:
        return inventories.load(self.path)

    @property
    def node(self) -> Node:
        return self.inventory.nodes[0]

    def meet(self, **changes) -> Inventory:
        return first_contact.meet(self.inventory, self.path, **changes)

    def showing(self, host_key: str) -> Inventory:
        node = dataclasses.replace(self.node, host_key=host_key)
        return dataclasses.replace(self.inventory, nodes=(node,))

    def read(self, path: str) -> str:
        return run_inside(self.container, "cat", path).output


@pytest.fixture
def machine(tmp_path):
    with new_machine(tmp_path) as made:
        yield made


@contextmanager
def new_machine(folder, *, seconds_to_boot=0):
    operator = ssh_keys.operator_key(folder / "operator" / "id_ed25519")
    temporary = ssh_keys.make_key()
    with docker_engine.connect() as client:
        container = client.containers.create(
            node_image.wanted_tag(LOCK),
            ["sh", "-c", f"sleep {seconds_to_boot}; {START}"],
            name=f"a1-first-{os.getpid()}-{seconds_to_boot}",
            labels={LABEL: "first-contact"},
            ports={"22/tcp": ("127.0.0.1", None)},
            nano_cpus=int(0.3e9),
            mem_limit="256m",
            init=True,
        )
        try:
            put(container, KEY, temporary.private, 0o600)
            put(container, f"{KEY}.pub", f"{temporary.public}\n".encode(), 0o644)
            put(container, "/etc/ssh/sshd_first", SSHD.encode(), 0o644)
            put(container, "/etc/ssh/known_operator", f"{operator.public}\n".encode(), 0o644)
            container.start()
            container.reload()
            settings = container.attrs["NetworkSettings"]
            node = Node(
                name="node-1",
                role="head",
                private_ip=next(iter(settings["Networks"].values()))["IPAddress"],
                ssh_host="127.0.0.1",
                ssh_port=int(settings["Ports"]["22/tcp"][0]["HostPort"]),
                host_key=temporary.public,
                temporary_host_key=temporary.public,
                instance_id=container.short_id,
                cpus=0.3,
                memory_bytes=256 * 1024**2,
            )
            inventory = Inventory(
                cluster_id="first",
                generation=1,
                provider="own",
                region="desk",
                created_at="2026-11-21T09:00:00+00:00",
                ssh_user="root",
                ssh_key_path=str(folder / "operator" / "id_ed25519"),
                nodes=(node,),
            )
            inventories.dump(inventory, folder / "inventory.json")
            yield NewMachine(container, folder / "inventory.json", temporary.public)
        finally:
            container.remove(force=True, v=True)


def connect_when_up(machine):
    give_up = time.monotonic() + 30
    while True:
        try:
            return connect(machine.inventory, "node-1").close()
        except UnreachableError:
            assert time.monotonic() < give_up
            time.sleep(0.2)


def test_a_new_machine_gets_a_key_of_its_own_and_the_first_opens_nothing_any_more(machine):
    before = machine.read(KEY)
    met = machine.meet()
    assert met == machine.inventory
    assert machine.node.temporary_host_key is None
    assert machine.node.host_key not in ("", machine.temporary)
    assert machine.read(f"{KEY}.pub").split()[:2] == machine.node.host_key.split()
    assert machine.read(KEY) != before
    assert "No such file" in machine.read(f"{KEY}.next")
    with closing(connect(machine.inventory, "node-1")) as link:
        assert link.run(Command("cat", "/opt/tandem/env/none"), timeout=10).exit_code == 1
    with pytest.raises(RefusedError, match="host key"):
        connect(machine.showing(machine.temporary), "node-1")


def test_a_second_contact_touches_nothing(machine):
    machine.meet()
    written = machine.path.stat().st_mtime_ns
    pinned = machine.node.host_key
    assert machine.meet() == machine.inventory
    assert machine.path.stat().st_mtime_ns == written
    assert machine.node.host_key == pinned


@pytest.mark.parametrize("step", ["use", "settle"])
def test_an_interrupted_contact_is_finished_by_the_next(machine, monkeypatch, step):
    asked = first_contact._Meeting._ask

    def interrupted(self, link, what):
        if what == step:
            raise TandemError("the operator's computer lost its power")
        return asked(self, link, what)

    monkeypatch.setattr(first_contact._Meeting, "_ask", interrupted)
    with pytest.raises(TandemError, match="lost its power"):
        machine.meet()
    pinned = machine.node.host_key
    assert machine.node.temporary_host_key == machine.temporary
    assert pinned != machine.temporary, "it is pinned before the machine shows it"
    monkeypatch.undo()
    machine.meet()
    assert machine.node.host_key == pinned
    assert machine.node.temporary_host_key is None


@pytest.mark.parametrize("step", ["make", "use", "settle"])
def test_a_connection_that_breaks_while_the_machine_boots_is_opened_again(
    machine, monkeypatch, step
):
    asked, cut = first_contact._Meeting._ask, []

    def breaking(self, link, what):
        if what == step and not cut:
            cut.append(what)
            link.transport.close()
        return asked(self, link, what)

    monkeypatch.setattr(first_contact._Meeting, "_ask", breaking)
    machine.meet()
    assert cut == [step]
    assert machine.node.temporary_host_key is None
    assert machine.read(f"{KEY}.pub").split()[:2] == machine.node.host_key.split()


@pytest.mark.parametrize("shows_it", [True, False])
def test_a_contact_that_ended_while_the_key_was_moved_is_finished(machine, shows_it):
    """The private half is in place, the public half is not; sshd may have been restarted."""
    connect_when_up(machine)
    make = f"ssh-keygen -q -t ed25519 -N '' -C '' -f {KEY}.next && mv -f {KEY}.next {KEY}"
    hang_up = "kill -HUP $(cat /run/sshd.pid)" if shows_it else "true"
    assert run_inside(machine.container, "sh", "-c", f"{make} && {hang_up}").exit_code == 0
    pinned = " ".join(machine.read(f"{KEY}.next.pub").split()[:2])
    inventories.dump(machine.showing(pinned), machine.path)
    machine.meet()
    assert machine.node.temporary_host_key is None
    assert machine.node.host_key != machine.temporary
    connect(machine.inventory, "node-1").close()


def test_a_machine_with_a_third_key_is_refused_and_told_nothing(machine):
    stranger = ssh_keys.make_key().public
    node = dataclasses.replace(machine.node, host_key=stranger, temporary_host_key=stranger)
    inventories.dump(dataclasses.replace(machine.inventory, nodes=(node,)), machine.path)
    with pytest.raises(RefusedError, match="nothing was sent"):
        machine.meet(boot_seconds=20)
    assert machine.read(f"{KEY}.pub").split()[:2] == machine.temporary.split()


def test_a_machine_that_still_boots_is_waited_for(tmp_path):
    told = []
    with new_machine(tmp_path, seconds_to_boot=4) as machine:
        machine.meet(tell=told.append)
        assert machine.node.temporary_host_key is None
    assert any(event.state == "running" for event in told)


def test_a_machine_that_never_answers_ends_the_wait_in_time(machine):
    machine.container.kill()
    begin = time.monotonic()
    with pytest.raises((TandemError, DeadlineError), match="SSH"):
        machine.meet(boot_seconds=3)
    assert time.monotonic() - begin < 20


def test_a_machine_whose_user_may_not_replace_its_key_says_what_is_missing(machine):
    place = HostKeyPlace(pid_file="/nowhere/sshd.pid")
    with pytest.raises(TandemError, match="node-1"):
        machine.meet(place=place)
    assert machine.node.temporary_host_key == machine.temporary
