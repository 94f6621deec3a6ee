"""A search that was killed goes on where it stopped, and never takes up what is not its own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from exact_cases import both, data_set, differences, forest
from sklearn.metrics import make_scorer, matthews_corrcoef

from workloads.forest.exact import tallies, units
from workloads.forest.exact.search import ExactForestSearchCV
from workloads.forest.exact.units import grow_unit

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GRID = {"n_estimators": [3, 9], "max_depth": [None, 4], "max_features": [2, 5]}
UNITS = 2 * 2 * 5  # folds, groups, units of two trees for nine
KILLED = """
    import os, sys
    sys.path[:0] = [{root!r}, {tests!r}]
    from exact_cases import data_set, forest
    from workloads.forest.exact import units
    from workloads.forest.exact.search import ExactForestSearchCV
    units.MOST_TREES = 2

    class Dying:
        def run(self, todo):
            for number, unit in enumerate(todo):
                if number == {after}:
                    os._exit(9)
                yield unit.unit_id, units.grow_unit(**unit.arguments)

    x, y = data_set("digits", 150)
    given = dict(cv=2, engine=Dying(), checkpoint={folder!r})
    ExactForestSearchCV(forest(), {grid!r}, **given).fit(x, y)
"""


class Counted:
    """An engine that notes what it was asked to do."""

    def __init__(self):
        self.done = []

    def run(self, todo):
        for unit in todo:
            self.done.append(unit.unit_id)
            yield unit.unit_id, grow_unit(**unit.arguments)


@pytest.fixture(autouse=True)
def small_units(monkeypatch):
    monkeypatch.setattr(units, "MOST_TREES", 2)


@pytest.fixture
def searched(tmp_path):
    """Search digits with a checkpoint; return the search and how many units it did."""
    x, y = data_set("digits", 150)

    def search(labels=y, **given):
        engine = Counted()
        given = {"cv": 2, "engine": engine, "checkpoint": tmp_path / "kept", **given}
        return ExactForestSearchCV(forest(), GRID, **given).fit(x, labels), len(engine.done)

    return search


@pytest.mark.parametrize("after", [0, 1, 7, UNITS - 1])
def test_a_killed_search_does_only_what_is_missing(tmp_path, searched, after):
    folder = str(tmp_path / "kept")
    tests = str(Path(__file__).parent)
    program = textwrap.dedent(KILLED).format(
        root=str(ROOT), tests=tests, after=after, grid=GRID, folder=folder
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 9
    found, done = searched()
    assert done == UNITS - after
    x, y = data_set("digits", 150)
    plain, _ = both(x, y, GRID, cv=2)
    assert differences(plain, found) == []


def test_a_complete_search_does_nothing_again(searched):
    first, done = searched()
    assert done == UNITS
    second, done = searched()
    assert done == 0
    assert differences(first, second) == []
    assert (second.builder_, second.builder_reason_) == (
        "",
        "every score was in the checkpoint",
    )


def test_one_process_keeps_its_units_too(searched):
    first, _ = searched(engine=None)
    second, done = searched()
    assert done == 0
    assert differences(first, second) == []


@pytest.mark.parametrize(
    "other",
    [
        {"scoring": "f1_macro"},
        {"scoring": {"a": "accuracy"}, "refit": "a"},
        {"return_train_score": True},
        {"cv": 3},
    ],
)
def test_another_search_begins_anew(searched, other):
    searched()
    assert searched(**other)[1] >= UNITS
    assert searched()[1] == 0


def test_other_labels_begin_anew(searched):
    """Class numbers alike: a score such as f1 still depends on what they stand for."""
    _, y = data_set("digits", 150)
    searched()
    assert searched(labels=y + 1)[1] == UNITS


def test_a_newer_version_of_the_code_begins_anew(searched, monkeypatch):
    searched()
    monkeypatch.setattr("workloads.forest.exact.checkpoint.code_fingerprint", lambda: "newer")
    assert searched()[1] == UNITS


@pytest.mark.parametrize(
    "scoring",
    [make_scorer(matthews_corrcoef), {"a": "accuracy", "b": make_scorer(matthews_corrcoef)}],
)
def test_a_score_that_is_a_function_is_refused(searched, scoring):
    with pytest.raises(ValueError, match=r"checkpoint=.*given by name"):
        searched(scoring=scoring, refit=False)


@pytest.mark.filterwarnings("ignore:Scoring failed", "ignore:One or more of the test scores")
def test_a_score_that_fails_fails_again(searched):
    for done in (UNITS, 0):
        found, did = searched(scoring="precision", refit=False)  # of two classes only
        assert np.isnan(found.cv_results_["mean_test_score"]).all()
        assert did == done


def test_all_open_groups_have_one_measure_of_memory(searched, monkeypatch, tmp_path):
    seen, folders = [], set()
    take = tallies.SumsMemory.take

    def watched(self, shape):
        sums = take(self, shape)
        seen.append((self.used, isinstance(sums, np.memmap)))
        folders.add(self._folder)
        return sums

    size = 75 * 10 * 8
    monkeypatch.setattr(tallies, "MEMORY_BYTES", 3 * size)
    monkeypatch.setattr(tallies.SumsMemory, "take", watched)

    class OneTreeOfEach(Counted):
        def run(self, todo):
            yield from super().run(sorted(todo, key=lambda one: one.arguments["first"]))

    found, _ = searched(engine=OneTreeOfEach())
    assert max(used for used, _ in seen) == 3 * size
    assert [spilled for _, spilled in seen].count(True) == 5  # of 2 folds, 2 groups, 2 depths
    assert all(tmp_path in folder.parents for folder in folders)
    x, y = data_set("digits", 150)
    assert differences(both(x, y, GRID, cv=2)[0], found) == []
