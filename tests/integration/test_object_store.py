"""Rows of a real S3 server: read by the tasks, measured, and every refusal told by its name."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import UsageError
from tests.doubles.object_store import BUCKET, object_store
from tests.doubles.run_specs import workload_spec
from tests.integration.engines_on_loopback import ROOT, driven, on_loopback
from workloads import kmeans, pca, registry, store, store_errors
from workloads.data import bucket_rows, datasets, points, reading, shelf
from workloads.kmeans import lloyd
from workloads.pca import gram
from workloads.programs import Connected
from workloads.store import open_store, operators_store

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600), pytest.mark.slow]
GENERATOR = np.random.default_rng(7)
X = (GENERATOR.random((3000, 6)) + 3 * GENERATOR.integers(0, 3, (3000, 1))).astype(np.float32)
Y = np.arange(3000) % 3
PCA = {"components": [3], "chunk_rows": 500, "points": None}
KMEANS = {"clusters": [3], "chunk_rows": 500, "points": None}


@pytest.fixture(scope="module")
def place():
    """A folder short enough for Ray's sockets, with a node's home and an operator's state."""
    with tempfile.TemporaryDirectory(
        prefix="t", dir="/tmp", ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def held(place):
    """The server, as a node and an operator of this process find it, with data `mine`."""
    (place / "served").mkdir()
    with object_store(place / "served") as made, pytest.MonkeyPatch.context() as patch:
        made.found_from(place / "home", place / "state")
        patch.setenv("HOME", str(place / "home"))
        patch.setenv("TANDEM_STATE", str(place / "state"))
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("TMPDIR", str(place))
        patch.setattr("tempfile.tempdir", None)
        made.put("mine", X=X, y=Y)
        yield made


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(store, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(store, "ATTEMPTS", 2)


@pytest.fixture
def fresh():
    """Nothing known of the bucket from another test."""
    bucket_rows.source_of.cache_clear()
    datasets.describe.cache_clear()


def fit(name, dataset, spread):
    """Fit as an engine would, with tasks of its own in this process."""
    workload = {"pca": pca, "kmeans": kmeans}[name]
    asked = {"pca": PCA, "kmeans": KMEANS}[name]
    parameters = workload.validate({**asked, "dataset": dataset})
    home = str(Path("~/.tandem").expanduser())
    connected = Connected("plain", None, ("head",), 3, home)
    given = {"data": vars(points.data(parameters)), "chunk_rows": parameters["chunk_rows"]}
    if name == "pca":
        (found,) = gram.fit(spread, connected, tasks=3, components=3, **given)
        return found["scores"], found["extra"]
    found, rows, extra = lloyd.fit(
        spread, connected, clusters=3, iterations=5, seed=parameters["seed"], **given
    )
    return [-found.inertia / rows], extra


def here(function, parts, named=None, **given):
    return [function(part, **given) for part in parts]


@pytest.mark.parametrize("name", ["pca", "kmeans"])
def test_tasks_read_each_row_once_and_find_what_the_plain_library_finds(held, fresh, name):
    workload = {"pca": pca, "kmeans": kmeans}[name]
    scores, extra = fit(name, "bucket:mine", here)
    asked = {"pca": PCA, "kmeans": {**KMEANS, "iterations": 5}}[name]
    (theirs,) = workload.plain(workload.validate({**asked, "dataset": "bucket:mine"}), 0)
    assert scores == pytest.approx(theirs.scores, rel=workload.TOLERANCE)
    # pca looks at its first 4096 rows to move the data near to 0, here all of them.
    assert extra[reading.BYTES] == X.nbytes * (2 if name == "pca" else 1)
    assert extra[reading.SECONDS] > 0


def test_fewer_rows_are_those_of_every_other_form(held, fresh):
    data = datasets.describe("bucket:mine", 700)
    rows, (x, _) = bucket_rows.open_rows(data), datasets.raw("bucket:mine", 700)
    assert rows.shape == (700, 6)
    assert np.array_equal(np.concatenate([rows[:300], rows[300:700]]), x)
    assert np.array_equal(rows[650], x[650])


@pytest.mark.parametrize(
    ("kind", "real"),
    [(np.uint8, np.float32), (np.int64, np.float64), (np.float64, np.float64)],
)
def test_numbers_of_any_type_are_computed_on_as_real_ones(held, fresh, kind, real):
    held.put("typed", X=(10 * X).astype(kind), y=Y)
    rows = bucket_rows.open_rows(datasets.describe("bucket:typed", None))
    assert rows[5:9].dtype == real
    assert np.array_equal(rows[5:9], (10 * X).astype(kind)[5:9])


def test_an_array_by_columns_is_refused_with_a_way_out(held, fresh):
    held.put("columns", X=np.asfortranarray(X), y=Y)
    data = datasets.describe("bucket:columns", None)
    with pytest.raises(UsageError, match="column by column"):
        bucket_rows.open_rows(data)


def refusals(held, monkeypatch, data, kind):
    """Return what makes the bucket refuse in this way from now on."""
    home = Path("~").expanduser() / ".tandem"
    if kind == "missing":
        return lambda: held.remove(data)
    if kind == "replaced":
        return lambda: held.put(data, X=X + 1)

    def other_key():
        (home / "credentials/store.ini").write_text(held.key("another-secret"))
        bucket_rows.source_of.cache_clear()

    return other_key


@pytest.mark.parametrize("name", ["pca", "kmeans"])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "Missing: s3://"),
        ("replaced", "Replaced: s3://"),
        ("denied", "Denied: s3://"),
    ],
)
def test_a_refusal_while_tasks_read_is_their_reason_by_its_name(
    held, fresh, impatient, monkeypatch, place, name, kind, words
):
    data = f"{kind}-{name}"
    held.put(data, X=X, y=Y)
    refuse = refusals(held, monkeypatch, data, kind)

    def spread(function, parts, **given):
        refuse()
        return here(function, parts, **given)

    try:
        with pytest.raises(reading.NotRead) as caught:
            fit(name, f"bucket:{data}", spread)
    finally:
        held.found_from(place / "home", place / "state")
    assert str(caught.value).startswith(words)
    assert f"{BUCKET}/data/{data}/X.npy" in str(caught.value)
    assert "Next: " in str(caught.value)


