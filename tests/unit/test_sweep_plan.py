"""Which runs a sweep is made of, in which order, and how many node changes that costs."""

import dataclasses
import itertools
from collections import Counter

import pytest

from workloads.sweeps.plan import Cell, Subject, Variation, Work, plan, planned_run, remaining

WORK = Work(
    workload="forest",
    parameters={"folds": 3, "grid": {"depth": [1, 2]}},
    combinations=({"depth": 1}, {"depth": 2}),
    seed=7,
    data_version="digits-1",
    sources="0123456789abcdef",
)


def order(**options):
    return [
        (run.cell.engine, run.cell.nodes, run.repeat) for run in plan(Subject(WORK), **options)
    ]


def test_each_cell_is_measured_once_per_repeat():
    runs = order(engines=["ray", "dask", "plain"], node_counts=[1, 2, 3], repeats=3)
    assert len(runs) == len(set(runs)) == 21
    assert Counter(repeat for _, _, repeat in runs) == {1: 7, 2: 7, 3: 7}


def test_engines_take_turns_and_node_counts_go_up_and_down():
    assert order(engines=["ray", "dask", "plain"], node_counts=[1, 2, 3], repeats=2) == [
        ("ray", 1, 1), ("ray", 2, 1), ("ray", 3, 1),
        ("plain", 1, 1),
        ("dask", 3, 1), ("dask", 2, 1), ("dask", 1, 1),
        ("dask", 1, 2), ("dask", 2, 2), ("dask", 3, 2),
        ("plain", 1, 2),
        ("ray", 3, 2), ("ray", 2, 2), ("ray", 1, 2),
    ]  # fmt: skip


def test_one_engine_shares_its_idle_moment_with_the_plain_run():
    assert order(engines=["plain", "ray"], node_counts=[2, 1], repeats=2) == [
        ("plain", 1, 1), ("ray", 1, 1), ("ray", 2, 1),
        ("ray", 2, 2), ("ray", 1, 2), ("plain", 1, 2),
    ]  # fmt: skip


def test_the_plain_workload_alone():
    assert order(engines=["plain"], node_counts=[1], repeats=2) == [
        ("plain", 1, 1),
        ("plain", 1, 2),
    ]


@pytest.mark.parametrize("repeats", [1, 2, 3, 4, 7])
def test_engines_are_switched_once_per_repeat_at_most(repeats):
    names = [name for name, _, _ in order(
        engines=["ray", "dask", "plain"], node_counts=[1, 2, 3], repeats=repeats
    ) if name != "plain"]  # fmt: skip
    switches = sum(1 for one, two in itertools.pairwise(names) if one != two)
    assert switches == repeats


def test_neighbouring_runs_differ_by_one_node_at_most():
    counts = [nodes for name, nodes, _ in order(
        engines=["ray", "dask"], node_counts=[3, 1, 2], repeats=4
    )]  # fmt: skip
    assert max(abs(a - b) for a, b in itertools.pairwise(counts)) == 1


def test_one_more_repeat_keeps_every_earlier_run():
    options = {"engines": ["ray", "dask", "plain"], "node_counts": [1, 2, 3]}
    three = {run.run_id for run in plan(Subject(WORK), **options, repeats=3)}
    four = {run.run_id for run in plan(Subject(WORK), **options, repeats=4)}
    assert three < four
    assert len(four - three) == 7


OTHER_WORK = [
    {"workload": "knn"},
    {"parameters": {"folds": 5, "grid": {"depth": [1, 2]}}},
    {"seed": 8},
    {"data_version": "digits-2"},
    {"sources": "fedcba9876543210"},
]


@pytest.mark.parametrize("change", OTHER_WORK, ids=lambda change: next(iter(change)))
def test_whatever_decides_a_result_decides_its_identity(change):
    other = dataclasses.replace(WORK, **change)
    one, two = (planned_run(work, Cell("ray", 2), 1) for work in (WORK, other))
    assert one.run_id != two.run_id
    ids = [{trial.trial_id for trial in run.trials} for run in (one, two)]
    assert not ids[0] & ids[1]
    assert other.fingerprint != WORK.fingerprint


@pytest.mark.parametrize(
    ("cell", "repeat"), [(Cell("dask", 2), 1), (Cell("ray", 3), 1), (Cell("ray", 2), 2)]
)
def test_engine_nodes_and_repeat_are_part_of_the_identity(cell, repeat):
    one, two = planned_run(WORK, Cell("ray", 2), 1), planned_run(WORK, cell, repeat)
    assert one.run_id != two.run_id
    assert one.trials[0].trial_id != two.trials[0].trial_id


def test_identities_are_stable():
    run = planned_run(WORK, Cell("ray", 2), 1)
    assert run == planned_run(dataclasses.replace(WORK), Cell("ray", 2), 1)
    assert (len(run.run_id), len(run.trials), len(run.trials[0].trial_id)) == (20, 2, 20)


def test_what_remains_keeps_the_order_of_the_workload():
    run = planned_run(WORK, Cell("ray", 1), 1)
    assert remaining(run, set()) == run.trials
    assert remaining(run, {run.trials[0].trial_id}) == run.trials[1:]
    assert remaining(run, {trial.trial_id for trial in run.trials}) == ()


SLOW, QUICK = (
    Variation({"quick": quick}, dataclasses.replace(WORK, parameters={"quick": quick}))
    for quick in (False, True)
)
PLAIN_ONE = Variation({}, dataclasses.replace(WORK, parameters={"quick": None}))
VARIED = Subject(SLOW.work, (SLOW, QUICK), (PLAIN_ONE,))


def test_variations_are_measured_side_by_side_and_backwards_in_the_next_repeat():
    runs = plan(VARIED, engines=["ray", "plain"], node_counts=[1, 2], repeats=2)
    slow, quick = SLOW.names, QUICK.names
    assert (slow, quick) == (("quick=false",), ("quick=true",))
    assert [(run.cell.engine, run.cell.nodes, run.cell.variation) for run in runs] == [
        ("plain", 1, ()),
        ("ray", 1, slow), ("ray", 1, quick), ("ray", 2, slow), ("ray", 2, quick),
        ("ray", 2, quick), ("ray", 2, slow), ("ray", 1, quick), ("ray", 1, slow),
        ("plain", 1, ()),
    ]  # fmt: skip
    works = {run.cell.variation: run.work for run in runs}
    assert works == {slow: SLOW.work, quick: QUICK.work, (): PLAIN_ONE.work}
    assert len({run.run_id for run in runs}) == len(runs)


def test_plain_runs_for_each_variation_that_matters_to_it():
    runs = plan(
        Subject(SLOW.work, (SLOW, QUICK)), engines=["plain"], node_counts=[1], repeats=1
    )
    assert [run.cell.variation for run in runs] == [SLOW.names, QUICK.names]


def test_a_run_is_the_same_run_whether_its_parameter_is_varied_or_set():
    """So a sweep that varies a parameter later finds what was measured without that."""
    options = {"engines": ["ray"], "node_counts": [1, 2], "repeats": 2}
    alone = {run.run_id for run in plan(Subject(QUICK.work), **options)}
    assert alone < {run.run_id for run in plan(VARIED, **options)}


def test_identities_have_not_changed_since_journals_were_first_written():
    """Journals of earlier versions go on where they stopped."""
    run = planned_run(WORK, Cell("ray", 2), 1)
    assert run.run_id == "285fda921f459c1598be"
    assert run.trials[0].trial_id == "f23dda3f955a97fd0db2"
