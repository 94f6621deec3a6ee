"""The table of ports: no overlap, and nothing but SSH for the operator."""

import itertools

from contracts.ports import DASK_WORKERS, MOST_SLOTS, PORTS, RAY_WORKERS, Audience, open_to


def test_no_two_services_share_a_port():
    for one, other in itertools.combinations(PORTS, 2):
        assert one.last < other.first or other.last < one.first, (one, other)


def test_the_operator_reaches_ssh_and_nothing_else():
    assert [port.first for port in open_to(Audience.OPERATOR)] == [22]


def test_dashboards_stay_on_loopback():
    assert {port.first for port in open_to(Audience.LOOPBACK)} == {8265, 8787}


def test_every_range_runs_upwards():
    assert all(1 <= port.first <= port.last <= 65535 for port in PORTS)


def test_every_slot_of_the_largest_machine_has_a_port_and_ray_some_to_spare():
    assert DASK_WORKERS.last - DASK_WORKERS.first + 1 >= MOST_SLOTS
    assert RAY_WORKERS.last - RAY_WORKERS.first + 1 >= MOST_SLOTS + 50


def test_no_port_of_ours_is_one_that_linux_gives_away_but_rays_agent():
    assert [port.name for port in PORTS if port.last >= 32768] == ["ray-agent-http"]
