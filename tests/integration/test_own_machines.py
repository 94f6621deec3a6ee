"""Machines of one's own: prepared from nothing, and reached from one that is head itself."""

import sys

import pytest

from infra import ssh_keys
from infra.local_nodes import LOCK
from provision.lock import load
from tests.command_line import fab
from tests.integration.own_machines import USER, inventory, own_machines

pytestmark = [
    pytest.mark.containers,
    pytest.mark.usefixtures("engine"),
    pytest.mark.timeout(1500),
]
ROOT = LOCK.parent


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "id_ed25519"
    return path, ssh_keys.operator_key(path)


@pytest.fixture(scope="module")
def machines(key):
    with own_machines(2, key[1]) as made:
        reach = (
            "import urllib.request; urllib.request.urlopen('https://pypi.org/simple/six/', "
            "timeout=20)"
        )
        code, told = made[1].run("python3", "-c", reach)
        if code != 0:
            pytest.skip(f"machines reach no package index: {told[-200:]}")
        yield made


@pytest.fixture
def operator(machines, key, tmp_path):
    path = tmp_path / "machines.json"
    path.write_text(inventory(machines, str(key[0])))
    return lambda *arguments: fab(
        *arguments, "--inventory", str(path), state=tmp_path / "state", timeout=1200
    )


def processes(machines):
    """List what Tandem still runs there; a worker may end before it is told to."""
    return "".join(one.run("pgrep", "-af", "program[.]run")[1] for one in machines)


def test_plain_machines_get_the_environment_and_become_a_cluster(machines, operator):
    lock = load(LOCK)
    answered = operator("cluster.start", "--engine", "dask", "--json")
    assert answered.code == 0, answered.err
    assert answered.document["endpoint"]["nodes"] == ["own-0", "own-1"]
    created = [words for words in answered.document["changed"] if "environment" in words]
    assert created == ["own-1: environment created (there is none for this lock)"]
    path = f"/home/{USER}/.tandem/env/{lock.fingerprint}/bin/python"
    code, told = machines[1].run(path, "-c", "import sklearn, ray, distributed")
    assert code == 0, told
    assert "program.run" in processes(machines)
    again = operator("cluster.start", "--engine", "dask", "--json")
    assert again.code == 0, again.err
    assert again.document["changed"] == []
    stopped = operator("cluster.stop", "--json")
    assert "own-0: dask stopped" in stopped.document["stopped"]
    assert processes(machines) == ""


def test_the_operator_itself_can_be_the_head(machines, key):
    """On the first machine, with its own account, reach the second and itself."""
    head = machines[0]
    code, told = head.run("python3", "-c", "import sys; print(*sys.version_info[:2], sep='.')")
    own = ".".join(map(str, sys.version_info[:2]))
    if told.strip() != own:
        pytest.skip(f"the operator's libraries are for Python {own}, not {told.strip()}")
    uid = int(head.run("id", "-u")[1])
    home = f"/home/{USER}"
    head.put(f"{home}/.ssh/id_ed25519", key[0].read_bytes(), 0o600, uid)
    text = inventory(machines, "~/.ssh/id_ed25519", inside=True)
    head.put(f"{home}/machines.json", text.encode(), 0o644, uid)
    library = f"/operator/lib/python{own}/site-packages"

    def verb(*arguments):
        words = ("python3", "-m", "fabric", "--search-root", str(ROOT), *arguments)
        return head.run(
            *words,
            "--inventory",
            f"{home}/machines.json",
            PYTHONPATH=f"{library}:{ROOT}",
            PYTHONDONTWRITEBYTECODE="1",
            TANDEM_STATE=f"{home}/state",
        )

    code, told = verb("cluster.start", "--engine", "dask")
    assert code == 0, told
    assert "dask on own-0, own-1" in told
    code, told = verb("cluster.start", "--engine", "dask")
    assert code == 0, told
    assert "Nothing to change: dask on own-0, own-1" in told
    code, told = verb("cluster.stop")
    assert code == 0, told
    assert "own-0: dask stopped" in told
    assert processes(machines) == ""
