"""What the tests of clusters share: an operator of the session's machines."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.errors import TandemError
from provision.links import Links
from tests.conftest import Machines
from tests.integration.operator_at_work import Operator


@pytest.fixture(scope="module")
def operator(machines: Machines) -> Iterator[Operator]:
    """An operator of three machines; at the end of a file everything on them is ended."""
    with Links(machines.inventory) as links:
        made = Operator(machines.inventory, machines.state, links)
        yield made
        made.stop()


@pytest.fixture
def other(operator: Operator, tmp_path: Path) -> Iterator[Callable[..., Operator]]:
    """Give a function that makes an operator whose inventory differs."""
    made: list[Operator] = []

    def make(**changes: object) -> Operator:
        made.append(operator.with_inventory(tmp_path / f"state-{len(made)}", **changes))
        return made[-1]

    yield make
    for one in made:
        with contextlib.suppress(TandemError):
            one.stop()
        one.links.close()
