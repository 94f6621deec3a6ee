"""What `make clean` removes: every cluster of a checkout, and none of another's."""

import contextlib
import secrets

import docker
import pytest

from infra import docker_engine
from infra.local_network import CLUSTER, CREATED, DOOR, OWNER, network_name
from tests.command_line import fab

pytestmark = pytest.mark.containers


@pytest.fixture
def made():
    """Make the network of a cluster, which is a cluster without machines yet."""
    with docker_engine.connect() as client:
        networks = []

        def make(door, owner):
            name = f"every-{secrets.token_hex(3)}"
            labels = {CLUSTER: name, DOOR: door, OWNER: str(owner), CREATED: "2026"}
            networks.append(client.networks.create(network_name(name), labels=labels))
            return name

        def there():
            kept = {one.id for one in client.networks.list()}
            return [one.name for one in networks if one.id in kept]

        yield make, there
        for network in networks:
            with contextlib.suppress(docker.errors.NotFound):
                network.remove()


def test_every_cluster_of_a_state_folder_goes_and_no_other(made, tmp_path):
    make, there = made
    state = tmp_path / "state"
    own, below = make("fab", state), make("fab", state / "demo")
    other = make("fab", tmp_path / "state-2")
    would = fab("local.down", "--every", "--dry-run", "--json", state=state)
    assert sorted(would.document["would_remove"]) == sorted(map(network_name, (own, below)))
    assert len(there()) == 3
    assert fab("local.down", "--every", state=state).code == 0
    assert there() == [network_name(other)]


def test_what_pulumi_made_stays_and_is_told_with_its_command(made, tmp_path):
    make, there = made
    own, stack = make("fab", tmp_path), make("pulumi", tmp_path)
    refused = fab("local.down", "--every", state=tmp_path)
    assert refused.code == 4
    assert stack in refused.err
    assert network_name(own) in refused.err
    assert f"Next: TANDEM_STATE={tmp_path} pulumi destroy --stack local" in refused.err
    assert there() == [network_name(stack)]
