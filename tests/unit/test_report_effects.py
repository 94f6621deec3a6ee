"""Main effects on constructed times of which every effect is known."""

import itertools
import random

import pytest

from workloads.report.effects import MATTERS, Observation, main_effects

FORMAT = {"csv": 3.1, "parquet": 1.0, "npy": 1.4}
THREADS = {"1": 1.02, "4": 1.0}
ENGINE = {"ray": 1.2, "dask": 1.0}


def grid(*, scatter=0.0, repeats=3, special=lambda settings: 1.0):
    """Times that are the product of what each setting does, and of a scatter from a seed."""
    chance = random.Random(4)  # noqa: S311  the same scatter each time, no secret
    found = []
    for form, threads, engine in itertools.product(FORMAT, THREADS, ENGINE):
        settings = {"format": form, "threads": threads, "engine": engine}
        base = 10 * FORMAT[form] * THREADS[threads] * ENGINE[engine] * special(settings)
        times = (base * (1 + scatter * chance.uniform(-1, 1)) for _ in range(repeats))
        found.append(Observation(settings, tuple(times)))
    return found


def by_name(observations):
    return {one.name: one for one in main_effects(observations)}


def test_each_effect_is_found_and_the_largest_comes_first():
    found = main_effects(grid())
    assert [one.name for one in found] == ["format", "engine", "threads"]
    form, engine, threads = found
    assert form.ratio == pytest.approx(3.1)
    assert [one.value for one in form.levels] == ["csv", "npy", "parquet"]
    assert [one.relative for one in form.levels] == pytest.approx([3.1, 1.4, 1.0])
    assert (form.verdict, form.blocks, form.interactions) == ("matters", 4, ())
    assert (form.low, form.high) == pytest.approx((3.1, 3.1))
    assert (engine.ratio, engine.verdict, engine.blocks) == (pytest.approx(1.2), "matters", 6)
    assert (threads.ratio, threads.verdict) == (pytest.approx(1.02), "does not matter")
    assert form.levels[-1].seconds == pytest.approx(10 * 1.1 * 1.01, rel=0.01)


def test_a_scatter_wider_than_the_effect_makes_it_unclear_and_wider():
    found = by_name(grid(scatter=0.15))
    assert found["format"].verdict == "matters"
    assert found["format"].low < 3.1 < found["format"].high
    assert found["engine"].verdict == "unclear"
    assert found["engine"].low < 1
    assert found["threads"].verdict == "does not matter"


def test_a_best_level_that_depends_on_another_setting_is_named():
    def special(settings):
        """With Ray, CSV is read by something quick."""
        return 0.2 if (settings["format"], settings["engine"]) == ("csv", "ray") else 1.0

    found = by_name(grid(special=special))
    assert found["format"].verdict == "depends"
    (one,) = found["format"].interactions
    assert one.other == "engine"
    assert one.best == {"ray": "csv", "dask": "parquet"}
    assert one.loss == pytest.approx(3.1)
    assert found["threads"].interactions == ()


def test_a_difference_of_chance_is_no_interaction():
    """With Dask one thread is faster by a hundredth, with Ray slower by far."""

    def special(settings):
        if settings["threads"] == "4":
            return 1.0
        return 1.4 if settings["engine"] == "ray" else 0.97

    assert by_name(grid(special=special))["threads"].interactions == ()


def test_the_range_is_that_of_the_worst_and_the_best_pair_of_runs():
    (one,) = main_effects(
        [Observation({"format": "csv"}, (2.0, 3.0)), Observation({"format": "npy"}, (1.0, 1.5))]
    )
    assert (one.ratio, one.low, one.high) == pytest.approx((2.0, 2 / 1.5, 3.0))


def test_what_matters_in_one_place_only_depends():
    def special(settings):
        return 1.6 if (settings["threads"], settings["format"]) == ("1", "csv") else 1.0

    threads = by_name(grid(special=special))["threads"]
    assert threads.ratio < MATTERS
    assert (threads.verdict, threads.interactions) == ("depends", ())
    assert threads.high == pytest.approx(1.6 * 1.02)


def test_levels_are_compared_only_where_all_were_measured():
    kept = [one for one in grid() if dict(one.settings) != {
        "format": "csv", "threads": "1", "engine": "ray"}]  # fmt: skip
    found = by_name(kept)
    assert (found["format"].blocks, found["format"].ratio) == (3, pytest.approx(3.1))
    assert found["engine"].blocks == 5


@pytest.mark.parametrize(
    "observations",
    [
        [],
        [Observation({"format": "csv"}, (1.0,))],
        [
            Observation({"format": "csv", "threads": "1"}, (1.0,)),
            Observation({"format": "npy", "threads": "2"}, (2.0,)),
        ],
    ],
    ids=["nothing", "one level", "two settings changed together"],
)
def test_what_cannot_be_told_apart_has_no_effect(observations):
    assert main_effects(observations) == []
