"""Limits over SSH: bring-up sets them, `cluster.extend` moves them, nobody has to be there.

The machine's user may become root as on a cloud's image, by a stand-in for sudo.
"""

import datetime
import json
import os
import subprocess
import time

import pytest

from infra import ssh_keys
from tests.command_line import FAB, ROOT, fab
from tests.integration.own_machines import inventory, own_machines

pytestmark = [
    pytest.mark.containers,
    pytest.mark.usefixtures("engine"),
    pytest.mark.timeout(900),
]
IDLE_SECONDS = 12
# A copy of Python that starts as root does what sudo does, which the image lacks.
SUDO = """#!/bin/sh
test "$1" = -n && shift
exec /usr/local/bin/root-python -I -S -c 'import os, sys
os.setgroups([]); os.setgid(0); os.setuid(0); os.execvp(sys.argv[1], sys.argv[1:])' "$@"
"""


class Operator:
    """One machine of its own with limits, and the verbs on it."""

    def __init__(self, machine, key_path, folder):
        self.machine = machine
        self.state = folder / "state"
        self.path = folder / "machines.json"
        now = datetime.datetime.now(datetime.UTC)
        document = json.loads(inventory([machine], str(key_path)))
        document["created_at"] = now.isoformat(timespec="seconds")
        end = now + datetime.timedelta(hours=3)
        document |= {
            "expires_at": end.isoformat(timespec="seconds"),
            "ttl_hours": 3.0,
            "idle_minutes": 30,
        }
        self.write(document)

    def write(self, document):
        self.path.write_text(json.dumps(document))

    def change(self, **values):
        self.write({**json.loads(self.path.read_text()), **values})

    def fab(self, *arguments):
        return fab(*arguments, "--inventory", str(self.path), state=self.state)

    def report(self):
        code, text = self.machine.run("cat", "/run/tandem-watchdog.json", user="root")
        assert code == 0, text
        return json.loads(text)

    def lives(self):
        self.machine.container.reload()
        return self.machine.container.status == "running"


@pytest.fixture
def operator(tmp_path):
    key_path = tmp_path / "id_ed25519"
    with own_machines(1, ssh_keys.operator_key(key_path)) as made:
        machine = made[0]
        machine.run("sh", "-c", "cp /usr/bin/python3 /usr/local/bin/root-python && "
                    "chmod 4755 /usr/local/bin/root-python", user="root")  # fmt: skip
        machine.put("/usr/bin/sudo", SUDO.encode(), 0o755)
        yield Operator(machine, key_path, tmp_path)


def test_bring_up_sets_the_limits_once_and_extend_moves_them(operator):
    first = operator.fab("cluster.start", "--engine", "dask", "--json")
    assert first.code == 0, first.err
    assert "own-0: watchdog started" in first.document["changed"]
    report = operator.report()
    assert 2.9 * 3600 < report["seconds_left"] < 3 * 3600
    assert report["idle_limit"] == 1800
    mode = operator.machine.run("stat", "-c", "%a %U", "/etc/tandem/limits.json", user="root")
    assert mode[1].strip() == "600 root"
    again = operator.fab("cluster.start", "--engine", "dask", "--json")
    assert again.document["changed"] == []
    extended = operator.fab("cluster.extend", "--hours", "5", "--json")
    assert extended.code == 0, extended.err
    time.sleep(12)  # the watchdog reads its limits every ten seconds
    assert 4.9 * 3600 < operator.report()["seconds_left"] <= 5 * 3600 + 1
    unchanged = operator.fab("cluster.extend", "--hours", "4", "--json")
    assert unchanged.document["changed"] is False


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_an_engine_without_work_is_idle_once_its_operator_was_killed(operator, engine):
    started = operator.fab("cluster.start", "--engine", engine, "--json")
    assert started.code == 0, started.err
    command = [*FAB, "cluster.logs", "--follow", "--inventory", str(operator.path)]
    watcher = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TANDEM_STATE": str(operator.state)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(10)
        limits = json.dumps({"expires_at": None, "idle_seconds": IDLE_SECONDS})
        operator.machine.run(
            "sh", "-c", f"echo '{limits}' | python3 -I -S /opt/tandem/watchdog.pyz set",
            user="root",
        )  # fmt: skip
        time.sleep(IDLE_SECONDS + 15)
        assert operator.lives(), "it ended under an SSH session"
        assert operator.report()["use"] == "an SSH session"
    finally:
        watcher.kill()
        watcher.wait(timeout=20)
    give_up = time.monotonic() + 120
    while operator.lives():
        assert time.monotonic() < give_up, operator.report()
        time.sleep(1)


def test_a_machine_whose_user_may_not_become_root_is_named(operator):
    operator.machine.run("rm", "/usr/bin/sudo", user="root")
    answered = operator.fab("cluster.start", "--engine", "dask")
    assert answered.code == 1
    assert "own-0" in answered.err
    assert "sudo" in answered.err
    operator.change(expires_at=None, ttl_hours=None, idle_minutes=None)
    assert operator.fab("cluster.start", "--engine", "dask").code == 0


def test_a_budget_that_is_spent_soon_shortens_the_time(operator):
    document = json.loads(operator.path.read_text())
    document["nodes"][0] |= {"hourly_price": 0.5, "currency": "EUR"}
    operator.write(document)
    answered = operator.fab("cluster.start", "--engine", "dask", "--budget", "0.5")
    assert answered.code == 0, answered.err
    assert operator.report()["seconds_left"] < 3600
    refused = operator.fab("cluster.extend", "--hours", "2")
    assert refused.code == 4
    assert "budget" in refused.err
