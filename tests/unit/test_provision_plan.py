"""Desired minus actual, as a table: what is there, what is wanted, what is to be done."""

import pytest

from contracts.errors import RefusedError, UsageError
from provision.facts import Recorded
from provision.plan import (
    NodeWork,
    active_runs,
    chosen,
    refuse_disturbance,
    spec_of,
    work,
)
from tests.unit.provision_examples import facts, inventory, running, wanted

NOTHING = NodeWork()


def everyone(names=("head", "worker-1"), **changes):
    return {name: facts(name, **changes) for name in names}


def test_a_cluster_that_is_as_wanted_needs_nothing():
    found = everyone(records=running("ray"))
    todo = work(dict.fromkeys(found, wanted()), found, "head")
    assert set(todo.values()) == {NOTHING}
    assert all(one.nothing for one in todo.values())


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("fresh machine", {"records": {}, "code": False, "credentials": {}}, NodeWork(
            code=True, put=("ray_token",), monitor=True, start=True)),
        ("other engine", {"records": running("dask")}, NodeWork(stop=("dask",), start=True)),
        ("other settings", {"records": running("ray", "old")}, NodeWork(
            stop=("ray",), start=True)),
        ("a process died", {"records": running("ray", complete=False)}, NodeWork(
            stop=("ray",), start=True)),
        ("leftovers of a crash", {"records": running("ray", complete=False, members=0)},
         NodeWork(stop=("ray",), start=True)),
        ("its dashboard goes too", {"records": {
            **running("ray", "old"), "ray-dashboard": Recorded("s", True, 9)}}, NodeWork(
            stop=("ray", "ray-dashboard"), start=True)),
        ("old credentials", {"records": running("ray"), "credentials": {"ray_token": "old"}},
         NodeWork(put=("ray_token",))),
        ("no code", {"records": running("ray"), "code": False}, NodeWork(code=True)),
        ("no monitor", {"records": {"ray": Recorded("s", True, 3)}}, NodeWork(monitor=True)),
        ("monitor of another version", {"records": {
            **running("ray"), "monitor": Recorded("old", True, 1)}}, NodeWork(monitor=True)),
    ],
)  # fmt: skip
def test_what_one_machine_needs(name, changes, expected):
    found = {"head": facts("head", **changes)}
    assert work({"head": wanted()}, found, "head")["head"] == expected, name


def test_a_dashboard_of_the_engine_that_stays_is_left_alone():
    records = {**running("ray"), "ray-dashboard": Recorded("s", True, 9)}
    found = {"head": facts("head", records=records)}
    assert work({"head": wanted()}, found, "head")["head"].nothing


def test_workers_of_a_head_that_starts_anew_start_anew_too():
    found = everyone(records=running("ray"))
    found["head"] = facts("head", records=running("ray", complete=False))
    todo = work(dict.fromkeys(found, wanted()), found, "head")
    assert todo["worker-1"] == NodeWork(stop=("ray",), start=True)


def test_a_worker_that_joins_leaves_the_others_alone():
    found = everyone(records=running("ray"))
    found["worker-2"] = facts("worker-2")
    todo = work(dict.fromkeys(found, wanted()), found, "head")
    assert todo["head"].nothing
    assert todo["worker-1"].nothing
    assert todo["worker-2"] == NodeWork(start=True)


def test_machines_that_are_not_wanted_any_more_end_what_they_run():
    found = everyone(records=running("ray"))
    todo = work({"head": wanted()}, found, "head")
    assert todo["head"].nothing
    assert todo["worker-1"] == NodeWork(stop=("ray", "monitor"))


def test_without_an_engine_every_engine_ends():
    found = everyone(records=running("dask"))
    todo = work({"head": wanted(None, "")}, found, "head")
    assert todo["head"] == NodeWork(stop=("dask",))
    assert todo["worker-1"].stop == ("dask", "monitor")


STOPPED = NodeWork(stop=("ray",), start=True)


def at_work(**worker):
    """Return the facts of a head with a run at work, and of a worker."""
    records = {**running("ray"), "run-abc": Recorded("abc", True, 4)}
    return {"head": facts("head", records=records), "worker-1": facts("worker-1", **worker)}


@pytest.mark.parametrize(
    ("name", "worker", "todo"),
    [
        ("nothing", {"records": running("ray")}, {"head": NOTHING, "worker-1": NOTHING}),
        ("a monitor", {"records": running("ray")},
         {"head": NodeWork(monitor=True), "worker-1": NOTHING}),
        ("a lost worker comes back", {"records": running("ray", complete=False)},
         {"head": NOTHING, "worker-1": STOPPED}),
        ("a worker joins", {}, {"head": NOTHING, "worker-1": NodeWork(start=True)}),
    ],
)  # fmt: skip
def test_what_may_be_done_beside_a_run_at_work(name, worker, todo):
    found = at_work(**worker)
    assert active_runs(found) == {"head": ("abc",)}
    refuse_disturbance(todo, found, "head")


@pytest.mark.parametrize(
    ("name", "todo"),
    [
        ("the head starts anew", {"head": STOPPED, "worker-1": NOTHING}),
        ("a good worker leaves", {"head": NOTHING, "worker-1": NodeWork(stop=("ray",))}),
        ("a dead head", {"head": NodeWork(start=True), "worker-1": NOTHING}),
    ],
)
def test_a_run_at_work_is_not_ended_and_is_named(name, todo):
    found = at_work(records=running("ray"))
    with pytest.raises(RefusedError, match="abc"):
        refuse_disturbance(todo, found, "head")


def test_a_run_that_ended_disturbs_nobody():
    records = {**running("ray"), "run-abc": Recorded("abc", True, 0)}
    refuse_disturbance({"head": STOPPED}, {"head": facts("head", records=records)}, "head")


def test_the_head_counts_as_a_node():
    assert [one.name for one in chosen(inventory(3), 1)] == ["head"]
    assert [one.name for one in chosen(inventory(3), 3)] == ["head", "worker-1", "worker-2"]


def test_too_few_machines_says_how_to_get_more():
    with pytest.raises(UsageError, match="--nodes 4 is more than the 3 machines") as caught:
        chosen(inventory(3), 4)
    assert "fab local.up --nodes 4" in str(caught.value)


def test_a_spec_tells_apart_requests_and_credentials_and_nothing_else():
    one = spec_of({"a": 1, "b": 2}, {"x": "1"})
    assert one == spec_of({"b": 2, "a": 1}, {"x": "1"})
    assert len({one, spec_of({"a": 1, "b": 3}, {"x": "1"}), spec_of({"a": 1, "b": 2}, {})}) == 3
