"""Data by name: the same bytes everywhere, whole or absent, and never another in its place."""

import hashlib
import json
import threading

import numpy as np
import pytest

from contracts.errors import TandemError, UsageError
from workloads.data import datasets, synthetic_covtype
from workloads.data.datasets import Data


@pytest.mark.parametrize("name", sorted(datasets.BUNDLED))
def test_a_bundled_set_is_whole_and_lossless(name, tmp_path):
    data = datasets.describe(name, None)
    facts = datasets.prepare(str(tmp_path), data)
    x, y = datasets.load(str(tmp_path), data)
    raw_x, raw_y = datasets.raw(name, data.rows)
    assert np.array_equal(x, raw_x)
    assert np.array_equal(y, raw_y)
    assert facts["rows"] == datasets.BUNDLED[name] == len(x)


def test_data_is_mapped_and_not_read(tmp_path):
    data = datasets.describe("digits", None)
    x, _ = datasets.load(str(tmp_path), data)
    assert not x.flags.owndata
    assert not x.flags.writeable


def test_a_version_names_what_the_data_is():
    assert datasets.describe("digits", None) == datasets.describe("digits", 1797)
    assert datasets.describe("digits", 500).version.startswith("digits-n500-")
    assert datasets.describe("breast_cancer", None).version.startswith("breast-cancer-")
    assert datasets.describe("synthetic-covtype-v1", None).version.startswith(
        "synthetic-covtype-v1-n20000-"
    )
    versions = {datasets.describe("digits", rows).version for rows in (100, 101, None)}
    assert len(versions) == 3


def test_the_generator_makes_the_same_bytes_everywhere():
    """The digest is that of the first release: a changed generator needs another name."""
    (x, y), *rest = synthetic_covtype.blocks(5000)
    assert rest == []
    assert (x.dtype, y.dtype, x.shape) == (np.float32, np.int64, (5000, 54))
    digest = hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()
    assert digest == "cbee37d199a9b2e335b0275b8b6572a104c1ea27341296e706546ccfb5ab2714"


def test_generated_data_has_the_shape_of_cover_type():
    x, y = next(synthetic_covtype.blocks(50_000))
    assert np.array_equal(x[:, 10:14].sum(axis=1), np.ones(50_000))
    assert np.array_equal(x[:, 14:].sum(axis=1), np.ones(50_000))
    assert np.array_equal(x, x.astype(np.int64))
    share = np.bincount(y)[1:] / 50_000
    real = np.array(synthetic_covtype.CLASS_COUNTS) / sum(synthetic_covtype.CLASS_COUNTS)
    assert np.allclose(share, real, atol=0.01)


def test_fewer_rows_are_a_prefix_across_blocks(monkeypatch):
    whole = np.concatenate([x for x, _ in synthetic_covtype.blocks(3000)])
    monkeypatch.setattr(synthetic_covtype, "BLOCK_ROWS", 700)
    parts = [x for x, _ in synthetic_covtype.blocks(2000)]
    assert len(parts) == 3
    assert np.array_equal(np.concatenate(parts), whole[:2000])


def test_a_second_preparation_finds_the_copy(tmp_path, monkeypatch):
    data = datasets.describe("iris", None)
    first = datasets.prepare(str(tmp_path), data)
    monkeypatch.setattr(datasets, "_write_arrays", None)
    assert datasets.prepare(str(tmp_path), data) == first


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_copy_is_made_again(tmp_path, damage):
    data = datasets.describe("iris", None)
    facts = datasets.prepare(str(tmp_path), data)
    file = tmp_path / "data" / data.version / "X.npy"
    content = bytearray(file.read_bytes())
    content[200] ^= 1
    if damage == "remove":
        file.unlink()
    else:
        file.write_bytes(content if damage == "flip" else content[:300])
    assert datasets.prepare(str(tmp_path), data) == facts
    x, _ = datasets.load(str(tmp_path), data)
    assert np.array_equal(x, datasets.raw("iris", 150)[0])


def test_a_copy_without_its_manifest_counts_for_nothing(tmp_path):
    data = datasets.describe("iris", None)
    folder = tmp_path / "data" / data.version
    folder.mkdir(parents=True)
    (folder / "X.npy").write_bytes(b"half")
    x, _ = datasets.load(str(tmp_path), data)
    assert len(x) == 150


def test_a_node_that_makes_other_data_says_so_and_keeps_nothing(tmp_path):
    data = Data("iris", 150, "iris-0123456789ab")
    with pytest.raises(TandemError, match="other data than iris-0123456789ab"):
        datasets.prepare(str(tmp_path), data)
    assert not (tmp_path / "data" / data.version).exists()
    assert list((tmp_path / "data").glob("[!.]*")) == []


def test_slots_that_prepare_at_once_share_one_copy(tmp_path):
    data = datasets.describe("wine", None)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(datasets.prepare(str(tmp_path), data)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({json.dumps(facts, sort_keys=True) for facts in found}) == 1
    assert [one.name for one in (tmp_path / "data").glob("[!.]*")] == [data.version]


def test_a_failed_download_names_the_way_out(monkeypatch, tmp_path):
    def unreachable(**options):
        raise OSError("Name or service not known")

    monkeypatch.setattr("sklearn.datasets.fetch_covtype", unreachable)
    data = datasets.describe("covtype", None)
    with pytest.raises(TandemError, match="synthetic-covtype-v1"):
        datasets.prepare(str(tmp_path), data)
    assert datasets.settle_name("covtype-like") == "synthetic-covtype-v1"
    assert datasets.settle_name("covtype") == "covtype"


def test_cover_type_is_used_where_it_can_be_had(monkeypatch, tmp_path):
    rows = np.arange(60.0).reshape(20, 3)
    monkeypatch.setattr(
        "sklearn.datasets.fetch_covtype", lambda **options: (rows, np.arange(20) % 3)
    )
    assert datasets.settle_name("covtype-like") == "covtype"
    data = Data("covtype", 10, "covtype-n10-test")
    facts = datasets.prepare(str(tmp_path), data)
    assert (facts["rows"], facts["columns"], facts["classes"]) == (10, 3, 3)


def test_an_unknown_set_is_refused_by_name():
    with pytest.raises(UsageError, match=r"no data set 'mnist'; there is: digits"):
        datasets.describe("mnist", 10)
