"""Boosted trees by shared bins and one model for all rounds: the errors of single fits."""

import numpy as np
import pytest

from contracts.errors import InvalidDocument, TandemError
from workloads import xgboost as workload
from workloads.xgboost import boosting, doors, files, samples
from workloads.xgboost.parameters import data, how_to_read
from workloads.xgboost.reading import read
from workloads.xgboost.study import SPACE

TINY = {"preset": "tiny"}
CHOSEN = {
    "eta": 0.3, "max_depth": 4, "min_child_weight": 1.5, "subsample": 0.6,
    "colsample_bytree": 0.7, "lambda": 1.0,
}  # fmt: skip
FITTING = {"rounds": [3, 8, 20], "max_bin": 64, "threads": 1, "seed": 7}


def test_one_model_has_the_errors_of_a_model_for_each_number_of_rounds():
    """With drawn rows and columns, too: a round's draws do not depend on later rounds."""
    rows = samples.made(samples.Samples(1500, 6, 1.0, 0))
    shared = boosting.shared_errors(boosting.bins(rows, 64, 1), rows, FITTING, CHOSEN)
    assert shared == boosting.single_errors(rows, FITTING, CHOSEN)
    assert len(set(shared)) == 3


def test_held_out_rows_are_not_fitted_to():
    rows = samples.made(samples.Samples(1000, 5, 0.5, 0))
    spoiled = rows.copy()
    spoiled[800:, -1] = 1e6
    own, other = (boosting.bins(one, 64, 1) for one in (rows, spoiled))
    assert np.array_equal(own.get_label(), other.get_label())
    assert own.num_row() == samples.training_rows(1000) == 800


def test_fewer_rows_are_a_prefix_and_a_seed_changes_all():
    many = samples.made(samples.Samples(40_000, 5, 1.0, 3))
    few = samples.made(samples.Samples(100, 5, 1.0, 3))
    assert np.array_equal(many[:100], few)
    assert not np.array_equal(samples.made(samples.Samples(100, 5, 1.0, 4)), few)
    assert abs(float(many[:, -1].mean()) - 14.4) < 0.2  # Friedman's function, on average


READINGS = {
    "numpy": {"format": "numpy"},
    "dask array, threads": {"format": "dask-array", "workers": 2},
    "dask array, chunks that divide nothing": {"format": "dask-array", "chunk_rows": 333},
    "csv, in this thread": {"format": "csv", "scheduler": "synchronous"},
    "csv, threads": {"format": "csv", "chunk_rows": 1999, "workers": 2},
    "parquet": {"format": "parquet"},
    "dask dataframe": {"format": "dask-dataframe", "chunk_rows": 700},
}


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, used by Dask
@pytest.mark.parametrize("case", READINGS)
def test_every_format_has_the_same_rows_in_the_same_order(case, tmp_path):
    parameters = workload.validate({**TINY, **READINGS[case]})
    facts = workload.prepare(str(tmp_path), parameters)
    rows, seconds = read(str(tmp_path), data(parameters), how_to_read(parameters))
    assert np.array_equal(rows, samples.made(samples.of(data(parameters))))
    assert seconds > 0
    assert workload.prepare(str(tmp_path), parameters) == facts


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "how", [{"scheduler": "processes"}, {"scheduler": "distributed", "clusters": 2}]
)
def test_processes_and_clusters_read_the_same_rows(how, tmp_path):
    parameters = workload.validate({**TINY, "format": "csv", "workers": 1, **how})
    workload.prepare(str(tmp_path), parameters)
    rows, _ = read(str(tmp_path), data(parameters), how_to_read(parameters))
    assert np.array_equal(rows, samples.made(samples.of(data(parameters))))


