"""Programs on a real Ray and a real Dask of two nodes: what they find and what they survive."""

import json
import tempfile
import time
from pathlib import Path

import pytest

from tests.doubles import flight_files
from tests.doubles.drill import drill_spec
from tests.doubles.run_specs import run_spec, workload_spec, write_run
from tests.integration.engines_on_loopback import (
    ADDRESSES,
    ROOT,
    drive,
    driven,
    on_loopback,
)
from workloads import profiles, registry
from workloads.profiles.graph import checked

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600), pytest.mark.slow]
KMEANS = {"preset": "tiny", "clusters": [4, 6], "chunk_rows": 500}
PCA = {"preset": "tiny", "components": [2, 8], "chunk_rows": 500}
KNN = {"preset": "tiny"}
SVC = {"preset": "tiny"}
XGBOOST = {"preset": "tiny", "format": "csv"}


@pytest.fixture(scope="module", autouse=True)
def surroundings():
    """This project for every process started, and a folder short enough for Ray's sockets."""
    short = tempfile.TemporaryDirectory(prefix="t", dir="/tmp", ignore_cleanup_errors=True)
    with short as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("TMPDIR", folder)
        patch.setattr("tempfile.tempdir", None)
        yield Path(folder)


@pytest.fixture(scope="module", params=["dask", "ray"])
def engine(request, surroundings):
    with on_loopback(request.param, surroundings) as made:
        yield made


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


def test_the_cpu_seconds_of_the_workers_are_counted(engine, home, tmp_path):
    function = f"spend_on_{engine.engine}"
    spec = drill_spec(home, [{"function": function, "seconds": 0.5}], **engine.place())
    (result,), seen = driven(tmp_path, spec)
    assert result.scores == (2.0,)
    assert 1.0 <= seen.cpu_seconds < 15.0  # Ray starts its workers for it: seconds, too
    assert result.nodes == ("head", "worker-1")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("kmeans", KMEANS),
        ("pca", PCA),
        ("knn", KNN),
        ("knn", {**KNN, "reuse": False}),
        ("svc", SVC),
        ("svc", {**SVC, "reuse": False}),
        ("xgboost", XGBOOST),
        pytest.param("resnet", {"preset": "tiny"}, marks=pytest.mark.long),
    ],
    ids=[
        "kmeans",
        "pca",
        "knn",
        "knn, on joblib",
        "svc",
        "svc, on joblib",
        "xgboost",
        "resnet",
    ],
)
def test_a_workload_agrees_with_the_library(name, parameters, engine, home, tmp_path):
    workload = registry.find(name)
    spec = workload_spec(name, home, parameters, **engine.place())
    found, seen = driven(tmp_path, spec)
    assert seen.deaths == []
    assert seen.summary["data"] == spec.parameters["data_version"]
    plain = workload.plain(spec.parameters, spec.seed)
    assert [one.parameters for one in found] == [one.parameters for one in plain]
    for ours, theirs in zip(found, plain, strict=True):
        near = pytest.approx(theirs.scores, rel=workload.TOLERANCE, abs=0)
        assert ours.scores == near
        assert {key: ours.extra[key] for key in theirs.extra if key == "iterations"} == {
            key: value for key, value in theirs.extra.items() if key == "iterations"
        }


def test_a_fit_over_the_rows_of_all_nodes_is_as_good_as_one_on_a_node(engine, home, tmp_path):
    parameters = {"preset": "tiny", "form": "distributed", "sampler": "random", "trials": 3}
    spec = workload_spec("xgboost", home, parameters, **engine.place())
    found, seen = driven(tmp_path, spec)
    assert seen.deaths == []
    plain = registry.find("xgboost").plain(spec.parameters, spec.seed)
    for ours, theirs in zip(found, plain, strict=True):
        assert (ours.reason, ours.nodes) == (None, spec.nodes)
        assert ours.extra["eta"] == theirs.extra["eta"]
        assert ours.scores == pytest.approx(theirs.scores, rel=0.05)


@pytest.fixture(scope="module")
def flight_folder(tmp_path_factory):
    return flight_files.write(tmp_path_factory.mktemp("flights") / "years")


def answered(engine, home, folder, tmp_path, **given):
    """Ask flights on an engine and pandas here; return results, the reference, the rest."""
    parameters = {"dataset": f"folder:{folder}", **given}
    spec = workload_spec("flights", home, parameters, **engine.place())
    found, seen = driven(tmp_path, spec)
    return found, registry.find("flights").plain(spec.parameters, spec.seed), seen


@pytest.mark.parametrize(
    "given",
    [{}, {"format": "parquet"}, {"hold": True, "columns": "all", "chunk_mb": 1},
     {"form": "polars"}, {"form": "duckdb", "format": "parquet"}],
    ids=lambda given: ", ".join(f"{key}={value}" for key, value in given.items()) or "usual",
)  # fmt: skip
def test_answers_to_flights_are_those_of_pandas(given, engine, home, flight_folder, tmp_path):
    found, plain, seen = answered(engine, home, flight_folder, tmp_path, **given)
    assert seen.deaths == []
    for ours, theirs in zip(found, plain, strict=True):
        assert (ours.status, ours.reason) == ("ok", None)
        assert ours.scores == pytest.approx(theirs.scores, rel=1e-9, abs=0)
        counts = {key: ours.extra[key] for key in ("spilled_bytes", "memory_kills")}
        assert counts == {"spilled_bytes": 0, "memory_kills": 0}


