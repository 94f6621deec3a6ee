"""PostgreSQL on a machine that lacks it: installed where that may be done, else refused."""

import json
from pathlib import Path

import docker
import pytest

from contracts.progress import tell_nobody
from infra import docker_engine, local_nodes, node_image
from tests.inside import run_inside

pytestmark = [pytest.mark.long, pytest.mark.containers, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
# As the frame of all programs of a node does it; the files are this project's own.
INSTALL = """
import sys
sys.path.insert(0, "/project")
from provision.node import database_install, program
class Module:
    main = staticmethod(lambda request, channel: database_install.programs("/none", channel))
program.run(Module, {})
"""


@pytest.fixture
def without(engine, tmp_path):
    """A container of the node image from which PostgreSQL was removed."""
    image = node_image.ensure(local_nodes.LOCK, tmp_path, tell_nobody)
    volumes = {str(ROOT): {"bind": "/project", "mode": "ro"}}
    with docker_engine.connect() as client:
        made: docker.models.containers.Container = client.containers.run(
            image, ["sleep", "infinity"], detach=True, volumes=volumes, init=True
        )
        try:
            purge = "apt-get -qq -y purge 'postgresql*'"
            done = run_inside(made, "sh", "-c", purge, user="root")
            assert done.exit_code == 0, done.output
            yield made
        finally:
            made.remove(force=True)


def _install(container, user):
    done = run_inside(container, "/usr/bin/python3", "-c", INSTALL, user=user)
    return json.loads(done.output.splitlines()[-1])


def test_root_installs_it_without_a_cluster_of_the_distribution(without):
    refused = _install(without, "tandem")["error"]
    assert "may not install it" in refused["problem"]
    assert "apt-get install postgresql" in refused["next_step"]
    assert _install(without, "root")["result"].startswith("/usr/lib/postgresql/")
    # Nor does a server of the distribution run, which would have its own there.
    assert run_inside(without, "sh", "-c", "ls /etc/postgresql 2>/dev/null; true").output == ""
