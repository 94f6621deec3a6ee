"""Programs on real machines: data on each node, TLS or a token, and the library's quality."""

import dataclasses
import json

import pytest

from provision import remote_run
from tests.doubles.run_specs import workload_spec
from workloads import registry, runs
from workloads.sweeps.driver_output import DriverOutput

pytestmark = pytest.mark.timeout(900)
CASES = [
    ("kmeans", {"preset": "tiny", "clusters": [4, 6], "chunk_rows": 500}),
    ("pca", {"preset": "tiny", "components": [2, 8], "chunk_rows": 500}),
    ("knn", {"preset": "tiny"}),
    ("knn", {"preset": "tiny", "reuse": False}),
    ("svc", {"preset": "tiny"}),
    ("svc", {"preset": "tiny", "reuse": False}),
]


@pytest.mark.parametrize("name", ["plain", "dask", "ray"])
def test_a_workload_agrees_with_the_library_on_two_machines(operator, name):
    started = operator.prepare(1) if name == "plain" else operator.start(name, 2)
    endpoint = started.endpoint
    for workload_name, parameters in CASES:
        workload = registry.find(workload_name)
        spec = dataclasses.replace(
            workload_spec(workload_name, endpoint.home, parameters, engine=endpoint.engine),
            address=endpoint.address,
            nodes=endpoint.nodes,
            addresses={
                node: operator.inventory.node(node).private_ip for node in endpoint.nodes
            },
            slots=endpoint.slots,
            credentials=endpoint.credentials,
        )
        output = DriverOutput(spec.trials)
        text = json.dumps(runs.as_document(spec)).encode()
        assert remote_run.launch(operator.links, endpoint, spec.run_id, text)
        results = {}
        for part in remote_run.follow(operator.links, endpoint.nodes[0], spec.run_id):
            results.update((one.trial_id, one) for one in output.feed(part))
        seen = output.observed
        assert (seen.ended, seen.rejected, seen.deaths) == ("finished", [], []), seen
        assert seen.summary["data"] == spec.parameters["data_version"]
        assert seen.cpu_seconds > 0
        plain = workload.plain(spec.parameters, spec.seed)
        for trial, reference in zip(spec.trials, plain, strict=True):
            ours = results[trial.trial_id]
            assert ours.nodes
            assert set(ours.nodes) <= set(endpoint.nodes)
            assert ours.scores == pytest.approx(reference.scores, rel=workload.TOLERANCE, abs=0)
