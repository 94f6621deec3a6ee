"""A bucket for local machines: a real S3 server, reached by members with a key alone."""

import json
import stat
from pathlib import Path

import pytest

from contracts import inventory as inventories
from contracts import machine_files
from contracts.errors import TandemError
from contracts.progress import tell_nobody
from infra import docker_engine, local_nodes, versitygw
from provision import store
from provision.links import Links
from tests.inside import run_inside
from tests.integration.local_clusters import labelled, temporary_cluster
from workloads.store import operators_store

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]
LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"
KNOCK = (
    "import sys, urllib.request, urllib.error\n"
    "try: print(urllib.request.urlopen(sys.argv[1], timeout=5).status)\n"
    "except urllib.error.HTTPError as error: print(error.code)\n"
    "except OSError as error: print('unreachable')\n"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two machines with a bucket, as the verbs make them; the program is built once."""
    state = tmp_path_factory.mktemp("state")
    cache = Path.home() / ".cache" / "tandem-test-tools"
    try:
        program = versitygw.ensure(cache, tell_nobody)
    except TandemError as error:
        pytest.skip(error.problem)
    with pytest.MonkeyPatch.context() as patch, temporary_cluster(state) as cluster:
        patch.setenv("PATH", str(program.parent), prepend=":")
        patch.setenv("TANDEM_STATE", str(state))
        assert cluster.up(2).code == 0
        first = cluster.fab("local.bucket", "--json")
        assert (first.code, first.document["changes"]) == (0, True), first.err
        yield cluster


def container(cluster):
    with docker_engine.connect() as client:
        return client.containers.get(f"tandem-{cluster.name}-store")


def test_it_is_named_in_the_inventory_and_a_second_time_changes_nothing(made):
    known = inventories.load(made.inventory_path)
    assert (known.bucket, known.generation) == (f"tandem-{made.name}", 2)
    again = made.fab("local.bucket", "--json")
    assert (again.code, again.document["changes"]) == (0, False)
    up = made.up(2, "--json")
    assert (up.code, up.document["changes"], up.document["generation"]) == (0, False, 2)
    assert made.fab("local.status", "--json").document["bucket"]["state"] == "running"


def test_its_key_is_in_files_of_their_owners_and_in_no_argument_or_setting(made):
    path = machine_files.store(made.state, made.name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = path.read_text().split("aws_secret_access_key = ")[1].split()[0]
    assert len(secret) == 40
    held = container(made)
    assert secret not in json.dumps(held.attrs)
    assert secret not in run_inside(held, "cat", "/proc/1/cmdline", user="65534").output
    assert secret not in made.inventory_path.read_text()
    mode = run_inside(held, "stat", "-c", "%a %u", "/srv/store/keys", user="65534").output
    assert mode.split() == ["600", "65534"]


def test_every_member_writes_and_reads_with_the_key_that_provision_brings(made):
    inventory = inventories.load(made.inventory_path)
    with Links(inventory) as links:
        names = [node.name for node in inventory.nodes]
        links.open(names, tell_nobody).values()
        homes = dict.fromkeys(names, "/home/tandem/.tandem")
        pythons = store.pythons(links, inventory, LOCK)
        store.bring_key(links, inventory, made.state, homes)
        found = store.check(links, inventory, pythons).values()
    assert set(found) == set(names)
    operators = operators_store()
    operators.write("mine/note", b"from the operator")
    assert operators.read("mine/note") == b"from the operator"


def test_without_the_key_it_refuses_and_from_another_network_it_is_not_reached(made):
    held = container(made)
    address = held.attrs["NetworkSettings"]["Networks"][f"tandem-{made.name}"]["IPAddress"]
    url = f"http://{address}:7070/tandem-{made.name}/data/mine/note"
    nodes = inventories.load(made.inventory_path).nodes
    with docker_engine.connect() as client:
        member = client.containers.get(nodes[1].instance_id)
        assert run_inside(member, "python3", "-c", KNOCK, url).output.strip() == "403"
        image = member.attrs["Config"]["Image"]
        stranger = client.containers.run(image, ["sleep", "120"], detach=True, network="bridge")
        try:
            said = run_inside(stranger, "python3", "-c", KNOCK, url).output.strip()
        finally:
            stranger.remove(force=True)
    assert said == "unreachable"


def test_it_is_woken_with_what_it_had_and_goes_with_the_machines(made):
    operators_store().write("mine/kept", b"kept")
    container(made).stop(timeout=5)
    woken = made.fab("local.bucket", "--json")
    assert (woken.code, woken.document["changes"]) == (0, True)
    assert operators_store().read("mine/kept") == b"kept"
    container(made).pause()
    assert made.up(2).code == 0
    assert operators_store().read("mine/kept") == b"kept"
    removed = local_nodes.down(made.name, "fab", made.state)
    assert f"tandem-{made.name}-store" in removed
    assert labelled(made) == (0, 0)
    assert not machine_files.store(made.state, made.name).exists()


def test_without_machines_there_is_nothing_to_give_a_bucket_to(tmp_path):
    with temporary_cluster(tmp_path) as cluster:
        refused = cluster.fab("local.bucket")
        assert refused.code == 2
        assert "fab local.up" in refused.err
