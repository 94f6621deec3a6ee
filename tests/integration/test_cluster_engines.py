"""What both engines share: switching, open doors, ports, runs at work, logs, the end."""

import dataclasses
import json
import os
import signal
import subprocess
import threading

import pytest

from contracts import ports
from contracts.errors import (
    REFUSED,
    RefusedError,
    TandemError,
)
from provision import (
    engine_settings,
    remote_program,
    remote_run,
)
from tests.command_line import FAB, ROOT
from tests.integration.operator_at_work import NAMES

pytestmark = pytest.mark.timeout(900)


def test_switching_engines_ends_one_and_starts_the_other(operator):
    operator.start("ray", 3)
    switched = operator.start("dask", 3)
    assert {f"{name}: ray stopped" for name in NAMES} <= set(switched.changed)
    for name in NAMES:
        assert not operator.processes(name, "raylet")
        assert "dask.json" in operator.records(name)
    assert operator.start("dask", 3).changed == ()


CARELESS = {
    "ray_start": {"    _check_token()\n    folder": "    folder"},
    "dask_start": {
        'protocol="tls"': 'protocol="tcp"',
        "tls://": "tcp://",
        "require_encryption=True": "require_encryption=False",
        "if not refuses(host, port):": "if False:",
    },
}


@pytest.mark.parametrize("kind", ["ray", "dask"])
def test_an_engine_that_lets_strangers_in_is_ended_and_does_not_count_as_up(
    operator, monkeypatch, kind
):
    """Take the authentication out of what is started: the proof must find that."""
    operator.stop()
    text = remote_program._source

    def careless(module):
        found = text(module)
        for old, new in CARELESS.get(module, {}).items():
            assert old in found
            found = found.replace(old, new)
        return found

    monkeypatch.setattr(remote_program, "_source", careless)
    monkeypatch.setattr(engine_settings, "DASK", {})
    monkeypatch.setitem(engine_settings.RAY, "RAY_AUTH_MODE", "disabled")
    with pytest.raises(TandemError, match="lets a client in that has no ") as caught:
        operator.start(kind, 2)
    assert caught.value.exit_code == REFUSED
    assert not (operator.state / "endpoint.json").exists()
    open_ports = {ports.DASK_WORKERS.first, ports.RAY_NODE_MANAGER.first}
    for name in NAMES[:2]:
        assert f"{kind}.json" not in operator.records(name)
        assert not open_ports & {port for _, port in operator.listeners(name)}


@pytest.mark.parametrize("kind", ["ray", "dask"])
def test_only_known_ports_listen_and_dashboards_on_loopback_only(operator, kind):
    operator.start(kind, 3)
    known = {port for one in ports.PORTS for port in range(one.first, one.last + 1)}
    for name in NAMES:
        own = operator.address(name)
        for where, port in operator.listeners(name):
            if where.startswith(("127.", "[::1]")):
                continue
            assert port in known, f"{kind} on {name} listens on {where}:{port}"
            if kind == "dask" and port != ports.SSH.first:
                assert where == own, f"{kind} on {name} listens on {where}:{port}"


def test_without_an_engine_environment_code_and_monitor_stay(operator):
    operator.start("dask", 1)
    prepared = operator.prepare(1)
    assert prepared.endpoint.engine == "plain"
    assert prepared.endpoint.credentials == {}
    assert set(operator.records("node-1")) == {"monitor.json"}
    assert not (operator.state / "endpoint.json").exists()
    operator.run("node-1", "test", "-d", prepared.endpoint.code)
    assert operator.prepare(1).changed == ()


def test_a_run_at_work_is_not_ended_by_another_wish(operator):
    started = operator.start("dask", 2)
    remote_run.launch(operator.links, waiting(operator, started.endpoint), "busy", b"{}")
    try:
        assert operator.status().nodes[0].run == "busy"
        with pytest.raises(RefusedError, match="busy"):
            operator.start("dask", 1)
        assert operator.start("dask", 2).changed == ()
    finally:
        assert remote_run.stop(operator.links, "node-1", "busy")
    assert operator.start("dask", 1).endpoint.nodes == ("node-1",)


def waiting(operator, endpoint):
    """Return an endpoint whose driver does nothing but wait."""
    script = "mkdir -p ~/waiting/workloads && echo 'import time; time.sleep(600)' > "
    operator.run("node-1", "sh", "-c", f"{script}~/waiting/workloads/driver.py")
    return dataclasses.replace(endpoint, code="/home/tandem/waiting")


def test_samples_of_each_machine_can_be_read_back(operator):
    operator.start("dask", 2)
    found = remote_run.timeline(operator.links, ["node-1", "node-2"], 30)
    assert set(found) == {"node-1", "node-2"}
    for series in found.values():
        assert len(series["seconds"]) == len(series["cpu"]) == len(series["memory"]) > 0
        assert all(0 <= at <= 30 for at in series["seconds"])
        assert all(used > 0 for used in series["memory"])
        assert series["seconds"][-1] > 28.5
        for name in ("sent", "received"):  # at least what this test's own SSH moved
            assert series[name] == sorted(series[name])
            assert series[name][-1] > series[name][0] == 0


def test_logs_and_ssh_reach_a_node_by_name(operator):
    operator.start("dask", 2)
    answered = operator.fab("cluster.logs", "--node", "node-1", "--lines", "5", "--json")
    assert answered.code == 0, answered.err
    assert any("dask.log" in name for name in answered.document["nodes"]["node-1"])
    printed = operator.fab("cluster.ssh", "--node", "node-2", "--print-only", "--json")
    assert printed.document["command"][-1].endswith("-node-2")
    missing = operator.fab("cluster.logs", "--node", "nobody")
    assert missing.code == 2
    assert "--node with one of node-1, node-2, node-3" in missing.err


def test_logs_are_followed_line_by_line_until_interrupted(operator):
    operator.start("dask", 1)
    command = [*FAB, "cluster.logs", "--follow", "--json", "--node", "node-1"]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "TANDEM_STATE": str(operator.state)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as following:  # fmt: skip
        killer = threading.Timer(60, following.kill)
        killer.start()
        try:
            line = json.loads(following.stdout.readline())
            following.send_signal(signal.SIGINT)
            rest, complaint = following.stdout.read(), following.stderr.read()
            following.wait()
        finally:
            killer.cancel()
    assert following.returncode == 0, complaint
    assert (line["node"], set(line)) == ("node-1", {"node", "file", "line"})
    assert all(isinstance(json.loads(one), dict) for one in rest.splitlines())


def test_stopping_ends_everything_and_again_nothing(operator):
    operator.start("ray", 2)
    answered = operator.fab("cluster.stop", "--json")
    assert answered.code == 0, answered.err
    assert "node-1: ray stopped" in answered.document["stopped"]
    for name in NAMES:
        assert operator.records(name) == {}
        assert not operator.processes(name, "/.tandem")
    again = operator.fab("cluster.stop")
    assert again.code == 0
    assert again.out == "Nothing was running.\n"
    assert operator.fab("cluster.dashboard").code == 2
