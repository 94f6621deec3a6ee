"""Work elsewhere: values in any order, twice, damaged or lost give the same bits, once each."""

import json
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
from exact_cases import both, data_set, differences, forest
from sklearn.model_selection import GridSearchCV, ParameterGrid, StratifiedKFold

from workloads.forest.exact import tallies, units, votes
from workloads.forest.exact.builders import ForestBuilder
from workloads.forest.exact.plan import plan_search
from workloads.forest.exact.sharing import forest_data, open_data, write_data
from workloads.forest.exact.units import grow_unit, warm_up
from workloads.forest.exact.votes import Tally, Vote, decode_votes, encode_votes, tree_votes
from workloads.forest.exact.work import ExactWork

pytestmark = pytest.mark.slow

GRID = {
    "n_estimators": [3, 9],
    "max_depth": [None, 4],
    "ccp_alpha": [0.0, 0.01],
    "max_features": [2, 5],
}


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """A plan, its data in a file, and GridSearchCV's scores."""
    x, y = data_set("covtype", 240)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class has fewer rows than there are folds
        folds = list(StratifiedKFold(2).split(x, y))
    trials = [{**forest().get_params(), **one} for one in ParameterGrid(GRID)]
    plan = plan_search(trials, [len(train) for train, _ in folds], x.shape[1])
    folder = tmp_path_factory.mktemp("data")
    classes = np.unique(y, return_inverse=True)[1]
    name = write_data(folder, forest_data(x, classes, folds))
    plain = GridSearchCV(forest(), GRID, cv=folds, refit=False).fit(x, y).cv_results_
    scores = list(zip(plain["split0_test_score"], plain["split1_test_score"], strict=True))
    return plan, folder, name, scores


@pytest.fixture(autouse=True)
def small_units(monkeypatch):
    """Cut units of two trees."""
    monkeypatch.setattr(units, "MOST_TREES", 2)


def make_work(search, kept=None):
    plan, folder, name, _ = search
    return ExactWork(plan, open_data(folder / name), str(folder), name, kept=kept)


def finish(work, chosen):
    found = work.resumed()
    for unit in chosen:
        found += work.accept(unit.unit_id, grow_unit(**unit.arguments))
    return {trial.trial: trial.scores for trial in found}, len(found)


@pytest.mark.parametrize("seed", range(4))
def test_values_may_come_in_any_order(search, seed):
    work = make_work(search)
    chosen = list(work.units)
    np.random.RandomState(seed).shuffle(chosen)
    scores, told = finish(work, chosen)
    assert scores == dict(enumerate(search[3]))
    assert told == len(scores)
    assert work.units == ()


def test_a_value_that_comes_twice_counts_once(search):
    work = make_work(search)
    chosen = [unit for unit in work.units for _ in range(2)]
    assert finish(work, chosen)[0] == dict(enumerate(search[3]))


def test_units_are_json_and_do_the_same_everywhere(search):
    for unit in make_work(search).units[:3]:
        arguments = json.loads(json.dumps(unit.arguments))
        first = json.loads(json.dumps(grow_unit(**arguments)))
        plain = grow_unit(**{**arguments, "builder": "scikit-learn"})
        assert first["votes"] == plain["votes"]
        assert first["builder"] == "compiled"
        assert plain["builder"] == "scikit-learn"


def test_warm_up_proves_the_builder(search):
    _, folder, name, _ = search
    assert warm_up(str(folder), name) == "compiled"


@pytest.mark.parametrize("done", [0, 1, 7, 13])
def test_a_killed_driver_loses_only_what_was_under_way(search, tmp_path, done):
    first = make_work(search, tmp_path)
    chosen = list(first.units)
    np.random.RandomState(done).shuffle(chosen)
    before, _ = finish(first, chosen[:done])
    second = make_work(search, tmp_path)
    left = second.units
    assert {unit.unit_id for unit in left} == {unit.unit_id for unit in chosen[done:]}
    after, _ = finish(second, left)
    assert after == dict(enumerate(search[3]))
    assert before.items() <= after.items()
    assert make_work(search, tmp_path).units == ()
    assert len(make_work(search, tmp_path).resumed()) == len(search[3])


