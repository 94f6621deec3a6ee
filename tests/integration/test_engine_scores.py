"""The forest on real machines: the same bits from Ray, from Dask and from GridSearchCV."""

import pytest

from tests.integration.runs_at_work import driven, spec_on
from workloads import forest
from workloads.forest.work import scores_digest

pytestmark = pytest.mark.timeout(600)
GRID = {"n_estimators": [5, 12], "max_depth": [None, 6], "ccp_alpha": [0.0, 0.002]}
DIGITS = {"dataset": "digits", "rows": 600, "folds": 3, "grid": GRID}
MIXED = {**GRID, "max_leaf_nodes": [None, 9], "class_weight": [None, "balanced"]}
CASES = {
    "digits": DIGITS,
    "digits, one fit each": {**DIGITS, "reuse": False},
    "digits, some that cannot share": {**DIGITS, "folds": 2, "grid": MIXED},
    "cover-type-shaped": {"dataset": "synthetic-covtype-v1", "rows": 1500, "grid": GRID},
}


@pytest.mark.parametrize("name", ["plain", "dask", "ray"])
def test_scores_are_those_of_grid_search_to_the_last_bit(operator, name):
    started = operator.prepare(1) if name == "plain" else operator.start(name, 3)
    endpoint = started.endpoint
    for case, parameters in CASES.items():
        spec = spec_on(operator, endpoint, "forest", parameters)
        ordered, seen = driven(operator, endpoint, spec)
        assert seen.deaths == []
        plain = forest.plain(spec.parameters, spec.seed)
        assert [one.scores for one in ordered] == [one.scores for one in plain], case
        assert seen.summary["scores_digest"] == scores_digest(plain)
        assert {node for one in ordered for node in one.nodes} == set(endpoint.nodes)
        if parameters.get("reuse", True):
            assert_compiled_without_a_compiler(operator, endpoint.nodes, seen.summary, case)
        else:
            assert "builder" not in seen.summary


def assert_compiled_without_a_compiler(operator, nodes, summary, case) -> None:
    """The kernels came with the code: no node could have made them."""
    for name in nodes:
        found = operator.run(name, "sh", "-c", "command -v cc gcc clang || true")
        assert found.strip() == "", f"{name} has a compiler"
        assert operator.run(name, "sh", "-c", "ls ~/.cache/tandem 2>/dev/null || true") == ""
    builders = summary["builder"].split(", ")
    assert "compiled" in builders
    if builders != ["compiled"]:
        assert case == "digits, some that cannot share"
        assert summary["builder_reason"].startswith("scikit-learn: best-first trees")
