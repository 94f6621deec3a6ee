"""An engine that is not there is told at once, by name, with the next command to type."""

import dataclasses
import socket

import pytest

from tests.doubles.run_specs import run_spec
from workloads.engines import EngineLost, knock, open_engine

TINY = {"dataset": "iris", "folds": 2, "grid": {"n_estimators": [1]}}


@pytest.fixture
def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(("name", "scheme"), [("ray", ""), ("dask", "tls://")])
def test_an_engine_that_does_not_listen_is_named(name, scheme, closed_port, tmp_path):
    address = f"{scheme}127.0.0.1:{closed_port}"
    spec = dataclasses.replace(run_spec(tmp_path, TINY), engine=name, address=address)
    engine = open_engine(spec)
    with pytest.raises(EngineLost) as failure:
        engine.connect(60)
    assert address in failure.value.problem
    assert "ConnectionRefusedError" in str(failure.value)
    assert f"fab cluster.start --engine {name}" in str(failure.value)
    engine.close()


def test_a_knock_reads_every_form_of_address(closed_port):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        for form in (f"127.0.0.1:{port}", f"tls://127.0.0.1:{port}"):
            knock(form, 5)
    with pytest.raises(ConnectionRefusedError):
        knock(f"127.0.0.1:{closed_port}", 5)
