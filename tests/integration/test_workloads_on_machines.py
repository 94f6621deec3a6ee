"""Programs on real machines: data on each node, TLS or a token, and the library's quality."""

import pytest

from tests.integration.runs_at_work import driven, spec_on
from workloads import registry

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
        spec = spec_on(operator, endpoint, workload_name, parameters)
        results, seen = driven(operator, endpoint, spec)
        assert seen.deaths == []
        assert seen.summary["data"] == spec.parameters["data_version"]
        assert seen.cpu_seconds > 0
        plain = workload.plain(spec.parameters, spec.seed)
        for ours, reference in zip(results, plain, strict=True):
            assert ours.nodes
            assert set(ours.nodes) <= set(endpoint.nodes)
            assert ours.scores == pytest.approx(reference.scores, rel=workload.TOLERANCE, abs=0)
