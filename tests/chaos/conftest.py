"""Machines for the fault tests; every test here needs containers."""

import os
from collections.abc import Iterator

import pytest

from tests.chaos.arena import Arena, arena


@pytest.fixture(scope="session")
def broken(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Three machines that only fault tests use; each test starts its engine on them anew."""
    with arena(tmp_path_factory.mktemp("chaos"), f"chaos-{os.getpid()}") as made:
        yield made


@pytest.fixture(scope="session", params=["ray", "dask"])
def which(request: pytest.FixtureRequest) -> str:
    """The engine: all tests of one come before those of the other, for switching takes time."""
    return str(request.param)
