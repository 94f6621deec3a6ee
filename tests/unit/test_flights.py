"""Questions to flights: every form answers as pandas does, and pandas as plain Python."""

import datetime
import json
import shlex
import subprocess
import sys

import pytest

from contracts.errors import InvalidDocument
from tests.doubles import flight_files
from tests.doubles.run_specs import workload_spec, write_run
from workloads import flights
from workloads.driver import run as driver
from workloads.flights import baseline, copies, frames, on_dask, on_ray
from workloads.flights.parameters import FORMATS, FORMS, source
from workloads.flights.queries import QUERIES, figures, merged
from workloads.programs import Connected
from workloads.sweeps.grid import with_settings

PEERS = ["polars", "duckdb"]
SMALL = {"queries": ["flown", "delay-by-origin"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return flight_files.write(tmp_path_factory.mktemp("flights") / "two years")


@pytest.fixture(scope="module")
def home(folder, tmp_path_factory):
    """A home with copies of the small files, in both formats."""
    made = tmp_path_factory.mktemp("home")
    for file_format in FORMATS:
        parameters = flights.validate({"dataset": f"folder:{folder}", "format": file_format})
        flights.prepare(str(made), parameters)
    return made


def settings(folder, **given):
    return flights.settings(flights.validate({"dataset": f"folder:{folder}", **given}))


def asked(module, home, folder, query, **given):
    here = Connected("plain", None, ("here",), 1, str(home))
    (found,) = module.answer(here, **settings(folder, **given), query=query)
    return found


def by_hand(query):
    """Return the answer to a question from the rows themselves, in plain Python."""
    groups = {}
    for row in [one for year in flight_files.YEARS for one in flight_files.rows(year)]:
        date = datetime.date(row["Year"], row["Month"], row["DayofMonth"])
        draw = (row["FlightNum"] * 31 + row["Month"] * 7 + row["DayofMonth"] * 17) % 10
        made = {**row, "Weekday": date.weekday(), "Draw": draw}
        made["Cancelled"] = bool(row["Cancelled"])
        tests = {"==": lambda a, b: a == b, ">": lambda a, b: a != "NA" and a > b}
        if all(tests[sign](made[name], value) for name, sign, value in query.where):
            value = made[query.of] if query.of else "NA"
            said = (1, 0, 0.0) if value == "NA" else (1, 1, float(value))
            group = "" if query.by is None else str(made[query.by])
            groups = merged([groups, {group: said}])
    return figures(query, groups)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("query", QUERIES)
def test_pandas_answers_what_the_rows_say(query, file_format, home, folder):
    expected = by_hand(QUERIES[query])
    assert len(expected) > 1 or query in ("flights", "flown")
    for columns in ("needed", "all"):
        options = {"format": file_format, "columns": columns}
        found = asked(baseline, home, folder, query, **options)
        assert found["scores"] == pytest.approx(expected, rel=flights.TOLERANCE)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("form", PEERS)
@pytest.mark.parametrize("query", QUERIES)
def test_polars_and_duckdb_answer_as_pandas_does(query, form, file_format, home, folder):
    for columns in ("needed", "all"):
        options = {"format": file_format, "columns": columns}
        reference = asked(baseline, home, folder, query, **options)
        found = asked(baseline, home, folder, query, form=form, **options)
        assert found["scores"] == pytest.approx(reference["scores"], rel=flights.TOLERANCE)
        assert found["extra"] == reference["extra"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_dask_answers_as_pandas_does(form, file_format, home, folder):
    for query in QUERIES:
        reference = asked(baseline, home, folder, query, format=file_format)
        options = {"scheduler": "threads", "threads": 2, "format": file_format}
        found = asked(on_dask, home, folder, query, form=form, chunk_mb=1, **options)
        assert found["scores"] == pytest.approx(reference["scores"], rel=flights.TOLERANCE)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["dataframe", "bag", "array"])
def test_a_held_table_gives_the_same_answer(form, home, folder):
    options = {"scheduler": "threads", "form": form, "columns": "all", "hold": True}
    found = asked(on_dask, home, folder, "delay-by-origin", **options)
    assert found["scores"] == asked(baseline, home, folder, "delay-by-origin")["scores"]


def test_columns_have_the_types_of_the_archive_and_know_what_is_missing(home, folder):
    names = ["Year", "TailNum", "DepDelay", "Distance", "Cancelled"]
    expected = {"Year": "int32", "TailNum": "str", "DepDelay": "float64",
                "Distance": "float64", "Cancelled": "bool"}  # fmt: skip
    for file_format in FORMATS:
        files = copies.file_names(
            str(home), source(flights.validate({"dataset": f"folder:{folder}"})), file_format
        )
        frame = frames.read(files, file_format, names)
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == expected
        missing = frame.isna().sum().to_dict()
        assert (missing["Year"], missing["Cancelled"]) == (0, 0)
        assert missing["TailNum"] == flight_files.ROWS_A_FILE
        assert missing["Distance"] == 2 * 8


@pytest.mark.parametrize(
    ("given", "words"), [({"form": "bag"}, "form=bag"), ({"scheduler": "threads"}, "=threads")]
)
def test_what_is_dask_s_alone_is_a_reason_on_ray(given, words, home, folder):
    found = asked(on_ray, home, folder, "flown", **given)
    assert words in found["reason"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["dataframe", "polars", "duckdb"])
def test_a_plain_run_from_end_to_end(form, folder, tmp_path):
    given = {**SMALL, "dataset": f"folder:{folder}", "form": form, "format": "parquet"}
    spec = workload_spec("flights", tmp_path / "home", given)
    assert driver.main([str(write_run(tmp_path, spec))]) == 0
    told = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    found = {one["trial_id"]: one for one in told if one["kind"] == "trial"}
    plain = flights.plain(spec.parameters, spec.seed)
    for trial, reference in zip(spec.trials, plain, strict=True):
        scores = tuple(found[trial.trial_id]["scores"])
        assert scores == pytest.approx(reference.scores, rel=flights.TOLERANCE)
    assert told[-1]["summary"]["data"] == spec.parameters["data_version"]


def test_the_operator_loads_no_library_of_dataframes(folder):
    code = (
        "import sys\nfrom workloads import flights\n"
        f"flights.validate({{'dataset': {f'folder:{folder}'!r}}})\n"
        "sys.exit(bool({'pandas', 'pyarrow', 'polars', 'duckdb', 'dask'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@pytest.mark.parametrize("name", flights.PRESETS)
def test_complete_parameters_stay_as_they_are(name):
    complete = flights.validate({"preset": name})
    assert flights.validate(complete) == complete
    assert complete["data_version"].startswith(f"nycflights13-x{complete['repeat']}-")
    assert len(flights.combinations(complete)) == len(complete["queries"])


def test_the_baseline_reads_the_same_and_knows_nothing_of_engines():
    usual = flights.validate({})
    engines = {"chunk_mb": 8, "scheduler": "processes", "threads": 3, "hold": True}
    for changed in ({"form": "bag"}, {"form": "array"}, engines):
        assert flights.plain_parameters(flights.validate(changed)) == usual
    for kept in ({"form": "polars"}, {"format": "parquet"}, {"columns": "all"}):
        assert flights.plain_parameters(flights.validate(kept)) == flights.validate(kept)


REFUSED = {
    "dataset": ["mnist", "folder:", "folder:here", "bucket:", 3, "covtype"],
    "repeat": [0, 10**6, "many", None],
    "files": [0, 2],
    "queries": [[], ["none"], ["flown", "flown"], "flown", [3]],
    "format": ["npy", 3],
    "form": ["pandas", None],
    "columns": ["some"],
    "chunk_mb": [0, 2.5, "big"],
    "scheduler": ["sync"],
    "processes": [0, 1000],
    "threads": [0, True],
    "hold": [1, "yes"],
    "seed": [-1],
    "preset": ["huge"],
    "data_version": ["nycflights13-x1-0"],
    "speed": [1],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in REFUSED for value in REFUSED[name]]
)
def test_a_wrong_parameter_is_named_with_what_to_type(name, value):
    with pytest.raises(InvalidDocument) as refused:
        flights.validate({name: value})
    assert [problem.split(":")[0] for problem in refused.value.problems] == [name]
    assert refused.value.next_step


def test_what_to_type_for_questions_is_understood_by_a_shell():
    with pytest.raises(InvalidDocument) as refused:
        flights.validate({"queries": "flown"})
    option, setting = shlex.split(refused.value.next_step)
    assert option == "--set"
    assert flights.validate(with_settings({}, [setting]))["queries"] == ["delay-by-origin"]


def test_every_problem_is_told_at_once(folder):
    with pytest.raises(InvalidDocument) as refused:
        flights.validate(
            {"dataset": f"folder:{folder}", "repeat": 2, "files": 2, "form": "sql", "hold": 1}
        )
    named = {problem.split(":")[0] for problem in refused.value.problems}
    assert named == {"repeat", "files", "form", "hold"}
