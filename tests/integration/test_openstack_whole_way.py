"""From nothing to results in the container and back to nothing, workers behind the head.

On the test bed always; on a real cloud, as Pulumi.ssc.yaml and OS_CLOUD say, where
TANDEM_OPENSTACK_OK is 1, and then it costs some coins.
"""

import io
import json
import os
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from contracts import inventory as inventories
from contracts.trial import canonical
from infra import stack_file
from infra.openstack_calls import connect
from tests.command_line import ROOT, fab
from tests.integration import aws_clusters
from tests.integration.openstack_clusters import stack_of
from tests.integration.openstack_machines import machine_cluster
from tests.integration.pulumi_project import PulumiProject
from workloads.forest import PRESETS, plain, validate

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]
WORK = (
    *("--preset", "tiny", "--set", "dataset=bucket:digits"),
    *("--set", "grid.n_estimators=[5,10]", "--engines", "ray,dask"),
    *("--nodes", "3", "--repeats", "1", "--no-baseline"),
)


@dataclass
class RealCluster:
    """A cluster in the project that the environment's own credentials open."""

    name: str
    state: Path
    link: Any

    def fab(self, *arguments, timeout=600):
        return fab(*arguments, state=self.state, timeout=timeout)

    def inventory(self):
        return inventories.load(self.state / "inventory.json")


@pytest.fixture(
    params=[
        pytest.param("bed", marks=[pytest.mark.openstack, pytest.mark.containers]),
        pytest.param("ssc", marks=[pytest.mark.ssc, pytest.mark.pulumi_cli]),
    ]
)
def way(request, tmp_path, monkeypatch):
    """A cluster's stack: (cluster, stack)."""
    with ExitStack() as at_the_end:
        if request.param == "ssc":
            cluster, stack = real(tmp_path)
            at_the_end.enter_context(closing(cluster.link))
            at_the_end.enter_context(aws_clusters.destroyed_at_the_end(stack))
        else:
            clouds = request.getfixturevalue("machine_clouds")
            monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
            cluster = at_the_end.enter_context(machine_cluster(tmp_path, clouds))
            stack = at_the_end.enter_context(stack_of(cluster, tmp_path))
        stack.settings["nodes"] = 3
        yield cluster, stack


def real(folder):
    if os.environ.get("TANDEM_OPENSTACK_OK") != "1" or not os.environ.get("OS_CLOUD"):
        pytest.skip("costs money: needs OS_CLOUD and TANDEM_OPENSTACK_OK=1")
    if "tandem:s3-endpoint" not in stack_file.read("ssc", ROOT):
        pytest.skip("machines reach no container: needs tandem:s3-endpoint in Pulumi.ssc.yaml")
    if not aws_clusters.has_pulumi():
        pytest.skip("no pulumi program on PATH: fab setup.run installs it where it can be had")
    project = folder / "project"
    project.mkdir()
    cluster = RealCluster(f"t{os.getpid()}-whole", folder / "state", connect(None, None))
    settings = {"name": cluster.name, "ttl-hours": "1", "purge-bucket": "true"}
    stack = PulumiProject(project, "ssc", settings=settings, passphrase="a passphrase of tests")
    stack.use({"TANDEM_STATE": str(cluster.state)})
    return cluster, stack


def test_up_start_sweep_container_destroy_audit(way, tmp_path):
    cluster, stack = way
    made = stack.up()
    assert made.succeeded, made.told()
    inventory = cluster.inventory()
    assert [node.jump for node in inventory.nodes] == [None, "node-1", "node-1"]
    assert inventory.bucket, "without s3-endpoint machines reach no container"

    started = cluster.fab("cluster.start", "--nodes", "3", "--engine", "ray", "--json")
    assert started.code == 0, started.err
    assert started.document["endpoint"]["nodes"] == ["node-1", "node-2", "node-3"]
    known = cluster.inventory()
    assert all(node.temporary_host_key is None for node in known.nodes)
    before = {node.name: node.host_key for node in inventory.nodes}
    assert all(node.host_key != before[node.name] for node in known.nodes)
    again = stack.up()
    assert (again.succeeded, again.changes()) == (True, []), again.told()
    assert cluster.inventory().nodes == known.nodes, "fresh host keys outlive an up"

    put_data(cluster, inventory.bucket)
    results = tmp_path / "results"
    done = cluster.fab(
        "sweep.run", "--workload", "forest", *WORK, "--results", str(results), timeout=1500
    )
    assert done.code == 0, done.err
    lines = [
        json.loads(one)
        for one in (results / "forest" / "journal.jsonl").read_text().splitlines()
    ]
    assert {one["engine"] for one in lines if one["kind"] == "run"} == {"ray", "dask"}
    assert sum(one["kind"] == "trial" for one in lines) == 4
    check_scores([one["result"] for one in lines if one["kind"] == "trial"])
    check_kept(cluster, inventory.bucket)

    gone = stack.destroy()
    assert gone.succeeded, gone.told()
    audit = cluster.fab("cost.audit", "--cluster", cluster.name, "--stack", "ssc")
    assert audit.code == 0, audit.out + audit.err


def put_data(cluster, bucket):
    """Put scikit-learn's digits where work of every cluster of that container finds them."""
    for name, array in zip("Xy", load_digits(return_X_y=True), strict=True):
        packed = io.BytesIO()
        np.save(packed, array)
        cluster.link.object_store.upload_object(
            bucket, f"data/digits/{name}.npy", data=packed.getvalue()
        )


def check_scores(trials):
    """What nodes read from the container are the very numbers that scikit-learn has."""
    same = {**PRESETS["tiny"], "grid": {"n_estimators": [5, 10]}}
    expected = {canonical(one.parameters): one.scores for one in plain(validate(same), 0)}
    for one in trials:
        assert tuple(one["scores"]) == expected[canonical(one["parameters"])]


def check_kept(cluster, bucket):
    store = cluster.link.object_store
    keys = [one.name for one in store.objects(bucket)]
    assert any(key.endswith("/results.tar.gz") for key in keys), keys
    by_drivers = [key for key in keys if "/results/forest/" in key]
    assert len(by_drivers) == 2, keys
    for key in by_drivers:
        found = json.loads(store.download_object(key, container=bucket).splitlines()[-1])
        assert found["kind"] == "finished"
        assert found["summary"]["data"].startswith("bucket-digits-n300-")
    assert not [key for key in keys if "/reached/" in key], "a proof leaves nothing"
    for node in cluster.inventory().nodes:
        assert any(key.endswith(f"/nodes/{node.name}.tar.gz") for key in keys), keys