@pytest.mark.parametrize(
    "given",
    [{"form": "bag"}, {"form": "array"}, {"scheduler": "processes", "processes": 2},
     {"scheduler": "distributed", "processes": 2, "threads": 1}],
    ids=lambda given: ", ".join(f"{key}={value}" for key, value in given.items()),
)  # fmt: skip
def test_what_only_dask_has_agrees_there_and_is_a_reason_on_ray(
    given, engine, home, flight_folder, tmp_path
):
    queries = ["flown-by-origin", "delay-by-weekday"]
    found, plain, _ = answered(engine, home, flight_folder, tmp_path, queries=queries, **given)
    for ours, theirs in zip(found, plain, strict=True):
        if engine.engine == "ray":
            assert "which Ray has not" in ours.reason
        else:
            assert ours.scores == pytest.approx(theirs.scores, rel=1e-9, abs=0)


def test_every_engine_finds_the_same_centres_to_the_last_bit(engine, home, tmp_path):
    from workloads.data.points import data
    from workloads.kmeans import lloyd
    from workloads.programs import Connected

    spec = workload_spec("kmeans", home, KMEANS, **engine.place())
    found, _ = driven(tmp_path, spec)

    def spread(function, parts, named=None, **arguments):
        return [function(part, **arguments) for part in parts]

    here = Connected("plain", None, ("head",), 1, str(home))
    given = {key: spec.parameters[key] for key in ("iterations", "seed", "chunk_rows")}
    described = data(spec.parameters)
    for result in found:
        fit, rows, _ = lloyd.fit(
            spread, here, data=vars(described), **result.parameters, **given
        )
        assert result.scores == (-fit.inertia / rows,)


def test_a_profiled_run_keeps_what_its_engine_shows(engine, home, tmp_path):
    spec = workload_spec("kmeans", home, KMEANS, **engine.place(), profile=True)
    found, seen = driven(tmp_path, spec)
    graph, shown = profile_of(tmp_path, seen, engine)
    looks = sum(int(one.extra["iterations"]) + 1 for one in found)
    (box,) = [box for box in graph["boxes"] if box["name"] == "kmeans-assess"]
    assert looks - 2 <= box["rounds"] <= looks, "a fit that has converged looks once less"
    assert box["tasks"] == 6 * box["rounds"] or box["tasks"] % box["rounds"] == 0
    assert graph["hub"] == "the program"
    assert "kmeans-assess" in shown
    assert all(ip in shown for ip in ADDRESSES.values()), "of both nodes"


def test_a_tree_of_tasks_is_drawn_as_a_tree(engine, home, tmp_path):
    trial = {"function": f"tree_on_{engine.engine}"}
    spec = drill_spec(home, [trial], **engine.place(), profile=True)
    (result,), seen = driven(tmp_path, spec)
    assert result.scores == (120.0,)
    graph, _ = profile_of(tmp_path, seen, engine)
    assert [box["tasks"] for box in graph["boxes"]] == [16, 8, 4, 2, 1]
    assert graph["edges"] == [
        [0, 1, 16], [1, 2, 8], [2, 3, 4], [3, 4, 2], [4, -1, 1]
    ]  # fmt: skip


def test_units_have_names_and_a_profile_too(engine, home, tmp_path):
    grid = {"n_estimators": [2, 3], "max_depth": [2, 3]}
    parameters = {"dataset": "iris", "folds": 2, "reuse": False, "grid": grid}
    spec = run_spec(home, parameters, **engine.place(), profile=True)
    _, seen = driven(tmp_path, spec)
    graph, shown = profile_of(tmp_path, seen, engine)
    assert {box["name"] for box in graph["boxes"]} == {"forest-fit-folds"}
    assert graph["hub"] == "the driver"
    assert "forest-fit-folds" in shown


def profile_of(folder, seen, engine):
    """Return the graph of a run, checked, and its engine's own profile as text."""
    part = {"dask": profiles.DASK_REPORT, "ray": profiles.RAY_TIMELINE}[engine.engine]
    assert seen.profiles == {part: "", profiles.GRAPH: ""}
    made = folder / profiles.FOLDER
    graph = checked(json.loads((made / profiles.GRAPH).read_text()))
    return graph, (made / part).read_text()


def test_a_node_that_dies_costs_an_attempt_and_marks_the_row(engine, home, tmp_path):
    """The last test of an engine: its second node is gone afterwards."""
    spec = drill_spec(tmp_path / "home", [{"kind": "hang once"}], **engine.place())
    write_run(tmp_path, spec)
    begun = tmp_path / "home" / "attempts-0"
    with drive(tmp_path) as process:
        give_up = time.monotonic() + 120
        while not begun.exists():
            assert time.monotonic() < give_up
            time.sleep(0.1)
        engine.end_worker()
        assert process.wait(timeout=240) == 0
    told = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    deaths = [line["node"] for line in told if line["kind"] == "death"]
    assert deaths == ["worker-1", "program"]
    (trial,) = [line for line in told if line["kind"] == "trial"]
    assert (trial["status"], trial["attempts"]) == ("ok", 2)
