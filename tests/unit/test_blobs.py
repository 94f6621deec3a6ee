"""Generated blobs: the same bytes everywhere, named for what they are."""

import hashlib

import numpy as np
import pytest

from workloads.data import blobs, datasets
from workloads.data.blobs import Blobs

RECIPE = Blobs(columns=6, centres=3, noise=0.1, seed=2)
DIGEST = "f75e0bc3bf64f928b138ed16502bd258918613704cedc76b7c0a9f4a4a735a64"


def made(recipe, rows):
    parts = list(blobs.blocks(recipe, rows))
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def test_the_generator_makes_the_same_bytes_everywhere():
    """The digest is that of the first release: a changed generator needs another name."""
    x, y = made(RECIPE, 5000)
    assert (x.dtype, y.dtype, x.shape) == (np.float32, np.int64, (5000, 6))
    assert hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest() == DIGEST


def test_fewer_rows_are_a_prefix(monkeypatch):
    x, _ = made(RECIPE, 3000)
    monkeypatch.setattr(blobs, "BLOCK_ROWS", 700)
    fewer, _ = made(RECIPE, 2000)
    assert np.array_equal(fewer, x[:2000])


def test_rows_lie_around_their_centres_and_noise_anywhere():
    x, y = made(RECIPE, 20_000)
    assert np.mean(y == -1) == pytest.approx(0.1, abs=0.01)
    for label in range(3):
        own = x[y == label]
        assert len(own) > 5000
        assert np.allclose(own.std(axis=0), 0.577, atol=0.02)
        assert np.all(np.abs(own.mean(axis=0)) < 1.05)
    stray = x[y == -1]
    assert np.allclose(stray.mean(axis=0), 0, atol=0.25)
    assert np.abs(stray).max() > 3.9


def test_a_seed_is_other_data_and_so_is_a_share_of_noise():
    known = {
        datasets.describe(recipe.name, 1000).version
        for recipe in (RECIPE, Blobs(6, 3, 0.1, 3), Blobs(6, 3, 0.2, 2), Blobs(7, 3, 0.1, 2))
    }
    assert len(known) == 4
    assert all(name.startswith("blobs-") and "-n1000-" in name for name in known)


@pytest.mark.parametrize("recipe", [RECIPE, Blobs(54, 10), Blobs(1, 1, 0.000001, 999_999_999)])
def test_a_name_says_all_of_a_recipe(recipe):
    assert blobs.parse(recipe.name) == recipe


@pytest.mark.parametrize(
    "name", ["blobs", "blobs:", "blobs:0x3", "blobs:3x0", "blobs:3x2,noise=1.5", "blobs:3x2;"]
)
def test_what_is_no_recipe(name):
    assert blobs.parse(name) is None
    assert not datasets.is_name(name)


def test_a_node_has_all_rows_and_not_only_those_that_the_version_is_a_hash_of(tmp_path):
    data = datasets.describe("blobs:3x2", 70_000)
    facts = datasets.prepare(str(tmp_path), data)
    x, y = datasets.load(str(tmp_path), data)
    expected_x, expected_y = made(Blobs(3, 2), 70_000)
    assert np.array_equal(x, expected_x)
    assert np.array_equal(y, expected_y)
    assert (facts["rows"], facts["columns"]) == (70_000, 3)
