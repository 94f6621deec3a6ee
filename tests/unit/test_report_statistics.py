"""Fits find the law that made the data, and say when they cannot know."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.report.statistics import apart, fit_laws, spread


def by_name(times):
    return {law.name: law for law in fit_laws(times)}


def amdahl(serial, counts, repeats=3, one=100.0, noise=0.0, seed=1):
    random = np.random.default_rng(seed)
    return {
        n: [
            one * (serial + (1 - serial) / n) * math.exp(noise * random.standard_normal())
            for _ in range(repeats)
        ]
        for n in counts
    }


@pytest.mark.parametrize("serial", [0.0, 0.02, 0.2, 0.7, 1.0])
def test_amdahl_is_found_again(serial):
    law = by_name(amdahl(serial, [1, 2, 3, 4]))["Amdahl"]
    assert law.values["serial share"].value == pytest.approx(serial, abs=1e-3)
    assert law.one_node.value == pytest.approx(100.0, rel=1e-3)
    assert law.note is None


@pytest.mark.parametrize(("contention", "coherence"), [(0.05, 0.01), (0.2, 0.0), (0.0, 0.03)])
def test_usl_is_found_again(contention, coherence):
    times = {
        n: [50 * (1 + contention * (n - 1) + coherence * n * (n - 1)) / n] * 2
        for n in range(1, 7)
    }
    law = by_name(times)["USL"]
    assert law.values["contention"].value == pytest.approx(contention, abs=2e-3)
    assert law.values["coherence"].value == pytest.approx(coherence, abs=2e-3)
    assert law.speed_up(1) == pytest.approx(1)
    assert law.seconds(6) == pytest.approx(times[6][0], rel=1e-2)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    hits = sum(
        one.low <= 0.1 <= one.high
        for one in (
            by_name(amdahl(0.1, [1, 2, 3, 4], noise=0.02, seed=seed))["Amdahl"].values[
                "serial share"
            ]
            for seed in range(60)
        )
    )
    assert hits >= 51


def test_what_the_laws_say_of_the_most_that_nodes_can_do():
    noisy = amdahl(0.1, [1, 2, 3, 4], noise=0.005)
    assert by_name(noisy)["Amdahl"].ceiling.startswith("no number of nodes is more than 10 ")
    times = {n: [50 * (1 + 0.01 * (n - 1) + 0.04 * n * (n - 1)) / n] * 2 for n in range(1, 9)}
    assert by_name(times)["USL"].ceiling == "more than about 5 nodes make it slower again"
    assert by_name(amdahl(0.0, [1, 2, 3]))["Amdahl"].ceiling is None


def test_two_node_counts_fit_amdahl_only_and_say_what_that_is_worth():
    laws = by_name(amdahl(0.1, [1, 3]))
    assert list(laws) == ["Amdahl"]
    assert "2 node counts for 2 unknowns" in laws["Amdahl"].note


def test_as_many_runs_as_unknowns_have_no_interval():
    laws = by_name(amdahl(0.1, [1, 2, 3], repeats=1))
    assert laws["USL"].values["coherence"].low is None
    assert "too few for an interval" in laws["USL"].note
    assert laws["Amdahl"].values["serial share"].low is not None


@pytest.mark.parametrize("times", [{}, {1: [3.0]}, {3: [3.0, 3.1]}])
def test_one_node_count_fits_nothing(times):
    assert fit_laws(times) == []


@given(
    times=st.dictionaries(
        st.integers(1, 40),
        st.lists(st.floats(1e-3, 1e5), min_size=1, max_size=3),
        max_size=5,
    )
)
@settings(deadline=None, max_examples=60)
def test_whatever_was_measured_a_fit_is_finite_or_absent(times):
    for law in fit_laws(times):
        for one in (law.one_node, *law.values.values()):
            assert math.isfinite(one.value)
            if one.low is not None:
                assert one.low <= one.value <= one.high
        assert law.seconds(2) > 0


def test_the_middle_of_a_few():
    found = spread([4.0, 1.0, 2.0, 3.0])
    assert (found.median, found.low, found.high) == (2.5, 1.75, 3.25)
    assert (found.least, found.most, found.count) == (1.0, 4.0, 4)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ([1.0, 2.0], [3.0, 4.0], True),
        ([3.0, 4.0], [1.0, 2.0], True),
        ([1.0, 3.0], [2.0, 4.0], False),
        ([1.0, 2.0], [2.0, 3.0], False),
        ([1.0], [9.0], False),
        ([1.0, 1.1], [9.0], False),
    ],
)
def test_when_two_sets_of_runs_are_told_apart(one, two, expected):
    assert apart(one, two) is expected
