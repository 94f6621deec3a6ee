"""The structure: data flows one way, and the imports say so."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("cost", "infra", "provision", "workloads")
ALLOWED = {
    "contracts": {"contracts"},
    "cost": {"contracts", "cost"},
    "infra": {"contracts", "infra"},
    "provision": {"contracts", "provision"},
    "workloads": {"contracts", "workloads"},
    "policy": {"contracts", "policy"},
    "tasks": {"contracts", "tasks", *STAGES},
}
SHADOWED = {"ray", "dask", "openstack", "docker", "fabric", "pulumi", "distributed"}


def imports(source: str) -> set[str]:
    """Return the top-level packages that a module imports, anywhere in it."""
    found = set()
    for item in ast.walk(ast.parse(source)):
        if isinstance(item, ast.Import):
            found |= {alias.name.split(".")[0] for alias in item.names}
        elif isinstance(item, ast.ImportFrom) and item.level == 0 and item.module:
            found.add(item.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_a_stage_imports_contracts_and_itself_only(package):
    ours = set(ALLOWED)
    for path in (ROOT / package).rglob("*.py"):
        arrows = imports(path.read_text()) & ours
        assert arrows <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {arrows}"


def test_the_check_sees_an_arrow_that_does_not_belong():
    hidden = "def f():\n    from provision import bringup\n    import infra.program\n"
    assert imports(hidden) == {"provision", "infra"}


def test_contracts_need_the_standard_library_only():
    import sys

    for path in (ROOT / "contracts").rglob("*.py"):
        foreign = imports(path.read_text()) - set(sys.stdlib_module_names) - {"contracts"}
        assert not foreign, f"{path.name} imports {foreign}"


def test_no_module_of_ours_shadows_a_library():
    for package in (*ALLOWED, "."):
        for path in (ROOT / package).glob("*"):
            assert path.stem not in SHADOWED, path


def pins(name: str) -> set[str]:
    lines = (ROOT / name).read_text().splitlines()
    return {line.split(" ")[0] for line in lines if "==" in line and line[0] != " "}


OF_WORKLOADS = [str(one.relative_to(ROOT)) for one in ROOT.glob("workloads/*/*.lock")]
LOCKS = ["requirements.lock", "requirements-operator.lock", "bench/peers.lock", *OF_WORKLOADS]


@pytest.mark.parametrize("name", [*LOCKS, "tests/doubles/openstack/services.lock"])
def test_a_lock_names_hashes_and_no_index(name):
    text = (ROOT / name).read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


@pytest.mark.parametrize("name", LOCKS[1:])
def test_the_operator_and_the_peers_have_the_same_versions_as_the_nodes(name):
    assert pins("requirements.lock") <= pins(name)


def test_a_workload_with_packages_of_its_own_has_a_lock_and_the_operator_has_them_too():
    named = re.search(r"^HEAVY := (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert {Path(one).parent.name for one in OF_WORKLOADS} == set(named[1].split())
    operator = pins("requirements-operator.lock")
    for name in OF_WORKLOADS:
        assert pins(name) <= operator, name
