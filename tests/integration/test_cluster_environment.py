"""Every node has the locked environment, or is repaired, or named with the difference."""

import dataclasses
import urllib.error
import urllib.request

import pytest

from contracts.errors import BAD_USAGE, TandemError
from provision import lock as locks
from provision.links import Links
from tests.integration.operator_at_work import LOCK, Operator, Watched

pytestmark = pytest.mark.timeout(900)
NODE = "node-2"


@pytest.fixture(scope="module")
def operator(make_machines):
    made = make_machines(2)
    with Links(made.inventory) as links:
        yield Operator(made.inventory, made.state, links)


@pytest.fixture
def site(operator):
    """Give the folder of a node's packages; what a test does to one of them is undone."""
    pattern = f"/opt/tandem/env/{locks.load(LOCK).fingerprint}/lib/python3.*/site-packages"
    folder = operator.run(NODE, "sh", "-c", f"echo {pattern}").strip()
    operator.run(NODE, "sh", "-c", f"mkdir -p ~/kept && cp -a {folder}/toolz* ~/kept/")
    yield folder
    operator.run(NODE, "sh", "-c", f"rm -rf {folder}/toolz* && cp -a ~/kept/toolz* {folder}/")
    operator.run(NODE, "rm", "-rf", "/home/tandem/kept")


@pytest.fixture
def no_index(monkeypatch):
    """Point the nodes at a package index that does not answer."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")


DAMAGES = {
    "a file is missing": ("rm {0}/toolz/recipes.py", "toolz/recipes.py is missing"),
    "a file was cut short": ("truncate -s 10 {0}/toolz/recipes.py", "has 10 bytes"),
    "a package is missing": ("rm -rf {0}/toolz {0}/toolz-*", "toolz - (lock: 1."),
    "another version": (
        "mv {0}/toolz-*.dist-info {0}/toolz-0.1.0.dist-info",
        "toolz 0.1.0 (lock: 1.",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_difference_that_cannot_be_mended_is_named_and_nothing_joins(
    operator, site, no_index, name
):
    command, words = DAMAGES[name]
    operator.run(NODE, "sh", "-c", command.format(site))
    watched = Watched()
    with pytest.raises(TandemError) as caught:
        operator.start("dask", 2, watched)
    told = str(caught.value)
    assert NODE in told
    assert words in told
    assert "wheelhouse" in told, "the next step"
    assert not {step for _, step in watched.steps()} & {"dask head", "dask join"}
    assert operator.records("node-1") == {}


def test_a_damaged_package_is_installed_again(operator, site):
    if not index_answers():
        pytest.skip("no package index can be reached from here")
    command, _ = DAMAGES["a file is missing"]
    operator.run(NODE, "sh", "-c", command.format(site))
    operator.run(NODE, "rm", "-r", f"{site}/toolz/tests/__pycache__")
    started = operator.start("dask", 2)
    repaired = [words for words in started.changed if "environment repaired" in words]
    assert len(repaired) == 1
    assert repaired[0].startswith(f"{NODE}: ")
    operator.run(NODE, "test", "-f", f"{site}/toolz/recipes.py")
    await_compiled(operator, f"{site}/toolz/tests/test_utils.py")
    assert operator.start("dask", 2).changed == ()
    operator.stop()


def await_compiled(operator, module):
    """Nobody imports it: it was compiled with all others, after bring-up went on."""
    folder, name = module.removesuffix(".py").rsplit("/", 1)
    look = f"until ls {folder}/__pycache__/{name}.cpython-*.pyc; do sleep 0.5; done"
    operator.run(NODE, "timeout", "50", "sh", "-c", look)


def test_a_machine_smaller_than_its_inventory_says_is_named(operator, tmp_path):
    nodes = tuple(
        dataclasses.replace(node, memory_bytes=2**50) for node in operator.inventory.nodes
    )
    wishful = operator.with_inventory(tmp_path, nodes=nodes)
    with pytest.raises(TandemError, match="memory_bytes is") as caught:
        wishful.start("dask", 2)
    wishful.links.close()
    assert caught.value.exit_code == BAD_USAGE
    assert str(caught.value).count("memory_bytes is") == 2, "every node's complaint is told"


def test_an_address_that_is_not_the_machines_own_is_named(operator, tmp_path):
    head, worker = operator.inventory.nodes
    swapped = (
        dataclasses.replace(head, private_ip=worker.private_ip),
        dataclasses.replace(worker, private_ip=head.private_ip),
    )
    mistaken = operator.with_inventory(tmp_path, nodes=swapped)
    with pytest.raises(TandemError, match="is not an address of that machine"):
        mistaken.start("dask", 2)
    mistaken.links.close()


def index_answers():
    """Say whether this computer reaches a package index."""
    try:
        urllib.request.urlopen("https://pypi.org/simple/toolz/", timeout=10).close()
    except (OSError, urllib.error.URLError):
        return False
    return True
