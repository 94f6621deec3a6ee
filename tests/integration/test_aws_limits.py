"""Machines end themselves by the limits of their stack, with the operator killed at work."""

import json
import os
import signal
import subprocess
import time

import pytest

from tests.command_line import FAB, ROOT
from tests.integration import aws_clusters
from tests.integration.aws_clusters import container_of, inside
from tests.integration.aws_probes import await_end
from tests.integration.local_clusters import docker_client

pytestmark = [pytest.mark.long, pytest.mark.containers, pytest.mark.timeout(1200)]
SESSION = """
import glob
titles = [open(path, "rb").read() for path in glob.glob("/proc/[0-9]*/cmdline")]
print(any(one.startswith((b"sshd: ubuntu", b"sshd-session: ubuntu")) for one in titles))
"""
# As if the machine had been there for so many seconds more.
AGE = """
import json, sys
path = "/var/lib/tandem/first_start.json"
noted, older = json.load(open(path)), float(sys.argv[1])
noted = {**noted, "wall": noted["wall"] - older, "ticking": noted["ticking"] - older}
open(path, "w").write(json.dumps(noted))
"""


def kill_an_operator_at_work(cluster, container, seconds=120):
    """Start a bring-up, and kill it as soon as it is logged in."""
    process = subprocess.Popen(
        [*FAB, "cluster.start", "--nodes", "2", "--engine", "ray"],
        cwd=ROOT,
        env={**os.environ, **cluster.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + seconds
    try:
        while inside(container, SESSION, user="root") != (0, "True"):
            assert process.poll() is None, "the bring-up ended by itself"
            assert time.monotonic() < end, "nobody logged in"
            time.sleep(0.1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)


def test_time_and_idleness_of_the_stack_end_machines_whose_operator_was_killed(
    machine_account, warm, tmp_path
):
    """With the shortest limits that a stack takes; for one of them time is made to pass."""
    cluster = aws_clusters.new_cluster(tmp_path, machine_account)
    stack = aws_clusters.double_of(cluster, tmp_path, warm)
    stack.settings.update({"nodes": 2, "ttl-hours": "0.25", "idle-minutes": "5"})
    with aws_clusters.destroyed_at_the_end(stack), docker_client() as client:
        # A machine counts from its boot, which is before `up` ends.
        begin = time.monotonic()
        made = stack.up()
        assert made.succeeded, made.told()
        head, worker = (one.instance_id for one in cluster.inventory().nodes)
        kill_an_operator_at_work(cluster, container_of(client, head))
        for name in (head, worker):
            read = "print(open('/etc/tandem/limits.json').read())"
            _, found = inside(container_of(client, name), read, user="root")
            told = {"expires_at": None, "ttl_seconds": 900, "idle_seconds": 300}
            assert json.loads(found) == told
        assert inside(container_of(client, worker), AGE, "890", user="root")[0] == 0
        ended = await_end(cluster, worker)
        assert "InstanceInitiatedShutdown" in ended["StateReason"]["Code"]
        assert time.monotonic() - begin < 300, "before it was idle for long"
        ended = await_end(cluster, head, 500)
        assert "InstanceInitiatedShutdown" in ended["StateReason"]["Code"]
        assert 300 <= time.monotonic() - begin < 900, "before its time was up"
