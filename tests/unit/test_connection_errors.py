"""What is to be done about a machine that does not answer depends on who keeps it."""

import datetime
import socket

import pytest

from infra.ssh_keys import make_key
from provision.connection import connect
from provision.connection_errors import UnreachableError, next_step
from tests.unit.provision_examples import inventory, node

NOW = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.UTC)
LATER = "2026-11-21T18:00:00+00:00"


def test_on_aws_the_address_the_limits_and_the_way_to_another_machine_are_named():
    machines = inventory(provider="aws", expires_at=LATER, idle_minutes=30.0)
    told = next_step(machines, NOW)
    for words in (
        "fab cluster.allow",
        "fab cost.show",
        f"ends itself at {LATER} or after 30 minutes without work",
        "pulumi up --refresh",
    ):
        assert words in told
    assert "local.up" not in told


def test_on_openstack_the_audit_tells_what_runs_and_the_stack_who_may_in():
    machines = inventory(provider="openstack", expires_at=LATER, idle_minutes=30.0)
    told = next_step(machines, NOW)
    for words in (
        "fab doctor",
        "fab cost.audit --cluster example whether the machine still runs",
        f"ends itself at {LATER} or after 30 minutes without work",
        "pulumi up --refresh",
    ):
        assert words in told
    assert "cluster.allow" not in told
    assert "local" not in told
    over = next_step(machines, NOW.replace(hour=19))
    assert over.startswith(f"its time was over at {LATER}")


def test_a_machine_whose_time_was_over_is_said_to_have_ended():
    told = next_step(inventory(provider="aws", expires_at=LATER), NOW.replace(hour=19))
    assert told.startswith(f"its time was over at {LATER}")
    assert "pulumi up --refresh" in told
    assert "cluster.allow" not in told


def test_local_machines_are_repaired_and_ones_own_are_looked_after():
    assert "fab local.up" in next_step(inventory(provider="local"), NOW)
    told = next_step(inventory(provider="own"), NOW)
    assert "pulumi" not in told
    assert "local.up" not in told


def test_the_error_of_a_real_connection_says_it(tmp_path):
    key = tmp_path / "id"
    key.write_bytes(make_key().private)
    key.chmod(0o600)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        head = node(0, host_key=make_key().public, ssh_port=taken.getsockname()[1])
        machines = inventory(provider="aws", ssh_key_path=str(key), nodes=(head,))
        with pytest.raises(UnreachableError) as caught:
            connect(machines, "head", timeout=20.0)
    assert "fab cluster.allow" in (caught.value.next_step or "")