def test_what_is_kept_goes_when_a_group_is_complete(search, tmp_path):
    finish(make_work(search, tmp_path), make_work(search).units)
    names = sorted(path.name for path in tmp_path.glob("*/*.json"))
    assert len(names) == 4
    assert all(name.startswith("scores-") for name in names)


@pytest.mark.parametrize("damage", ["cut", "garbled", "emptied"])
def test_a_damaged_value_is_done_again(search, tmp_path, damage):
    first = make_work(search, tmp_path)
    finish(first, first.units[1:4])
    path = next(tmp_path.glob("*/fold*.json"))
    content = path.read_bytes()
    path.write_bytes({"cut": content[:-40], "garbled": content[:200] + b"x" + content[201:],
                      "emptied": b""}[damage])  # fmt: skip
    second = make_work(search, tmp_path)
    scores, _ = finish(second, second.units)
    for unit in second.units:
        scores |= finish(second, [unit])[0]
    assert scores == dict(enumerate(search[3]))


def test_another_plan_does_not_take_up_what_was_kept(search, tmp_path):
    finish(make_work(search, tmp_path), make_work(search).units)
    _, folder, name, _ = search
    trials = [{**forest(random_state=4).get_params(), **one} for one in ParameterGrid(GRID)]
    other = plan_search(trials, [120, 120], 54)
    data = open_data(folder / name)
    work = ExactWork(other, data, str(folder), name, kept=tmp_path)
    assert work.units
    assert not work.resumed()


def test_a_value_that_is_not_whole_is_refused_and_still_needed(search):
    work = make_work(search)
    unit = work.units[0]
    value = grow_unit(**unit.arguments)
    for wrong in ({}, {**value, "votes": value["votes"][:-8]}, {**value, "votes": 3}):
        with pytest.raises(ValueError, match="votes of a unit"):
            work.accept(unit.unit_id, wrong)
    short = grow_unit(**{**unit.arguments, "last": unit.arguments["last"] - 1})
    elsewhere = grow_unit(**{**unit.arguments, "fold": 1})
    for other in (short, elsewhere, grow_unit(**work.units[-1].arguments)):
        with pytest.raises(ValueError, match="of another unit"):
            work.accept(unit.unit_id, other)
    assert work.needed(unit.unit_id)


def test_the_data_file_is_named_by_its_content_and_read_back_whole(search, tmp_path):
    _, folder, name, _ = search
    data = open_data(folder / name)
    assert write_data(tmp_path, data) == name
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    again = open_data(tmp_path / name)
    assert np.array_equal(again.values(), data.values())
    (tmp_path / "short.data").write_bytes((folder / name).read_bytes()[:-5000])
    with pytest.raises(ValueError, match="cut short"):
        open_data(tmp_path / "short.data")
    (tmp_path / "other.data").write_bytes(b"something else")
    with pytest.raises(ValueError, match="does not hold"):
        open_data(tmp_path / "other.data")


def test_uncoded_data_cross_in_a_file_too(tmp_path):
    x = np.column_stack([np.arange(66_000), np.arange(66_000) % 3]).astype(np.float64)
    data = forest_data(
        x, np.arange(66_000) % 2, [(np.arange(60_000), np.arange(60_000, 66_000))]
    )
    found = open_data(tmp_path / write_data(tmp_path, data))
    assert np.array_equal(found.values(), x)
    assert ForestBuilder(found).name == "scikit-learn"


def test_votes_lose_nothing_on_the_way(search):
    plan, folder, name, _ = search
    data = open_data(folder / name)
    builder = ForestBuilder(data)
    train, test = data.folds[0]
    group = plan.folds[0].groups[0]
    sent = [list(tree_votes(builder, group, train, test, tree)) for tree in range(3)]
    for before, after in zip(sent, decode_votes(encode_votes(sent)), strict=True):
        for one, other in zip(before, after, strict=True):
            assert one.variant == other.variant
            assert np.array_equal(one.shares()[one.leaf], other.shares()[other.leaf])


