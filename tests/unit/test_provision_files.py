"""What provision writes beside the machines: wheel, ssh_config, waterfall, settings."""

import dataclasses
import io
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from contracts import ports
from contracts.endpoint import Endpoint
from contracts.errors import UsageError
from contracts.progress import Event, tell_nobody
from provision import code_bundle, dask_cluster, engine_settings, ray_cluster, ssh_config
from provision.node import monitor
from provision.place import Place
from provision.remote_run import _checked, _series, driver_environment
from provision.status import NodeStatus, _state
from tasks.waterfall import Waterfall
from tests.unit.provision_examples import GIB, inventory, node
from workloads.forest.exact import kernel_build

ROOT = Path(__file__).resolve().parents[2]
PLACE = Place("/home/a/.tandem", "/opt/tandem/env/f", "/home/a/.tandem/code/c", GIB)


def wheel(**members):
    """Return a wheel of these members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/"), text)
    return content.getvalue()


def test_the_wheel_has_every_stage_and_is_built_once(tmp_path):
    first = code_bundle.build(tmp_path)
    with zipfile.ZipFile(io.BytesIO(first.content)) as archive:
        names = set(archive.namelist())
    expected = {"contracts/errors.py", "workloads/driver/run.py", "provision/node/check.py"}
    assert expected <= names
    before = [path.stat().st_mtime_ns for path in (tmp_path / "code").iterdir()]
    assert code_bundle.build(tmp_path) == first
    assert [path.stat().st_mtime_ns for path in (tmp_path / "code").iterdir()] == before


def project(folder, *, script):
    """Make a project of two packages whose wheel is built after a script ran."""
    for package in code_bundle.PACKAGES:
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(
        (ROOT / "pyproject.toml").read_text().split("[tool.ruff]")[0].replace(
            "workloads/forest/exact/kernel_build.py", "workloads/make.py"
        )
    )  # fmt: skip
    (folder / "README.md").write_text("")
    (folder / "workloads" / "make.py").write_text(script)
    return folder


def test_what_a_script_makes_before_the_build_is_in_the_wheel_and_in_its_name(tmp_path):
    script = "import pathlib; pathlib.Path('workloads/made.so').write_text('{}')"
    root = project(tmp_path / "project", script=script.format(1))
    one = code_bundle.build(tmp_path, root)
    with zipfile.ZipFile(io.BytesIO(one.content)) as archive:
        assert archive.read("workloads/made.so") == b"1"
    (root / "workloads" / "make.py").write_text(script.format(2))
    assert code_bundle.build(tmp_path, root).fingerprint != one.fingerprint
    assert one.notes == ()


def test_a_script_that_fails_costs_a_note_and_no_wheel(tmp_path):
    root = project(tmp_path / "project", script="import sys; sys.exit('no compiler here')")
    made = code_bundle.build(tmp_path, root)
    assert made.notes == ("no compiler here",)
    assert made.content


def test_the_kernels_of_this_machine_are_in_the_wheel(tmp_path):
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no C compiler")
    made = code_bundle.build(tmp_path)
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".so")]
    assert [Path(name).name for name in names] == [kernel_build.file_name()]


def test_an_operator_without_a_compiler_is_told(tmp_path):
    script = ROOT / "workloads" / "forest" / "exact" / "kernel_build.py"
    alone = tmp_path / "kernel_build.py"
    shutil.copy(script, alone)
    shutil.copytree(script.with_name("kernel"), tmp_path / "kernel")
    done = subprocess.run(
        [sys.executable, "-I", str(alone)],
        capture_output=True, text=True, timeout=60, check=False, env={"PATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "The nodes get no compiled kernels: no kernel-" in done.stderr


def test_code_is_named_by_what_nodes_run_of_it():
    one = code_bundle.fingerprint(wheel(workloads__a="1", tasks__b="1"))
    assert one == code_bundle.fingerprint(wheel(tasks__b="2", workloads__a="1"))
    assert one != code_bundle.fingerprint(wheel(workloads__a="2", tasks__b="1"))
    assert one != code_bundle.fingerprint(wheel(workloads__c="1"))


def test_a_build_that_fails_says_the_builders_words(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 3\n")
    with pytest.raises(Exception, match="could not be built") as caught:
        code_bundle.build(tmp_path / "state", tmp_path)
    assert "name" in str(caught.value)


def test_openssh_reads_the_configuration_as_it_is_meant(tmp_path):
    key = tmp_path / "a key with 100%"
    machines = inventory(3, ssh_key_path=str(key))
    path = ssh_config.write(machines, tmp_path)
    alias = ssh_config.alias(machines, machines.node("worker-1"))
    done = subprocess.run(
        ["ssh", "-G", "-F", str(path), alias], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    read = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    assert read["hostname"] == "127.0.0.1"
    assert read["port"] == "2201"
    assert read["user"] == "tandem"
    assert read["stricthostkeychecking"] in ("true", "yes")
    assert read["identitiesonly"] == "yes"
    assert "a key with 100%" in read["identityfile"]
    known = (tmp_path / "known_hosts").read_text().splitlines()
    assert known[1] == f"[127.0.0.1]:2201 {machines.nodes[1].host_key}"


def test_a_jump_and_a_path_that_openssh_cannot_hold(tmp_path):
    head, worker, *_ = inventory(3).nodes
    behind = inventory(2, nodes=(head, dataclasses.replace(worker, jump="head")))
    text = ssh_config.write(behind, tmp_path).read_text()
    assert "ProxyJump example-head" in text
    with pytest.raises(UsageError, match="double quotes"):
        ssh_config.write(inventory(1, ssh_key_path='/a"b'), tmp_path)


@pytest.mark.parametrize(("cpus", "slots"), [(0.3, 1), (1.0, 1), (1.9, 1), (4.0, 4)])
def test_each_whole_cpu_is_a_slot_and_dask_has_a_worker_for_each(cpus, slots):
    machine = node(1, cpus=cpus)
    assert engine_settings.slots(machine) == slots
    names = dask_cluster.worker_names(machine)
    assert names[0] == "worker-1"
    assert len(names) == len(set(names)) == slots
    request = dask_cluster.start_request(machine, node(), PLACE)
    assert request["memory"] * slots <= machine.memory_bytes
    assert {one["port"] for one in request["workers"]} <= set(
        range(ports.DASK_WORKERS.first, ports.DASK_WORKERS.last + 1)
    )


@pytest.mark.parametrize("module", [ray_cluster, dask_cluster])
def test_no_secret_is_in_what_a_starter_is_told(module):
    request = module.start_request(node(1), node(), PLACE)
    assert "PRIVATE KEY" not in str(request)
    assert request["environment"]["PYTHONPATH"] == PLACE.code
    assert request["environment"]["OMP_NUM_THREADS"] == "1"
    assert request["head"] == "10.0.0.10"


def test_rays_settings_are_those_that_survive_faults():
    request = ray_cluster.start_request(node(1), node(), PLACE)
    variables = request["environment"]
    assert variables["RAY_AUTH_MODE"] == "token"
    assert variables["RAY_AUTH_TOKEN_PATH"] == f"{PLACE.home}/credentials/ray_token"
    assert variables["RAY_grpc_client_keepalive_time_ms"] == "5000"
    assert variables["RAY_gcs_rpc_server_reconnect_timeout_s"] == "15"
    assert request["object_store"] <= PLACE.shared_memory


def test_the_driver_has_the_settings_of_its_engine():
    endpoint = Endpoint(
        cluster_id="example", generation=1, engine="dask", address="tls://x", dashboard_port=1,
        nodes=("head",), slots={"head": 1}, credentials={}, environment=PLACE.environment,
        code=PLACE.code, home=PLACE.home, lock_fingerprint="f", code_fingerprint="c",
        started_at="now",
    )  # fmt: skip
    found = driver_environment(endpoint)
    assert found["DASK_DISTRIBUTED__SCHEDULER__ACTIVE_MEMORY_MANAGER__START"] == "false"
    assert found["PYTHONPATH"] == PLACE.code


@pytest.mark.parametrize(
    "folder", ["../etc", "a/b", "", "a;b", "A", ".hidden", "a..b", "x" * 80]
)
def test_a_run_is_named_by_a_plain_word(folder):
    with pytest.raises(UsageError):
        _checked(folder)
    assert _checked("0a1b-2") == "0a1b-2"


def test_samples_that_are_no_samples_are_left_out():
    rows = [[20.0, 0.5, 100, 7000, 900], "x", [1, 2], [10.0, 0.25, 200, 7500, 2900]]
    assert _series(rows, 30.0) == {
        "seconds": [10.0, 20.0],
        "cpu": [0.5, 0.25],
        "memory": [100.0, 200.0],
        "sent": [0.0, 500.0],
        "received": [0.0, 2000.0],
    }
    assert _series([[20.0, 0.5, 100]], 30.0)["seconds"] == []


TABLE = """Inter-|   Receive                       |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes packets errs
    lo: 999999 1 0 0 0 0 0 0 999999 1 0 0 0 0 0 0
  eth0:1200 10 0 0 0 0 0 0 3400 20 0 0 0 0 0 0
  ens5: 30 10 0 0 0 0 0 0 500 20 0 0 0 0 0 0
