"""Data that a workload reads from the cluster's bucket, and results that it keeps there."""

import io
import json

import boto3
import numpy as np
import pytest

from contracts import inventory as inventories
from contracts import machine_files
from contracts.errors import InvalidDocument, TandemError, UsageError
from tests.doubles.aws_cluster import make_bucket
from tests.doubles.run_specs import run_spec
from tests.unit.provision_examples import inventory
from workloads import forest
from workloads.data import datasets, shelf
from workloads.driver.kept import keep
from workloads.store import Store, open_store, operators_store

pytestmark = pytest.mark.slow

REGION = "eu-north-1"
X = np.arange(120, dtype=np.float64).reshape(40, 3) / 7
Y = np.arange(40) % 3


@pytest.fixture
def held(aws, tmp_path, monkeypatch):
    """A bucket that an operator's inventory and a node's settings name."""
    name, home, state = make_bucket(REGION), tmp_path / "home", tmp_path / "state"
    (home / ".tandem").mkdir(parents=True)
    settings = {"bucket": name, "region": REGION, "prefix": "lab/20261121T090000Z"}
    (home / ".tandem/store.json").write_text(json.dumps(settings))
    inventories.dump(inventory(bucket=name, region=REGION), state / "inventory.json")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TANDEM_STATE", str(state))
    datasets.describe.cache_clear()
    return Store(**settings)


def test_a_bucket_outside_aws_is_asked_with_the_key_of_its_own(tmp_path, monkeypatch):
    state, home = tmp_path / "state", tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TANDEM_STATE", str(state))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another-account")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    key, brought = machine_files.store(state, "example"), home / ".tandem/credentials/store.ini"
    for path in (key, brought):
        path.parent.mkdir(parents=True)
        path.write_text(
            "[default]\naws_access_key_id = of-the-project\naws_secret_access_key = s\n"
            "endpoint_url = http://127.0.0.1:9\n"
        )
    settings = {"bucket": "b", "region": "us-east-1", "prefix": "p"}
    (home / ".tandem/store.json").write_text(json.dumps(settings))
    known = inventory(bucket="b", bucket_region="us-east-1", region="IU")
    inventories.dump(known, state / "inventory.json")
    assert operators_store().credentials == key
    assert open_store().credentials == brought
    for store in (operators_store(), open_store()):
        asked = store._client().generate_presigned_url(
            "get_object", Params={"Bucket": store.bucket, "Key": "k"}
        )
        assert asked.startswith("http://127.0.0.1:9/b/k?")
        assert "=of-the-project&" in asked
        assert store.region == "us-east-1"


def put(held, name, **arrays):
    for key, array in arrays.items():
        packed = io.BytesIO()
        np.save(packed, array)
        boto3.client("s3").put_object(
            Bucket=held.bucket, Key=f"data/{name}/{key}.npy", Body=packed.getvalue()
        )


def test_a_node_has_the_very_numbers_that_lie_in_the_bucket(held, tmp_path):
    put(held, "mine", X=X, y=Y)
    data = datasets.describe("bucket:mine", None)
    assert (data.rows, data.version.startswith("bucket-mine-")) == (40, True)
    facts = datasets.prepare(str(tmp_path / "node"), data)
    assert (facts["rows"], facts["columns"], facts["classes"]) == (40, 3, 3)
    x, y = datasets.load(str(tmp_path / "node"), data)
    assert np.array_equal(x, X)
    assert np.array_equal(y, Y)
    raw_x, raw_y = datasets.raw("bucket:mine", 40)
    assert np.array_equal(raw_x, X)
    assert np.array_equal(raw_y, Y)


