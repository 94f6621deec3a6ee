"""What a Dask worker keeps for one search is not another's."""

import json

import numpy as np

from workloads.forest.exact import on_dask
from workloads.forest.exact.sharing import forest_data, write_data

WARM_UP = "workloads.forest.exact.units:warm_up"


def test_the_end_of_a_search_leaves_the_processes_of_another(tmp_path):
    x = np.arange(6, dtype=np.float32).reshape(-1, 2)
    name = write_data(tmp_path, forest_data(x, np.arange(3), []))
    given = json.dumps({"folder": str(tmp_path), "data": name, "builder": "scikit-learn"})
    try:
        for search in ("one", "other"):
            outcome = json.loads(on_dask.call_unit(search, 0, WARM_UP, given, 60.0))
            assert outcome["value"] == "scikit-learn", outcome
        process = on_dask._processes["other", 0]._process
        on_dask.end_processes("one")
        assert process.poll() is None
        assert list(on_dask._processes) == [("other", 0)]
        again = json.loads(on_dask.call_unit("other", 0, WARM_UP, given, 60.0))
        assert again["value"] == "scikit-learn"
        assert on_dask._processes["other", 0]._process is process
    finally:
        on_dask.end_processes("one")
        on_dask.end_processes("other")
    assert process.poll() is not None