def test_sums_are_the_same_with_and_without_kernels(monkeypatch):
    random = np.random.RandomState(0)
    truth = random.randint(0, 5, 400).astype(np.int32)
    found = []
    for off in (False, True):
        random.seed(1)
        tally = Tally(np.zeros((400, 5)))
        if off:
            tally._library = None
        for size in (200, 300, 70_000):
            counts = random.randint(0, 9, (size, 5)).astype(np.uint32)
            counts[:, 0] += 1
            dtype = np.uint8 if size < 256 else np.uint16 if size < 65536 else np.uint32
            tally.add(Vote(0, random.randint(0, size, 400).astype(dtype), counts))
        found.append((tally.sums.tobytes(), tally.accuracy(truth)))
    assert found[0] == found[1]


def test_large_sums_lie_in_a_file_and_are_the_same(search, monkeypatch):
    monkeypatch.setattr(tallies, "MEMORY_BYTES", 0)
    work = make_work(search)
    assert finish(work, work.units)[0] == dict(enumerate(search[3]))


def test_the_program_in_the_documentation_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text = (Path(__file__).parents[2] / "docs" / "exact-forest.md").read_text()
    section = text.partition("## Other machines, by hand")[2]
    program = section.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "program.py").write_text(program)
    found = runpy.run_path(str(tmp_path / "program.py"))
    cv = StratifiedKFold(3)
    plain = GridSearchCV(forest(random_state=0), found["grid"], cv=cv, refit=False)
    scores = plain.fit(found["x"], found["y"]).cv_results_
    folds = [scores[f"split{fold}_test_score"] for fold in range(3)]
    assert found["scores"] == dict(enumerate(zip(*folds, strict=True)))


def mutate_order(monkeypatch):
    add = tallies.GroupTally.add_tree
    held = []

    def late(self, given):
        held.append(list(given))
        if len(held) % 3:
            self.next_tree += 1
            return []
        self.next_tree -= 2
        found = []
        while held:
            found += add(self, held.pop())
        return found

    monkeypatch.setattr(tallies.GroupTally, "add_tree", late)


def mutate_division(monkeypatch):
    monkeypatch.setattr(Tally, "probabilities", lambda self: self.sums)


def mutate_certificate(monkeypatch):
    target = "workloads.forest.exact.sklearn_builder.certified"
    monkeypatch.setattr(target, lambda *numbers: True)


def mutate_bootstrap(monkeypatch):
    from workloads.forest.exact import sklearn_builder
    from workloads.forest.exact.growth import bootstrap_weights

    def other(seed, train, n, rows):
        return bootstrap_weights(seed + 1, train, n, rows)

    monkeypatch.setattr(sklearn_builder, "bootstrap_weights", other)


def mutate_seeds(monkeypatch):
    monkeypatch.setattr(votes, "tree_seeds", lambda state, n: tuple(range(n)))


def mutate_pruning(monkeypatch):
    def none(left, right, impurity, weight, alphas):
        return [np.arange(len(left), dtype=np.int32) for _ in alphas]

    monkeypatch.setattr(votes, "survivors", none)


def mutate_leaf_limit(monkeypatch):
    monkeypatch.setattr(
        votes, "first_leaves", lambda left, right, limit: np.arange(len(left)) % (2 * limit - 1)
    )


BITES = [
    mutate_order, mutate_division, mutate_certificate, mutate_bootstrap, mutate_seeds,
    mutate_pruning, mutate_leaf_limit,
]  # fmt: skip


@pytest.mark.parametrize("mutate", BITES, ids=lambda mutate: mutate.__name__)
def test_the_comparison_sees_a_wrong_step(mutate, monkeypatch):
    mutate(monkeypatch)
    x, y = data_set("covtype", 400)
    grid = {
        "n_estimators": [3, 9],
        "max_depth": [None, 4],
        "ccp_alpha": [0.0, 0.01],
        "max_leaf_nodes": [None, 6, 12],
        "min_samples_leaf": [1, 3],
    }
    plain, exact = both(x, y, grid, builder="scikit-learn", scoring="neg_log_loss", cv=2)
    assert "mean_test_score" in differences(plain, exact)
