"""Machines for the tests: real containers with sshd, made by the project's own driver."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from contracts.inventory import Inventory
from infra import docker_engine, local_nodes
from infra.local_nodes import LocalSettings
from infra.settings import parse_size

# A shell starts what runs in the background with Ctrl-C ignored, and children would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Machines:
    """A set of local machines: their inventory, and the state folder of their operator."""

    inventory: Inventory
    state: Path


MachinesMaker = Callable[..., Machines]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses machines, so that `make quick` leaves it out."""
    for item in items:
        if {"machines", "make_machines", "broken"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("containers")


class MachinesInOneProcess(LoadScopeScheduling):
    """One process does all tests with machines, in order; the other begins with the rest."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith("tests/unit/") else "machines"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Divide the tests between two processes."""
    return MachinesInOneProcess(config, log)


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip where there is no Docker engine."""
    if not docker_engine.answers():
        pytest.skip("no Docker engine answers: make setup brings one")


@pytest.fixture(scope="session")
def make_machines(
    engine: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MachinesMaker]:
    """Give a function that makes a cluster of machines, removed when the session ends.

    `TANDEM_TEST_CPUS` and `TANDEM_TEST_MEMORY` change the size that tests ask for.
    """
    made: list[Machines] = []

    def make(nodes: int = 3, **settings: object) -> Machines:
        name = f"test-{os.getpid()}-{len(made) + 1}"
        state = tmp_path_factory.mktemp("state")
        wanted = {
            "cpus": float(os.environ.get("TANDEM_TEST_CPUS", "0.6")),
            "memory_bytes": parse_size(os.environ.get("TANDEM_TEST_MEMORY", "3g")),
            **settings,
        }
        inventory = local_nodes.up(
            LocalSettings(nodes=nodes, state=state, cluster_id=name, **wanted)
        )
        made.append(Machines(inventory, state))
        return made[-1]

    yield make
    for one in made:
        local_nodes.down(one.inventory.cluster_id, "fab", one.state)


@pytest.fixture(scope="session")
def machines(make_machines: MachinesMaker) -> Machines:
    """Three machines that the tests of one session share; leave them as you found them.

    `TANDEM_TEST_NODES` changes how many there are.
    """
    return make_machines(int(os.environ.get("TANDEM_TEST_NODES", "3")))
