"""The parameters that say which data a workload computes on: `dataset`, by name, and `rows`.

Data of the cluster's bucket are `bucket:NAME`; `rows` is how many, all there are if none.
"""

from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from workloads import checks
from workloads.data import datasets
from workloads.data.datasets import Data


def name_rule(dataset: str) -> str | None:
    """Return what is wrong with the name of data, if something is."""
    known = ", ".join(datasets.names())
    return None if datasets.is_name(dataset) else f"must be one of {known}, or bucket:NAME"


def settled(
    problems: Problems, given: Mapping[str, Any], merged: Mapping[str, Any], source: str
) -> dict[str, Any]:
    """Return checked parameters with `dataset`, `rows` settled and `data_version` added.

    Raises
    ------
    InvalidDocument
        If the parameters given name another version of the data.
    """
    found = datasets.describe(datasets.settle_name(merged["dataset"]), merged["rows"])
    checks.same_version(problems, given, found.version, source)
    return {
        **merged,
        "dataset": found.dataset,
        "rows": found.rows,
        "data_version": found.version,
    }


def data(parameters: Mapping[str, Any]) -> Data:
    """Return the data that a run with these complete parameters computes on."""
    return Data(parameters["dataset"], parameters["rows"], parameters["data_version"])
