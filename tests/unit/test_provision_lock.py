"""The lock, and what a node's environment must be for it."""

from pathlib import Path

import pytest

from contracts.errors import UsageError
from provision import lock as locks
from provision.environment_plan import environment_plan, table
from provision.lock import Lock, differences, markers_of
from provision.python_env import part_done
from tests.unit.provision_examples import environment, facts

TEXT = b"""\
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:00 \\
    --hash=sha256:01
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:02
Typing_Extensions==4.1.0 \\
    --hash=sha256:03
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:04
"""
LOCK = Lock(Path("requirements.lock"), TEXT, "f" * 16)
GOOD = {"numpy": "2.4.6", "typing-extensions": "4.1.0"}
ROOT = Path(__file__).resolve().parents[2]


def markers(python="3.11.2"):
    return markers_of(python=python, system="Linux", machine="x86_64", release="6.1")


@pytest.mark.parametrize(("python", "numpy"), [("3.11.2", "2.4.6"), ("3.12.0", "2.5.5")])
def test_markers_decide_which_versions_a_node_has(python, numpy):
    assert LOCK.expected(markers(python)) == {**GOOD, "numpy": numpy}


def test_the_projects_own_lock_is_understood_whole():
    lock = locks.load(ROOT / "requirements.lock")
    expected = lock.expected(markers())
    assert {"ray", "distributed", "scikit-learn", "numpy"} <= set(expected)
    assert not {"pytest", "pulumi", "fabric"} & set(expected)
    assert all(version for version in expected.values())


def test_a_missing_lock_says_where_to_run(tmp_path):
    with pytest.raises(UsageError, match="run fab from the project's folder"):
        locks.load(tmp_path / "requirements.lock")


def test_differences_name_what_is_missing_other_and_too_much():
    found = {"numpy": "2.4.5", "six": "1.0"}
    assert differences(GOOD, found) == (
        ("numpy", "2.4.6", "2.4.5"),
        ("six", "-", "1.0"),
        ("typing-extensions", "4.1.0", "-"),
    )
    assert "numpy" in table(differences(GOOD, found))


@pytest.mark.parametrize(
    ("name", "environments", "action", "path"),
    [
        ("none", (), "create", "/home/tandem/.tandem/env/" + "f" * 16),
        ("good", (environment(GOOD),), "keep", "/opt/tandem/env/x"),
        ("one package old", (environment({**GOOD, "numpy": "2"}),), "repair",
         "/opt/tandem/env/x"),
        ("one package too many", (environment({**GOOD, "six": "1"}),), "repair",
         "/opt/tandem/env/x"),
        ("wrong, and not ours to mend", (environment({}, writable=False),), "create",
         "/home/tandem/.tandem/env/" + "f" * 16),
        ("the second is good", (environment({}), environment(GOOD, path="/home/x")), "keep",
         "/home/x"),
    ],
)  # fmt: skip
def test_which_environment_a_node_uses(name, environments, action, path):
    plan = environment_plan(facts(environments=environments), LOCK)
    assert (plan.action, plan.path) == (action, path), name


def test_a_package_that_lost_a_file_is_installed_again_and_named():
    damaged = {"numpy": ("numpy/core.py is missing",)}
    plan = environment_plan(facts(environments=(environment(GOOD, damaged=damaged),)), LOCK)
    assert plan.action == "repair"
    assert plan.reinstall == ("numpy",)
    assert "numpy/core.py is missing" in plan.reason


def test_the_reason_names_the_package_and_both_versions():
    plan = environment_plan(facts(environments=(environment({**GOOD, "numpy": "2.0"}),)), LOCK)
    assert "numpy 2.0 (lock: 2.4.6)" in plan.reason


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("Prepared 85 packages in 12.34s", ("download", 12.34)),
        ("Installed 1 package in 543ms", ("install", 0.543)),
        ("Bytecode compiled 4021 files in 1m 05s", ("compile", 65.0)),
        ("Resolved 3 packages in 2s", None),
        (" + ray==2.60.0", None),
    ],
)
def test_download_and_install_are_told_apart_by_what_uv_says(line, part):
    assert part_done(line) == part
