"""Flights that no node has the memory for: pandas fails and says why, both engines finish."""

import dataclasses
import json

import pytest

from contracts.errors import TandemError
from contracts.progress import tell_nobody
from provision import bringup, remote_run
from provision.links import Links
from tests.doubles.run_specs import workload_spec
from tests.integration.operator_at_work import Operator
from workloads import flights, registry, runs
from workloads.sweeps.driver_output import DriverOutput

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


def driven(operator, engine):
    nodes = 1 if engine == "plain" else 2
    lock = registry.lock("flights")
    given = (operator.inventory, nodes, None if engine == "plain" else engine)
    request = bringup.Request(*given, operator.state, lock)
    begin = bringup.prepare if engine == "plain" else bringup.start
    endpoint = begin(request, tell_nobody, operator.links).endpoint
    spec = dataclasses.replace(
        workload_spec("flights", endpoint.home, TABLE, engine=endpoint.engine),
        address=endpoint.address,
        nodes=endpoint.nodes,
        addresses={one: operator.inventory.node(one).private_ip for one in endpoint.nodes},
        slots=endpoint.slots,
        credentials=endpoint.credentials,
        run_deadline_seconds=3000,
        unit_deadline_seconds=2400,
    )
    output = DriverOutput(spec.trials)
    text = json.dumps(runs.as_document(spec)).encode()
    assert remote_run.launch(operator.links, endpoint, spec.run_id, text)
    results = []
    for part in remote_run.follow(operator.links, endpoint.nodes[0], spec.run_id):
        results += output.feed(part)
    (result,) = results
    print(engine, result, output.observed)
    return result, output.observed


def test_pandas_has_not_the_memory_and_the_row_says_so(operator):
    result, seen = driven(operator, "plain")
    assert (result.status, seen.ended) == ("failed", "finished")
    assert "out of memory" in result.reason


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_an_engine_finishes_and_counts_what_it_spilled(name, operator, answer):
    try:
        result, seen = driven(operator, name)
    except TandemError as error:
        pytest.fail(str(error))
    assert (result.status, result.reason, seen.ended) == ("ok", None, "finished")
    assert result.scores == pytest.approx(answer, rel=flights.TOLERANCE)
    assert result.extra["spilled_bytes"] > MEMORY
    assert result.extra["memory_kills"] == 0
