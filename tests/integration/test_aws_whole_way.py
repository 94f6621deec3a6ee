"""From nothing to results in the bucket and back to nothing, as a user goes it.

On the double of AWS always, by both doors where there is a `pulumi`; on a real account where
credentials are there and TANDEM_AWS_OK is 1, and then it costs some cents.
"""

import io
import json
import os
from contextlib import ExitStack

import boto3
import numpy as np
import pytest
from sklearn.datasets import load_digits

from contracts.trial import canonical
from tests.doubles.aws.account import REGION
from tests.integration import aws_clusters
from tests.integration.aws_clusters import AwsCluster
from workloads.forest import PRESETS, plain, validate

pytestmark = pytest.mark.timeout(2400)
WORK = (
    "--preset",
    "tiny",
    "--set",
    "dataset=bucket:digits",
    "--set",
    "grid.n_estimators=[5,10]",
    "--engines",
    "ray,dask",
    "--nodes",
    "3",
    "--repeats",
    "1",
    "--no-baseline",
)


class RealAccount:
    """The account that the environment's own credentials open."""

    environment: dict[str, str] = {"AWS_REGION": REGION}  # noqa: RUF012

    def client(self, service, region=REGION):
        return boto3.client(service, region_name=region)

    def clear(self):
        """Nothing was made to fail."""


@pytest.fixture(
    params=[
        pytest.param("double", marks=pytest.mark.containers),
        pytest.param("real", marks=[pytest.mark.containers, pytest.mark.pulumi_cli]),
        pytest.param("aws", marks=[pytest.mark.aws, pytest.mark.pulumi_cli]),
    ]
)
def way(request, tmp_path):
    """A cluster's stack: (cluster, stack)."""
    if request.param != "double" and not aws_clusters.has_pulumi():
        pytest.skip("no pulumi program on PATH: fab setup.run installs it where it can be had")
    with ExitStack() as at_the_end:
        if request.param == "aws":
            if (
                os.environ.get("TANDEM_AWS_OK") != "1"
                or boto3.Session().get_credentials() is None
            ):
                pytest.skip("costs money: needs AWS credentials and TANDEM_AWS_OK=1")
            name = f"t{os.getpid()}-whole"
            cluster = AwsCluster(name, tmp_path / "state", "10.210.0.0/24", RealAccount())
            stack = aws_clusters.real_of(cluster, tmp_path, plugin=False)
            for one in ("operator-cidrs", "image"):
                del stack.settings[one]
            stack.settings["ttl-hours"] = "1"
        else:
            account = request.getfixturevalue("machine_account")
            cluster = aws_clusters.new_cluster(tmp_path, account)
            stack = (
                aws_clusters.double_of(cluster, tmp_path, request.getfixturevalue("warm"))
                if request.param == "double"
                else aws_clusters.real_of(cluster, tmp_path)
            )
        stack.settings["nodes"] = 3
        at_the_end.enter_context(aws_clusters.destroyed_at_the_end(stack))
        yield cluster, stack


def test_up_start_sweep_bucket_destroy_audit(way, tmp_path):
    cluster, stack = way
    made = stack.up()
    assert made.succeeded, made.told()
    inventory = cluster.inventory()
    assert len(inventory.nodes) == 3

    started = cluster.fab("cluster.start", "--nodes", "3", "--engine", "ray", "--json")
    assert started.code == 0, started.err
    assert started.document["endpoint"]["nodes"] == ["node-1", "node-2", "node-3"]
    known = cluster.inventory()
    assert all(node.temporary_host_key is None for node in known.nodes)
    before = {node.name: node.host_key for node in inventory.nodes}
    assert all(node.host_key != before[node.name] for node in known.nodes)
    again = stack.up()
    assert again.succeeded, again.told()
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
    assert cluster.left() == []
    audit = cluster.fab("cost.audit", "--cluster", cluster.name)
    assert audit.code == 0, audit.out + audit.err


def put_data(cluster, bucket):
    """Put scikit-learn's digits where work of every cluster of that bucket finds them."""
    for name, array in zip("Xy", load_digits(return_X_y=True), strict=True):
        packed = io.BytesIO()
        np.save(packed, array)
        cluster.account.client("s3").put_object(
            Bucket=bucket, Key=f"data/digits/{name}.npy", Body=packed.getvalue()
        )


def check_scores(trials):
    """What nodes read from the bucket are the very numbers that scikit-learn has."""
    same = {**PRESETS["tiny"], "grid": {"n_estimators": [5, 10]}}
    expected = {canonical(one.parameters): one.scores for one in plain(validate(same), 0)}
    for one in trials:
        assert tuple(one["scores"]) == expected[canonical(one["parameters"])]


def check_kept(cluster, bucket):
    s3 = cluster.account.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    assert any(key.endswith("/results.tar.gz") for key in keys), keys
    by_drivers = [key for key in keys if "/results/forest/" in key]
    assert len(by_drivers) == 2, keys
    for key in by_drivers:
        lines = s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines()
        found = json.loads(lines[-1])
        assert found["kind"] == "finished"
        assert found["summary"]["data"].startswith("bucket-digits-n300-")
    assert not [key for key in keys if "/reached/" in key], "a proof leaves nothing"
    for node in cluster.inventory().nodes:
        assert any(key.endswith(f"/nodes/{node.name}.tar.gz") for key in keys), keys
