"""Flights without an engine: pandas, or Polars or DuckDB, on one machine."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workloads.flights import frames, single_machine
from workloads.flights.archive import Source
from workloads.flights.copies import file_names
from workloads.flights.parameters import columns_of
from workloads.flights.queries import QUERIES, Groups, Query, figures
from workloads.programs import Connected


def by_pandas(
    files: Sequence[str], file_format: str, query: Query, names: Sequence[str]
) -> Groups:
    """Answer with a dataframe of all rows in memory, as pandas does everything."""
    return frames.answer(frames.read(files, file_format, names), query)


FORMS: Mapping[str, Callable[..., Groups]] = {"dataframe": by_pandas, **single_machine.FORMS}


def answer(
    connected: Connected,
    *,
    source: Mapping[str, Any],
    query: str,
    form: str,
    file_format: str,
    columns: str,
    **others: Any,
) -> list[dict[str, Any]]:
    """Answer one question; all other parameters are those of engines."""
    files = file_names(connected.home, Source(**source), file_format)
    wanted = QUERIES[query]
    connected.tell(0, 0, doing(query, files, form))
    found = FORMS[form](files, file_format, wanted, columns_of(wanted, columns))
    return [trial(wanted, found)]


def doing(query: str, files: Sequence[str], form: str) -> str:
    """Return what is under way, in words for whoever watches."""
    return f"in {query}, {form} of {len(files)} files"


def trial(query: Query, found: Groups, extra: Mapping[str, float] | None = None) -> Any:
    """Return an answer as the result of its trial."""
    return {
        "scores": figures(query, found),
        "extra": {"groups": len(found), "rows": sum(one[0] for one in found.values())}
        | dict(extra or {}),
    }


def warm_up(connected: Connected, *, form: str) -> bool:
    """Load the libraries that a first answer would have to load."""
    return load(form)


def load(form: str) -> bool:
    """Import what a form computes with, in whichever process this is called."""
    import pandas
    import pyarrow.csv
    import pyarrow.parquet

    if form == "polars":
        import polars  # noqa: F401
    if form == "duckdb":
        import duckdb  # noqa: F401
    return bool(pandas and pyarrow.csv and pyarrow.parquet)