"""


def test_what_stays_on_the_machine_is_not_moved(tmp_path):
    table = tmp_path / "dev"
    table.write_text(TABLE)
    assert monitor.moved(str(table)) == (3900, 1230)
    assert min(monitor.moved()) >= 0


def test_samples_are_read_once_there_is_one_that_is_younger(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".tandem"
    folder.mkdir()
    path = folder / monitor.FILE
    begin = time.monotonic()
    old = "".join(f"[{begin - age}, 0.5, 100, {50 - age}, 0]\n" for age in (40, 8, 1))
    path.write_text(f"{old}[{begin - 5}, 0.5, 100]\ntorn\n")

    def sample(seconds):
        line = f"[{time.monotonic()}, 0.25, 300, 77, 5]\n"
        path.write_text(path.read_text() + line)

    monkeypatch.setattr(monitor.time, "sleep", sample)
    found = monitor.main({"seconds": 10}, None)
    assert [one[1:] for one in found] == [
        [0.5, 100, 42, 0],
        [0.5, 100, 49, 0],
        [0.25, 300, 77, 5],
    ]
    assert found[-1][0] < 1 < found[0][0] < 10


def test_a_monitor_that_is_gone_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(monitor, "EVERY_SECONDS", 0.05)
    assert monitor.main({"seconds": 10}, None) == []


@pytest.mark.parametrize(
    ("records", "told", "state"),
    [
        ({}, None, "idle"),
        ({"ray": {"complete": True, "missing": []}}, {"tasks": 0}, "up"),
        ({"ray": {"complete": True, "missing": []}}, None, "joining or lost"),
        ({"ray": {"complete": False, "missing": ["raylet"]}}, None, "broken"),
    ],
)
def test_the_state_of_a_node(records, told, state):
    found, detail = _state(node(), records, None, {}, told)
    assert found == state
    assert (detail == "") == (state in ("idle", "up"))
    assert NodeStatus("a", "head", found).tasks is None


def test_a_waterfall_draws_each_step_where_it_ran():
    waterfall = Waterfall(tell_nobody)
    assert waterfall.text() == ""
    waterfall(Event("head", "check", "started"))
    waterfall(Event("head", "check", "done", 0.0))
    waterfall(Event("head", "ray head", "failed", 0.0, "no"))
    lines = waterfall.text().splitlines()
    assert [line.split()[0] for line in lines] == ["head", "ray"]
    assert all("█" in line for line in lines)
