"""The second door: `pulumi preview|up|refresh|destroy` on real containers.

Every test runs against the double of Pulumi's engine, and against the real program where it is
on PATH.
"""

import json
import shutil
import time

import pytest

from contracts import inventory as inventories
from infra import local_nodes
from tests.command_line import ROOT, fab
from tests.doubles.pulumi_stack import PulumiStack
from tests.integration.local_clusters import docker_client, labelled, temporary_cluster
from tests.integration.pulumi_project import PulumiProject, kill_session

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("engine")]
WANTED = {"nodes": 2, "cpus": "0.2", "memory": "256m"}


@pytest.fixture
def cluster(tmp_path):
    with temporary_cluster(tmp_path / "state") as made:
        yield made


@pytest.fixture
def real(cluster, tmp_path):
    if shutil.which("pulumi") is None:
        pytest.skip("no pulumi program on PATH: fab setup.run installs it where it can be had")
    (tmp_path / "project").mkdir()
    project = PulumiProject(
        tmp_path / "project", "local", settings={**WANTED, "name": cluster.name}
    )
    project.use({"TANDEM_STATE": str(cluster.state)})
    return project


@pytest.fixture
def double(cluster, tmp_path):
    found = PulumiStack(
        ROOT, "local", tmp_path / "stack.json", settings={**WANTED, "name": cluster.name}
    )
    found.use({"TANDEM_STATE": str(cluster.state)})
    return found


@pytest.fixture(params=["double", pytest.param("real", marks=pytest.mark.pulumi_cli)])
def stack(request):
    return request.getfixturevalue(request.param)


def test_preview_up_again_scale_and_destroy(stack, cluster):
    assert stack.preview().steps == [("create", "machines")]
    assert labelled(cluster) == (0, 0)

    made = stack.up()
    assert made.succeeded, made.diagnostics
    assert made.changes() == [("create", "machines")]
    written = inventories.load(cluster.inventory_path)
    exported = json.loads(json.dumps(made.outputs["inventory"]))
    assert exported == inventories.as_document(written)
    assert made.outputs["inventory_path"] == str(cluster.inventory_path)
    assert (written.provider, len(written.nodes)) == ("local", 2)
    first = cluster.instance_ids()

    again = stack.up()
    assert (again.succeeded, again.changes()) == (True, [])
    assert cluster.instance_ids() == first

    stack.settings["nodes"] = 3
    assert stack.preview().changes() == [("update", "machines")]
    assert stack.up().changes() == [("update", "machines")]
    assert cluster.instance_ids()[:2] == first

    stack.settings.update(nodes=1, memory="300m")
    assert stack.up().changes() == [("update", "machines")]
    assert cluster.instance_ids() == first[:1]
    assert cluster.nodes()[0].memory_bytes == 300 * 1024**2

    gone = stack.destroy()
    assert (gone.succeeded, gone.changes()) == (True, [("delete", "machines")])
    assert labelled(cluster) == (0, 0)
    assert not cluster.inventory_path.exists()
    assert stack.destroy().changes() == []


def test_machines_that_were_made_anew_get_a_cluster_of_their_own(stack, cluster):
    """Neither endpoint nor credentials of machines that are gone stand in the way."""
    stack.settings.update(cpus="0.5", memory="1g")
    start = ("cluster.start", "--nodes", "2", "--engine", "dask", "--json")
    for _ in range(2):
        assert stack.up().succeeded
        answered = fab(*start, state=cluster.state)
        assert answered.code == 0, answered.err
        assert stack.destroy().succeeded
        assert not (cluster.state / "endpoint.json").exists()
    assert stack.up().succeeded
    stack.settings["nodes"] = 1
    assert stack.up().succeeded
    answered = fab("cluster.start", "--nodes", "1", "--engine", "dask", state=cluster.state)
    assert answered.code == 0, answered.err


def test_drift_is_seen_by_refresh_and_repaired_by_up(stack, cluster):
    stack.up()
    kept, lost = cluster.instance_ids()
    with docker_client() as client:
        client.containers.get(lost).remove(force=True)
    assert stack.up().changes() == [("update", "machines")], "up looks at the machines itself"
    assert cluster.instance_ids()[0] == kept
    assert inventories.load(cluster.inventory_path).generation == 2

    with docker_client() as client:
        client.containers.get(cluster.instance_ids()[1]).remove(force=True)
    assert stack.refresh().changes() == [("update", "machines")]
    assert stack.up().changes() == [("update", "machines")]
    assert labelled(cluster) == (2, 1)

    assert local_nodes.down(cluster.name, "pulumi", cluster.state)
    assert stack.refresh().changes() == [("delete", "machines")]
    assert stack.up().changes() == [("create", "machines")]
    assert stack.destroy().succeeded


def test_machines_of_the_other_door_are_refused(stack, cluster):
    assert cluster.up(1).code == 0
    refused = stack.up()
    assert not refused.succeeded
    assert f"fab local.down --name {cluster.name}" in "".join(refused.diagnostics)
    assert labelled(cluster) == (1, 1)
    assert cluster.fab("local.down").code == 0

    assert stack.up().succeeded
    refused = cluster.fab("local.down")
    assert (refused.code, "pulumi destroy" in refused.err) == (4, True)
    assert stack.destroy().succeeded


def test_another_state_folder_never_costs_the_machines(stack, cluster, tmp_path):
    stack.up()
    before = cluster.instance_ids()
    stack.use({"TANDEM_STATE": str(tmp_path / "other")})
    refused = stack.up()
    assert not refused.succeeded
    assert f"set TANDEM_STATE={cluster.state}" in "".join(refused.diagnostics)
    assert cluster.instance_ids() == before
    assert stack.destroy().succeeded, "what is removed follows from Pulumi's state alone"
    assert labelled(cluster) == (0, 0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"nodes": 0, "cpus": "nan"}, ["nodes: must be a whole", "cpus: must be a number"]),
        ({"memory": "1000g"}, ["of memory, and this computer has"]),
        ({"provider": "cloudy"}, ["tandem:provider must be one of local"]),
    ],
)
def test_a_wrong_configuration_is_told_whole_and_touches_nothing(
    stack, cluster, settings, words
):
    stack.settings.update(settings)
    refused = stack.up()
    assert not refused.succeeded
    told = "".join(refused.diagnostics)
    assert all(one in told for one in words), told
    assert labelled(cluster) == (0, 0)
    assert not cluster.state.exists()


@pytest.mark.pulumi_cli
def test_after_a_kill_the_same_commands_repair_and_remove(real, cluster):
    real.settings["nodes"] = 8
    process = real.start("up")
    end = time.monotonic() + 120
    while labelled(cluster)[0] < 2 and time.monotonic() < end:
        time.sleep(0.01)
    kill_session(process)
    assert 2 <= labelled(cluster)[0] < 8
    # Pulumi's own lock outlives a kill, and only this command removes it.
    real.cancel()
    real.settings["nodes"] = 2
    repaired = real.up()
    assert repaired.succeeded, repaired.diagnostics
    assert labelled(cluster) == (2, 1)
    assert real.destroy().succeeded
    assert labelled(cluster) == (0, 0)
