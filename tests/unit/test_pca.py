"""PCA from Gram matrices of chunks: scikit-learn's variances and axes, whatever the chunks."""

import json

import numpy as np
import pytest

from contracts.errors import InvalidDocument
from tests.doubles.run_specs import workload_spec, write_run
from workloads import pca
from workloads.data import datasets
from workloads.data.chunks import rows_of
from workloads.data.points import data
from workloads.driver import run as driver
from workloads.pca import gram
from workloads.pca.baseline import fit_rows
from workloads.programs import Connected

TINY = {"preset": "tiny"}
CASES = {
    "blobs": ({**TINY, "components": [8]}, 1000),
    "blobs, one chunk": ({**TINY, "components": [3]}, 1 << 20),
    "digits": ({"preset": "digits", "components": [20]}, 300),
    "real numbers, far from 0": ({"dataset": "wine", "points": None, "components": [2]}, 300),
}


def here(function, parts, named=None, **arguments):
    return [function(part, **arguments) for part in parts]


def chunked(home, parameters, chunk_rows, tasks=3):
    described = data(parameters)
    datasets.prepare(str(home), described)
    connected = Connected("plain", None, ("head",), 1, str(home))
    (components,) = parameters["components"]
    return gram.fit(
        here, connected, tasks=tasks, data=vars(described), components=components,
        chunk_rows=chunk_rows,
    )[0]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_chunks_find_what_scikit_learn_finds(case, tmp_path):
    asked, chunk_rows = CASES[case]
    parameters = pca.validate(asked)
    ours = chunked(tmp_path, parameters, chunk_rows)
    x = rows_of(str(tmp_path), data(parameters))
    theirs = gram.trial(fit_rows(x, parameters["components"][0]))
    assert ours["scores"] == pytest.approx(theirs["scores"], rel=pca.TOLERANCE)
    assert ours["extra"] == pytest.approx(theirs["extra"], rel=pca.TOLERANCE)


def test_axes_are_scikit_learns_apart_from_their_sign():
    x, _ = datasets.raw("digits", 1797)
    parts = [gram.gathered_rows(x[first : first + 500], x[0]) for first in range(0, 1797, 500)]
    ours, theirs = gram.solve(parts, 5), fit_rows(x, 5)
    for one, other in zip(ours.axes, theirs.axes, strict=True):
        assert abs(np.dot(one, other)) == pytest.approx(1, abs=1e-6)


def test_tasks_change_nothing_to_the_last_bit(tmp_path):
    parameters = pca.validate(TINY)
    one, other = (chunked(tmp_path, parameters, 400, tasks) for tasks in (1, 7))
    assert one == other


def test_a_mean_far_from_zero_costs_no_precision():
    generator = np.random.default_rng(0)
    near = generator.normal(0, (3, 2, 1), (5000, 3))
    far = (near + 1e4).astype(np.float32)
    parts = [gram.gathered_rows(far[first : first + 700], far[:10].mean(axis=0))
             for first in range(0, 5000, 700)]  # fmt: skip
    expected = fit_rows(near, 3)
    assert gram.solve(parts, 3).ratios == pytest.approx(expected.ratios, rel=1e-3)


@pytest.mark.slow
def test_a_plain_run_is_the_reference_and_too_many_components_a_reason(tmp_path):
    asked = {"dataset": "iris", "points": None, "components": [2, 9]}
    spec = workload_spec("pca", tmp_path / "home", asked)
    assert driver.main([str(write_run(tmp_path, spec))]) == 0
    told = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    good, bad = (
        next(one for one in told if one.get("trial_id") == trial.trial_id)
        for trial in spec.trials
    )
    (reference,) = pca.plain({**spec.parameters, "components": [2]}, spec.seed)
    assert tuple(good["scores"]) == pytest.approx(reference.scores)
    assert bad["status"] == "failed"
    assert "n_components=9" in bad["reason"]


def test_too_many_components_are_an_error_in_chunks_too(tmp_path):
    parameters = pca.validate({"dataset": "iris", "points": None, "components": [9]})
    with pytest.raises(ValueError, match="9 components were asked for of 4 columns"):
        chunked(tmp_path, parameters, 400)


@pytest.mark.parametrize("name", pca.PRESETS)
def test_complete_parameters_stay_as_they_are(name):
    complete = pca.validate({"preset": name})
    assert pca.validate(complete) == complete
    assert pca.plain_parameters({**complete, "chunk_rows": 300}) == complete


REFUSED = {
    "components": [[], [0], [3, 3], 5, ["3"], [9]],
    "points": [3, 10**9, "many"],
    "chunk_rows": [10],
    "clusters": [[3]],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in REFUSED for value in REFUSED[name]]
)
def test_a_wrong_parameter_is_named_with_what_to_type(name, value):
    with pytest.raises(InvalidDocument) as refused:
        pca.validate({**TINY, name: value})
    assert any(problem.startswith(f"{name}:") for problem in refused.value.problems)
    assert refused.value.next_step
