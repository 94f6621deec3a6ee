"""The search as an estimator on a Ray and a Dask that run already: GridSearchCV's bits.

Both engines are real and on this machine, each with two nodes or workers, one of which dies
in the middle of a search.
"""

import dataclasses
import os
import signal
import tempfile
from pathlib import Path

import pytest
from sklearn.base import clone

from contracts.errors import UsageError
from tests.unit.exact_cases import both, data_set, differences, forest
from workloads.forest.exact import delivery
from workloads.forest.exact.elsewhere import UnitsFailed
from workloads.forest.exact.on_dask import DaskUnits
from workloads.forest.exact.on_ray import RayUnits
from workloads.forest.exact.search import ExactForestSearchCV

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
GRID = [
    {"n_estimators": [10, 60], "max_depth": [None, 5], "ccp_alpha": [0.0, 0.003]},
    {"n_estimators": [3], "max_features": [2, None], "criterion": ["gini", "entropy"]},
    {"n_estimators": [3], "max_samples": [0.5], "max_leaf_nodes": [None, 6]},
    {"n_estimators": [3], "min_samples_leaf": [4], "min_samples_split": [2, 20]},
    {"n_estimators": [3], "class_weight": ["balanced"]},
]


@pytest.fixture(scope="module", autouse=True)
def surroundings():
    """A folder for data files of its own, and this project for every process started."""
    # Ray's sockets lie below it, and the path of a socket has at most 107 characters
    short = tempfile.TemporaryDirectory(prefix="t", dir="/tmp", ignore_cleanup_errors=True)
    with short as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("TMPDIR", folder)
        patch.setattr("tempfile.tempdir", None)
        yield


@pytest.fixture(scope="module")
def dask():
    """A Dask of two workers, and what kills one of them."""
    from distributed import Client, LocalCluster

    options = {"threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as client:

        def kill():
            pid = min(client.run(os.getpid).values())
            os.kill(pid, signal.SIGKILL)

        yield (lambda **limits: DaskUnits(client, **limits)), kill


@pytest.fixture(scope="module")
def ray():
    """A Ray of two nodes, and what kills the one without the driver."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    other = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield RayUnits, lambda: cluster.remove_node(other, allow_graceful=False)
    ray.shutdown()
    cluster.shutdown()


class Apart:
    """Hands units on as if the machine of the search shared no folder; can kill on the way."""

    def __init__(self, units, kill=None):
        self._units, self._kill = units, kill

    def run(self, units):
        real = Path(units[0].arguments["folder"]) / units[0].arguments["data"]
        moved = [
            dataclasses.replace(one, arguments={**one.arguments, "folder": "/nowhere"})
            for one in units
        ]
        opened = self._units.open
        self._units.open = lambda data: opened(real)
        for number, value in enumerate(self._units.run(moved)):
            yield value
            if number == 2 and self._kill:
                self._kill()


def search(engine):
    x, y = data_set("covtype", 300)
    plain, exact = both(x, y, GRID, engine=engine)
    assert differences(plain, exact) == []
    assert len(exact.plan_.plain) == 1
    assert exact.builder_ == "compiled, scikit-learn"  # best-first trees


def test_no_running_ray_is_an_error_with_a_next_step():
    x, y = data_set("iris")
    lonely = ExactForestSearchCV(forest(), {"n_estimators": [3]}, engine=RayUnits())
    with pytest.raises(UsageError, match="no Ray to work on"):
        lonely.fit(x, y)


@pytest.mark.parametrize("name", ["dask", "ray"])
class TestEngine:
    def test_every_score_is_gridsearchcvs(self, name, request):
        make, _ = request.getfixturevalue(name)
        search(make())

    def test_a_unit_that_fails_ends_the_search_with_its_reason(self, name, request):
        make, _ = request.getfixturevalue(name)
        engine = Apart(make())
        engine._units.run = lambda units, run=engine._units.run: run(
            [dataclasses.replace(one, function="workloads.registry:nothing") for one in units]
        )
        x, y = data_set("iris")
        with pytest.raises(UnitsFailed, match="nothing"):
            ExactForestSearchCV(forest(), {"n_estimators": [3]}, engine=engine).fit(x, y)

    def test_a_node_that_dies_half_way_costs_no_bit(self, name, request):
        make, kill = request.getfixturevalue(name)
        search(Apart(make(), kill))

    def test_the_data_file_is_brought_by_its_name(self, name, request):
        make, _ = request.getfixturevalue(name)
        for path in delivery.local_folder().glob("forest-*"):
            path.unlink()
        search(Apart(make()))
        (file,) = delivery.local_folder().glob("forest-*.data")
        assert delivery.is_here(file.name)
        assert not list(delivery.local_folder().glob(".part-*"))


def test_clones_share_the_connection(dask):
    make, _ = dask
    one = ExactForestSearchCV(forest(), {"n_estimators": [3]}, engine=make())
    assert clone(one).engine is one.engine
