"""The table of ports: no overlap, and nothing but SSH for the operator."""

import itertools

from contracts.ports import PORTS, Audience, open_to


def test_no_two_services_share_a_port():
    for one, other in itertools.combinations(PORTS, 2):
        assert one.last < other.first or other.last < one.first, (one, other)


def test_the_operator_reaches_ssh_and_nothing_else():
    assert [port.first for port in open_to(Audience.OPERATOR)] == [22]


def test_dashboards_stay_on_loopback():
    assert {port.first for port in open_to(Audience.LOOPBACK)} == {8265, 8787}


def test_every_range_runs_upwards():
    assert all(1 <= port.first <= port.last <= 65535 for port in PORTS)
