"""K-Means in chunks: scikit-learn's centres, whatever the chunks, and clear refusals."""

import json

import numpy as np
import pytest

from contracts.errors import InvalidDocument
from tests.doubles.run_specs import workload_spec, write_run
from workloads import kmeans
from workloads.data import datasets
from workloads.data.chunks import chunks, groups, rows_of
from workloads.data.points import data
from workloads.driver import run as driver
from workloads.kmeans import lloyd
from workloads.kmeans.baseline import fit_rows
from workloads.programs import Connected

TINY = {"preset": "tiny"}
CASES = {
    "blobs": ({**TINY, "clusters": [5], "iterations": 6}, 1000),
    "blobs, one chunk": ({**TINY, "clusters": [5], "iterations": 6}, 1 << 20),
    "blobs to their end": ({**TINY, "clusters": [3], "iterations": 300}, 700),
    "digits": ({"preset": "digits", "clusters": [10]}, 300),
    "real numbers": ({"preset": "digits", "dataset": "breast_cancer", "clusters": [4]}, 300),
}


def here(function, parts, named=None, **arguments):
    return [function(part, **arguments) for part in parts]


def chunked(home, parameters, clusters, chunk_rows, slots=3):
    described = data(parameters)
    datasets.prepare(str(home), described)
    connected = Connected("plain", None, ("head",), slots, str(home))
    return lloyd.fit(
        here, connected, data=vars(described), clusters=clusters,
        iterations=parameters["iterations"], seed=parameters["seed"], chunk_rows=chunk_rows,
    )[0]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_chunks_find_what_scikit_learn_finds(case, tmp_path):
    asked, chunk_rows = CASES[case]
    parameters = kmeans.validate(asked)
    (clusters,) = parameters["clusters"]
    ours = chunked(tmp_path, parameters, clusters, chunk_rows)
    x = rows_of(str(tmp_path), data(parameters))
    theirs = fit_rows(x, clusters, parameters["iterations"], parameters["seed"])
    assert ours.iterations == theirs.iterations
    assert ours.inertia == pytest.approx(theirs.inertia, rel=kmeans.TOLERANCE)
    assert np.allclose(ours.centres, theirs.centres, atol=1e-3 * np.abs(x).max())


def test_tasks_change_nothing_to_the_last_bit(tmp_path):
    parameters = kmeans.validate({**TINY, "clusters": [5]})
    one, other = (chunked(tmp_path, parameters, 5, 400, slots) for slots in (1, 7))
    assert np.array_equal(one.centres, other.centres)
    assert one.inertia == other.inertia


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_an_empty_cluster_takes_the_farthest_row_as_scikit_learn_has_it(kind, tmp_path):
    from sklearn.cluster import KMeans

    generator = np.random.default_rng(0)
    x = np.concatenate([generator.normal(place, 0.1, (200, 2)) for place in (0, 5)])
    x = np.concatenate([x, [[30.0, 30.0], [-20.0, 9.0]]]).astype(kind)
    begin = np.array([[0, 0], [5, 5], [1e4, 1e4], [-1e4, 1e4]], dtype=kind)
    parts = groups(chunks(len(x), 50), 3)

    def farthest(centres, count):
        found = [
            one
            for part in parts
            for one in lloyd.farthest(x, part, centres=centres, count=count)
        ]
        return sorted(found, key=lambda one: -one[0])[:count]  # fmt: skip

    def assessed(centres):
        return [one for part in parts for one in lloyd.assess(x, part, centres=centres)]

    ours = lloyd.search(x, begin.astype(float), 10, assessed, farthest)
    theirs = KMeans(4, init=begin, n_init=1, max_iter=10, tol=0.0).fit(x)
    assert ours.inertia == pytest.approx(theirs.inertia_, rel=1e-4)
    assert np.allclose(ours.centres, theirs.cluster_centers_, atol=1e-3)
    # A row that was taken away from a sum and one that was never in it differ by a rounding.
    assert abs(ours.iterations - theirs.n_iter_) <= 1


def test_rows_go_to_the_first_of_equally_near_centres():
    x = np.zeros((5, 2), dtype=np.float32)
    part = lloyd.assess_rows(x, np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]))
    assert part.counts.tolist() == [5, 0, 0]


def test_groups_are_of_nearly_equal_size():
    parts = chunks(10_500, 1000)
    assert parts[-1] == (10_000, 10_500)
    found = groups(parts, 4)
    assert [len(group) for group in found] == [2, 3, 3, 3]
    assert [part for group in found for part in group] == parts
    assert groups(parts, 100) == [[part] for part in parts]


@pytest.mark.slow
def test_a_plain_run_is_the_reference(tmp_path):
    spec = workload_spec("kmeans", tmp_path / "home", {**TINY, "clusters": [3, 5]})
    assert driver.main([str(write_run(tmp_path, spec))]) == 0
    told = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    found = {one["trial_id"]: one for one in told if one["kind"] == "trial"}
    plain = kmeans.plain(spec.parameters, spec.seed)
    for trial, reference in zip(spec.trials, plain, strict=True):
        assert tuple(found[trial.trial_id]["scores"]) == pytest.approx(reference.scores)
        assert found[trial.trial_id]["extra"]["iterations"] == reference.extra["iterations"]
    assert told[-1]["summary"]["data"] == spec.parameters["data_version"]
    assert told[-1]["summary"]["best_parameters"] == '{"clusters":5}'


@pytest.mark.parametrize("name", kmeans.PRESETS)
def test_complete_parameters_stay_as_they_are(name):
    complete = kmeans.validate({"preset": name})
    assert kmeans.validate(complete) == complete
    assert complete["data_version"] == kmeans.data_version(complete)
    assert len(kmeans.combinations(complete)) == len(complete["clusters"])


def test_the_baseline_knows_no_chunks():
    one, other = (kmeans.validate({**TINY, "chunk_rows": rows}) for rows in (300, 400))
    assert kmeans.plain_parameters(one) == kmeans.plain_parameters(other)


REFUSED = {
    "clusters": [[], [1], [3, 3], [2.0], 5, ["3"], [4000]],
    "points": [3, 0, -1, 10**9, "many"],
    "features": [0, 5000, 2.5],
    "centres": [0, None],
    "noise": [1, -0.1, "a"],
    "iterations": [0, True],
    "chunk_rows": [10],
    "seed": [-1, 1 << 40],
    "dataset": ["mnist", "covtype-like", 3],
    "speed": [1],
    "data_version": ["blobs-1"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in REFUSED for value in REFUSED[name]]
)
def test_a_wrong_parameter_is_named_with_what_to_type(name, value):
    with pytest.raises(InvalidDocument) as refused:
        kmeans.validate({**TINY, name: value})
    wrong = "points" if (name, value) == ("clusters", [4000]) else name
    assert any(problem.startswith(f"{wrong}:") for problem in refused.value.problems)
    assert refused.value.next_step


def test_every_problem_is_told_at_once():
    with pytest.raises(InvalidDocument) as refused:
        kmeans.validate({"noise": 2, "clusters": [], "seed": -1, "preset": "huge"})
    assert len(refused.value.problems) == 4


@pytest.mark.parametrize(("rows", "tasks"), [(2_000_000, 3), (200_000_000, 9)])
def test_a_slot_has_one_task_in_a_short_iteration_and_several_in_a_long_one(rows, tasks):
    assert lloyd.tasks_for((rows, 54), 7, slots=3) == tasks