DAMAGES = {
    "csv": {
        "an empty file": lambda path: path.write_text(""),
        "a missing column": lambda path: path.write_text('"x0","y"\n0.5,1\n'),
        "a wrong type": lambda path: path.write_text(
            path.read_text().replace("\n", "\nmany,", 1).replace("many,0", "many", 1)
        ),
        "missing rows": lambda path: path.write_text(
            "\n".join(path.read_text().splitlines()[:-1])
        ),
        "no file": lambda path: [one.unlink() for one in path.parent.glob("*.csv")],
    },
    "parquet": {"cut off": lambda path: path.write_bytes(path.read_bytes()[:100])},
    "numpy": {"cut off": lambda path: path.write_bytes(path.read_bytes()[:5000])},
}


@pytest.mark.parametrize(
    ("form", "what"), [(form, what) for form in DAMAGES for what in DAMAGES[form]]
)
def test_damaged_files_are_one_error_that_names_the_folder(form, what, tmp_path):
    parameters = workload.validate({**TINY, "format": form})
    workload.prepare(str(tmp_path), parameters)
    folder = files.folder_of(str(tmp_path), data(parameters), how_to_read(parameters))
    DAMAGES[form][what](sorted(folder.glob(f"*.{files.KINDS[form]}"))[0])
    with pytest.raises(TandemError, match="cannot be read") as refused:
        read(str(tmp_path), data(parameters), how_to_read(parameters))
    assert str(folder) in str(refused.value)
    assert "remove" in refused.value.next_step


def test_other_data_than_the_operators_is_refused_on_a_node(tmp_path):
    parameters = workload.validate(TINY)
    with pytest.raises(TandemError, match="makes other data than"):
        workload.prepare(str(tmp_path), {**parameters, "data_version": "friedman-n1x5-0"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", workload.PRESETS)
def test_complete_parameters_stay_as_they_are(name):
    complete = workload.validate({"preset": name})
    assert workload.validate(complete) == complete
    plain = workload.plain_parameters({**complete, "format": "csv", "chunk_rows": 300})
    assert (plain["reuse"], plain["format"]) == (False, "numpy")
    assert len(workload.combinations(complete)) == complete["trials"]


REFUSED = {
    "rows": [10, "all"],
    "features": [4],
    "noise": [-1, 1000],
    "trials": [0, 5000],
    "parallel": [0],
    "sampler": ["grid"],
    "constant_liar": [1],
    "rounds": [[], [0], 5],
    "threads": [0],
    "form": ["trees"],
    "format": ["excel"],
    "scheduler": ["cluster"],
    "workers": [0],
    "clusters": [2, 0],
    "chunk_rows": [5],
    "data_version": ["friedman-n2000x6-0"],
    "booster": ["dart"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in REFUSED for value in REFUSED[name]]
)
def test_a_wrong_parameter_is_named_with_what_to_type(name, value):
    with pytest.raises(InvalidDocument) as refused:
        workload.validate({**TINY, name: value})
    assert any(problem.startswith(f"{name}:") for problem in refused.value.problems)
    assert refused.value.next_step


def test_every_problem_is_told_at_once_and_forms_do_not_mix():
    with pytest.raises(InvalidDocument) as refused:
        workload.validate({"rows": 1, "rounds": [], "form": "distributed", "format": "csv"})
    fields = {problem.split(":")[0] for problem in refused.value.problems}
    assert fields == {"rows", "rounds", "format"}


def test_every_choice_of_a_study_is_a_parameter_of_xgboost():
    assert set(CHOSEN) == set(SPACE)


def test_nodes_that_cannot_reach_each_other_fit_no_model_together():
    with doors.opened("127.0.0.1") as port:
        assert doors.knock("127.0.0.1", port) == ""
    refused = doors.knock("127.0.0.1", port)
    assert "refused" in refused
    doors.check("10.0.0.1", ["", ""])
    with pytest.raises(TandemError, match="not possible here") as told:
        doors.check("10.0.0.1", ["", refused])
    assert (told.value.cause, "form=trials" in told.value.next_step) == (refused, True)
