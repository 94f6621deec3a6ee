"""The data file on a machine without the search's folder: kept while in use."""

import os
import time

import numpy as np
import pytest

from workloads.forest.exact import delivery
from workloads.forest.exact.sharing import forest_data, write_data


@pytest.fixture
def brought(tmp_path, monkeypatch):
    """The names of more files than are kept, all brought to this machine."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = []
    for number in range(delivery.KEPT + 2):
        x = np.full((3, 1), number, dtype=np.float32)
        name = write_data(tmp_path / "made", forest_data(x, np.arange(3), []))
        delivery.bring(name, [(tmp_path / "made" / name).read_bytes()])
        names.append(name)
    return names


def age(names, hours):
    for name in names:
        at = time.time() - 3600 * hours
        os.utime(delivery.local_folder() / name, (at, at))


def bring_another(tmp_path, rows=4):
    x = np.ones((rows, 2), dtype=np.float32)
    name = write_data(tmp_path / "made", forest_data(x, np.arange(rows), []))
    delivery.bring(name, [(tmp_path / "made" / name).read_bytes()])


def test_only_old_files_go(brought, tmp_path):
    age(brought, 1)
    bring_another(tmp_path)
    assert all(map(delivery.is_here, brought))
    age(brought, 48)
    bring_another(tmp_path, rows=5)
    assert len(list(delivery.local_folder().glob("forest-*.data"))) == delivery.KEPT


def test_a_file_that_units_use_does_not_go(brought, tmp_path):
    age(brought, 48)
    used = delivery.at_home({"folder": "/nowhere", "data": brought[0]})
    assert used["folder"] == str(delivery.local_folder())
    bring_another(tmp_path)
    assert delivery.is_here(brought[0])
    assert not delivery.is_here(brought[1])


def test_a_file_that_is_gone_is_missed(brought):
    with pytest.raises(FileNotFoundError, match="forest-gone"):
        delivery.at_home({"folder": "/nowhere", "data": "forest-gone.data"})
