"""Flights that no node has the memory for: pandas fails and says why, both engines finish."""

import pytest

from contracts.errors import TandemError
from contracts.progress import tell_nobody
from provision import bringup
from provision.links import Links
from tests.integration.operator_at_work import Operator
from tests.integration.runs_at_work import driven, spec_on
from workloads import flights, registry

pytestmark = [pytest.mark.timeout(3600), pytest.mark.long]
MEMORY = 2 << 30
# CSV of 3 GB; as a table in memory it is some 8 GB, four times what a node has.
TABLE = {
    "repeat": 120, "queries": ["delay-by-origin"], "columns": "all", "hold": True,
    "chunk_mb": 32,
}  # fmt: skip


@pytest.fixture(scope="module")
def operator(make_machines):
    machines = make_machines(2, memory_bytes=MEMORY)
    with Links(machines.inventory) as links:
        made = Operator(machines.inventory, machines.state, links)
        yield made
        made.stop()


@pytest.fixture(scope="module")
def answer():
    """The answer to the data once, with its rows and values as often as they are repeated."""
    once = flights.validate({**TABLE, "repeat": 1})
    (found,) = flights.plain(once, 0)
    times = TABLE["repeat"]
    return [one if place % 3 == 2 else one * times for place, one in enumerate(found.scores)]


def asked_of(operator, engine):
    nodes = 1 if engine == "plain" else 2
    lock = registry.lock("flights")
    given = (operator.inventory, nodes, None if engine == "plain" else engine)
    request = bringup.Request(*given, operator.state, lock)
    begin = bringup.prepare if engine == "plain" else bringup.start
    endpoint = begin(request, tell_nobody, operator.links).endpoint
    limits = {"run_deadline_seconds": 3000, "unit_deadline_seconds": 2400}
    spec = spec_on(operator, endpoint, "flights", TABLE, **limits)
    (result,), seen = driven(operator, endpoint, spec)
    print(engine, result, seen)
    return result, seen


def test_pandas_has_not_the_memory_and_the_row_says_so(operator):
    result, seen = asked_of(operator, "plain")
    assert (result.status, seen.ended) == ("failed", "finished")
    assert "out of memory" in result.reason


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_an_engine_finishes_and_counts_what_it_spilled(name, operator, answer):
    try:
        result, seen = asked_of(operator, name)
    except TandemError as error:
        pytest.fail(str(error))
    assert (result.status, result.reason, seen.ended) == ("ok", None, "finished")
    assert result.scores == pytest.approx(answer, rel=flights.TOLERANCE)
    assert result.extra["spilled_bytes"] > MEMORY
    assert result.extra["memory_kills"] == 0