def test_a_server_that_falls_silent_ends_the_task_at_its_deadline(held, fresh, impatient):
    def spread(function, parts, **given):
        with held.silent():
            return here(function, parts, **given)

    with pytest.raises(reading.NotRead, match=r"Waited \d+ s on the server of s3://"):
        fit("pca", "bucket:mine", spread)


def test_a_server_that_is_gone_is_told_so(held, fresh, impatient, place):
    client = open_store()
    own = place / "gone.ini"
    own.write_text(held.key().replace(str(held.port), "9"))
    gone = store.Store(client.bucket, client.region, client.prefix, own)
    with pytest.raises(store_errors.StoreUnreachable, match="Unreachable"):
        gone.read("mine/X.npy")


def test_kept_data_of_the_operator_go_into_the_bucket_and_are_read_from_there(
    held, fresh, place
):
    def make(folder):
        np.save(folder / "X.npy", X)
        np.save(folder / "y.npy", Y)
        return {"rows": len(X)}

    where = shelf.folder(place / "state", "brought")
    shelf.keep(where, make, {"from": "here"})
    sent = shelf.send(where, "brought", operators_store())
    assert sent["place"] == f"s3://{BUCKET}/data/brought/"
    assert sorted(operators_store().keys("brought/")) == [
        "brought/X.npy",
        "brought/manifest.json",
        "brought/y.npy",
    ]
    rows = bucket_rows.open_rows(datasets.describe("bucket:brought", None))
    assert np.array_equal(rows[:], X)


@pytest.fixture(scope="module", params=["dask", "ray"])
def engine(request, held, place):
    with on_loopback(request.param, place) as made:
        yield made


@pytest.mark.parametrize("name", ["pca", "kmeans"])
def test_engines_read_from_the_bucket_and_have_it_in_the_row(
    engine, held, fresh, place, tmp_path, name
):
    asked = {"pca": PCA, "kmeans": KMEANS}[name]
    parameters = {**asked, "dataset": "bucket:mine"}
    spec = workload_spec(name, place / "home/.tandem", parameters, **engine.place())
    (found,), _ = driven(tmp_path, spec)
    workload = registry.find(name)
    (theirs,) = workload.plain(spec.parameters, spec.seed)
    assert found.scores == pytest.approx(theirs.scores, rel=workload.TOLERANCE)
    assert found.extra[reading.BYTES] >= X.nbytes
    assert found.extra[reading.SECONDS] > 0
    copies = list((place / "home/.tandem/data").glob("bucket-*"))
    assert copies == []  # nobody copied the data to a node beforehand


def test_an_object_that_went_missing_is_the_rows_reason_and_the_workers_live_on(
    engine, held, fresh, place, tmp_path
):
    held.put("leaving", X=X, y=Y)
    parameters = {**PCA, "dataset": "bucket:leaving"}
    spec = workload_spec("pca", place / "home/.tandem", parameters, **engine.place())
    held.remove("leaving")
    (found,), _ = driven(tmp_path / "one", spec)
    assert (found.status, found.attempts) == ("failed", 1)
    assert found.reason.startswith("Missing: s3://")
    parameters = {**PCA, "dataset": "bucket:mine"}
    spec = workload_spec("pca", place / "home/.tandem", parameters, **engine.place())
    (other,), _ = driven(tmp_path / "other", spec)
    assert other.status == "ok"


@pytest.mark.long
def test_a_silent_server_costs_the_row_and_no_worker(engine, held, fresh, place, tmp_path):
    parameters = {**PCA, "dataset": "bucket:mine", "chunk_rows": 600}
    spec = workload_spec("pca", place / "home/.tandem", parameters, **engine.place())
    with held.silent():
        (found,), _ = driven(tmp_path / "one", spec)
    assert found.status == "failed"
    assert "the server of s3://" in found.reason
    (other,), _ = driven(tmp_path / "other", spec)
    assert other.status == "ok"