def test_what_the_bucket_has_already_is_not_sent_again(held, tmp_path):
    place = tmp_path / "mine"

    def kept(values):
        def make(folder):
            np.save(folder / "X.npy", values)
            np.save(folder / "y.npy", Y)
            return {"rows": len(values)}

        return shelf.keep(place, make, {})

    kept(X)
    assert shelf.send(place, "mine", held)["changes"]
    first = held.facts("mine/X.npy").mark
    assert shelf.send(place, "mine", held) == {
        "place": f"s3://{held.bucket}/data/mine/", "bytes": 0, "changes": False,
    }  # fmt: skip
    assert shelf.send(place, "mine", held, again=True)["changes"]
    kept(X + 1)
    assert shelf.send(place, "mine", held)["bytes"] > X.nbytes
    assert held.facts("mine/X.npy").mark != first


def test_fewer_rows_and_other_content_are_other_data(held):
    put(held, "mine", X=X, y=Y)
    put(held, "other", X=X + 1, y=Y)
    found = {
        datasets.describe(f"bucket:{name}", rows).version.rpartition("-")[2]
        for name in ("mine", "other")
        for rows in (None, 30)
    }
    assert len(found) == 4


def test_data_that_were_replaced_after_the_plan_are_refused_on_the_node(held, tmp_path):
    put(held, "mine", X=X, y=Y)
    data = datasets.describe("bucket:mine", None)
    put(held, "mine", X=X + 1, y=Y)
    with pytest.raises(TandemError, match="when the run was planned"):
        datasets.prepare(str(tmp_path / "node"), data)
    assert not (tmp_path / "node/data" / data.version).exists()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"X": X[:, 0], "y": Y}, r"X is \(40,\)"),
        ({"X": X, "y": Y[:-1]}, r"X has 40 rows and y is \(39,\)"),
        ({"X": X, "y": Y / 2}, "y is .* of kind 'f'"),
        ({"X": X.astype(object), "y": Y}, "kind 'O'"),
    ],
)
def test_what_is_no_data_to_learn_from_is_refused_before_any_run(held, arrays, words):
    put(held, "mine", **arrays)
    with pytest.raises(UsageError, match=words):
        datasets.describe("bucket:mine", None)


def test_the_forest_takes_data_of_the_bucket_by_name(held):
    put(held, "mine", X=X, y=Y)
    given = {"dataset": "bucket:mine", "folds": 2, "grid": {"n_estimators": [2]}}
    complete = forest.validate(given)
    assert (complete["dataset"], complete["rows"]) == ("bucket:mine", 40)
    assert forest.data_version(complete).startswith("bucket-mine-")
    with pytest.raises(InvalidDocument, match="from 20 to 40 for bucket:mine"):
        forest.validate({**given, "rows": 41})
    with pytest.raises(InvalidDocument, match=r"must be one of digits.* or bucket:NAME"):
        forest.validate({**given, "dataset": "bucket:../x"})
    with pytest.raises(TandemError, match=r"data/absent/X\.npy cannot be used here"):
        forest.validate({**given, "dataset": "bucket:absent"})


def test_a_cluster_without_a_bucket_says_so(held, tmp_path, monkeypatch):
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path / "other"))
    inventories.dump(inventory(), tmp_path / "other/inventory.json")
    with pytest.raises(UsageError, match="names no bucket"):
        datasets.describe("bucket:mine", None)


def test_a_run_keeps_its_results_in_the_bucket_and_never_fails_for_it(held, tmp_path):
    spec, results = run_spec(tmp_path, {"preset": "tiny"}), tmp_path / "results.jsonl"
    results.write_text("{}\n")
    key = keep(spec, results)
    assert key == f"lab/20261121T090000Z/results/forest/{spec.run_id}.jsonl"
    found = boto3.client("s3").get_object(Bucket=held.bucket, Key=key)["Body"].read()
    assert found == b"{}\n"
    settings = tmp_path / "home/.tandem/store.json"
    settings.write_text(json.dumps({"bucket": "gone", "region": REGION, "prefix": "lab"}))
    assert keep(spec, results) is None
    settings.unlink()
    assert keep(spec, results) is None
