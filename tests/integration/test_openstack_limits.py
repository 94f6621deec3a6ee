"""Machines on OpenStack whose time is up are deleted by their head; nobody else is there."""

import json
import os
import signal
import subprocess
import time

import pytest

from contracts import limits
from tests.command_line import FAB, ROOT
from tests.integration.aws_clusters import inside
from tests.integration.local_clusters import docker_client
from tests.integration.openstack_clusters import stack_of
from tests.integration.openstack_machines import container_of, machine_cluster, wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.openstack,
    pytest.mark.containers,
    pytest.mark.timeout(1800),
]
READ = f"print(open({limits.LIMITS!r}).read())"
# As if it were so many seconds until the time is up.
HURRY = f"""
import json, os, sys, time
found = json.load(open({limits.LIMITS!r}))
found["expires_at"] = time.time() + float(sys.argv[1])
with open({limits.LIMITS!r} + ".part", "w") as stream:
    json.dump(found, stream)
os.replace({limits.LIMITS!r} + ".part", {limits.LIMITS!r})
"""


def kill_an_operator_at_work(cluster, container, seconds=300):
    """Start a bring-up; kill it as soon as the head has what deletes machines."""
    process = subprocess.Popen(
        [*FAB, "cluster.start", "--nodes", "2", "--engine", "ray"],
        cwd=ROOT,
        env={**os.environ, **cluster.variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + seconds
    try:
        while not json.loads(inside(container, READ, user="root")[1]).get("ending"):
            assert process.poll() is None, "the bring-up ended by itself"
            assert time.monotonic() < end, "the head was told nothing"
            time.sleep(0.2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)


def test_a_head_whose_time_is_up_deletes_all_machines_though_its_operator_was_killed(
    machine_clouds, tmp_path, monkeypatch
):
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(machine_clouds))
    with (
        machine_cluster(tmp_path, machine_clouds) as cluster,
        stack_of(cluster, tmp_path) as stack,
        docker_client() as client,
    ):
        made = stack.up()
        assert made.succeeded, made.told()
        head = container_of(client, cluster.inventory().head.instance_id)
        kill_an_operator_at_work(cluster, head)
        # Nobody is logged in to the cloud here from now on: what happens, machines do.
        code, said = inside(head, HURRY, "5", user="root")
        assert code == 0, said
        begin = time.monotonic()
        wait_until(lambda: cluster.servers() == {}, "the head to delete all", 300)
        assert time.monotonic() - begin > 60, "the others had time for their last work"

        refused = stack.up()
        assert not refused.succeeded
        assert "none of them runs any more" in refused.told()
        kinds = {one.kind for one in cluster.audit().found}
        assert "server" not in kinds
        assert {"address", "router", "network", "container"} <= kinds
        gone = stack.destroy()
        assert gone.succeeded, gone.told()
        assert cluster.audit().clean
