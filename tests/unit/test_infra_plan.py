"""What is done so that local machines are as wanted: decisions without an engine."""

import dataclasses
import ipaddress
from pathlib import Path

import pytest

from contracts.errors import RefusedError, TandemError
from infra.local_plan import (
    Machine,
    Network,
    Observed,
    Plan,
    address_of,
    check_owner,
    free_subnet,
    machine_names,
    make_plan,
)
from infra.settings import LocalSettings

GIB = 1024**3
SETTINGS = LocalSettings(nodes=3, cpus=0.6, memory_bytes=3 * GIB, state=Path("/state"))
NETWORK = Network(
    name="tandem-local",
    network_id="n1",
    subnet="10.201.7.0/24",
    door="fab",
    owner="/state",
    created_at="2026-01-01T00:00:00+00:00",
)


def machine(number: int, **changes) -> Machine:
    good = Machine(
        name=f"node-{number}",
        container=f"tandem-local-node-{number}",
        instance_id=f"c{number}",
        state="running",
        door="fab",
        owner="/state",
        image="node:1",
        cpus=0.6,
        memory_bytes=3 * GIB,
        address=f"10.201.7.{10 + number}",
        ssh_port=32000 + number,
        host_key="ssh-ed25519 AAAA",
        user_key="ssh-ed25519 BBBB",
    )
    return dataclasses.replace(good, **changes)


def plan(*machines: Machine, network: Network | None = NETWORK, nodes: int = 3) -> Plan:
    return make_plan(
        dataclasses.replace(SETTINGS, nodes=nodes),
        Observed(machines, network),
        image="node:1",
        user_key="ssh-ed25519 BBBB",
    )


def test_from_nothing_all_is_made():
    found = plan(network=None)
    assert found == Plan(create=("node-1", "node-2", "node-3"), network=True)
    assert found.changes


def test_when_all_is_there_nothing_changes():
    found = plan(machine(1), machine(2), machine(3))
    assert found == Plan(keep=("node-1", "node-2", "node-3"))
    assert not found.changes


def test_scaling_touches_only_the_difference():
    assert plan(machine(1), nodes=3) == Plan(create=("node-2", "node-3"), keep=("node-1",))
    shrunk = plan(machine(1), machine(2), machine(3), nodes=1)
    assert shrunk == Plan(remove=("node-2", "node-3"), keep=("node-1",))


@pytest.mark.parametrize("changes", [{"cpus": 0.3}, {"memory_bytes": GIB}])
def test_other_limits_are_changed_in_place(changes):
    found = plan(machine(1, **changes), machine(2), machine(3))
    assert found == Plan(resize=("node-1",), keep=("node-2", "node-3"))


def test_stopped_machines_are_started_and_paused_ones_resumed():
    found = plan(machine(1, state="exited", cpus=0.3), machine(2, state="paused"), machine(3))
    assert found == Plan(
        start=("node-1",), resize=("node-1",), resume=("node-2",), keep=("node-3",)
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "created"}, "half made"),
        ({"state": "dead"}, "half made"),
        ({"state": "removing"}, "half made"),
        ({"host_key": ""}, "no host key"),
        ({"user_key": "ssh-ed25519 CCCC"}, "another operator's key"),
        ({"image": "node:0"}, "image changed"),
        ({"address": ""}, "left its network"),
        ({"address": "10.9.9.9"}, "left its network"),
    ],
)
def test_a_machine_that_cannot_stay_is_replaced_and_said_why(changes, reason):
    found = plan(machine(1), machine(2, **changes), machine(3))
    assert found.create == found.remove == ("node-2",)
    assert found.keep == ("node-1", "node-3")
    assert reason in found.replaced["node-2"]


def test_without_their_network_all_machines_are_replaced():
    found = plan(machine(1), machine(2), machine(3), network=None)
    assert set(found.replaced) == {"node-1", "node-2", "node-3"}
    assert found.network


def test_a_container_with_our_label_and_no_name_is_surplus():
    assert plan(machine(1, name=""), nodes=1).remove == ("",)


@pytest.mark.parametrize(
    ("door", "maker", "command"),
    [("fab", "pulumi", "pulumi destroy"), ("pulumi", "fab", "fab local.down --name local")],
)
def test_the_other_door_is_refused_and_told_which_to_use(door, maker, command):
    found = Observed((machine(1, door=maker),), None)
    with pytest.raises(RefusedError, match=command) as caught:
        check_owner("local", found, door=door, owner="/state")
    assert caught.value.exit_code == 4
    check_owner("local", found, door=maker, owner="/state")


def test_a_network_alone_tells_the_door_too():
    found = Observed((), dataclasses.replace(NETWORK, door="pulumi"))
    with pytest.raises(RefusedError):
        check_owner("local", found, door="fab", owner="/state")


def test_machines_of_another_state_folder_are_refused():
    found = Observed((machine(1, owner="/elsewhere"),), NETWORK)
    with pytest.raises(RefusedError, match=r"TANDEM_STATE=/elsewhere fab local\.down"):
        check_owner("local", found, door="fab", owner="/state")


def test_the_network_avoids_what_is_taken():
    first = free_subnet([])
    second = free_subnet([first, "172.17.0.0/16", "0.0.0.0/0", "fd00::/64"])
    assert first != second
    assert not ipaddress.ip_network(second).overlaps(ipaddress.ip_network(first))
    third = free_subnet(["10.201.0.0/20"])
    assert not ipaddress.ip_network(third).overlaps(ipaddress.ip_network("10.201.0.0/20"))


def test_no_free_network_is_an_error_with_a_next_step():
    with pytest.raises(TandemError, match="docker network prune"):
        free_subnet(["10.0.0.0/8"])


def test_addresses_follow_from_names_and_are_distinct():
    names = machine_names(64)
    addresses = {address_of("10.201.7.0/24", name) for name in names}
    assert len(addresses) == 64
    assert address_of("10.201.7.0/24", "node-1") == "10.201.7.11"
