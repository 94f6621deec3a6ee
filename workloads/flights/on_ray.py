"""Flights on Ray: Ray Data, or other libraries in its remote functions.

Ray Data reads and parses on every node; what each of its blocks says of a question is found
there too, in the same task, and added up here. Its own group-by is not used: it starts actors
and shuffles the partial answers between them, for answers of a few rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from workloads.flights import columns as known
from workloads.flights import frames, pressure, single_machine
from workloads.flights.archive import Source
from workloads.flights.baseline import doing, load, trial
from workloads.flights.copies import file_names
from workloads.flights.parameters import columns_of
from workloads.flights.queries import QUERIES, Groups, Query, merged
from workloads.programs import Connected, on_every_ray_node, spread_on_ray


def answer(
    connected: Connected,
    *,
    source: Mapping[str, Any],
    query: str,
    form: str,
    file_format: str,
    columns: str,
    chunk_mb: int | None,
    scheduler: str,
    hold: bool,
    **others: Any,
) -> list[dict[str, Any]]:
    """Answer one question; what is Dask's alone gives the reason why there is no answer."""
    if scheduler != "cluster":
        return [{"reason": f"scheduler={scheduler} is one of Dask's, which Ray has not"}]
    if form not in (*single_machine.FORMS, "dataframe"):
        return [{"reason": f"form={form} is a collection of Dask's, which Ray has not"}]
    wanted = QUERIES[query]
    files = file_names(connected.home, Source(**source), file_format)
    names = columns_of(wanted, columns)
    ray = connected.client
    connected.tell(0, 0, doing(query, files, form))
    with pressure.counted(lambda: pressure.of_ray(ray)) as grown:
        if form == "dataframe":
            found = by_data(files, file_format, wanted, names, chunk_mb, hold)
        else:
            given = {"query": wanted, "names": names, "file_format": file_format}
            parts = [[one] for one in files]
            spread = spread_on_ray(ray, connected.counting("files"))
            found = merged(spread(single_machine.FORMS[form], parts, **given))
    return [trial(wanted, found, grown)]


def by_data(
    files: Sequence[str],
    file_format: str,
    query: Query,
    names: Sequence[str],
    chunk_mb: int | None,
    hold: bool,
) -> Groups:
    """Answer with Ray Data; `hold` has its object store keep the whole table first."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    if chunk_mb is not None:
        context.target_max_block_size = chunk_mb << 20
    if file_format == "parquet":
        table = ray.data.read_parquet(list(files), columns=list(names))
    else:
        table = ray.data.read_csv(list(files), **known.arrow_options(names))
    if hold:
        table = table.materialize()
    found = table.map_batches(_said, batch_size=None, batch_format="pyarrow", fn_args=(query,))
    return merged(
        {row["group"]: (int(row["rows"]), int(row["values"]), float(row["total"]))}
        for row in found.take_all()
    )


def warm_up(connected: Connected, *, form: str) -> bool:
    """Load what a first answer would have to load, here and in a worker for each slot."""
    import ray.data

    on_every_ray_node(connected.client, load, form)
    return load(form) and bool(ray.data)


def _said(table: Any, query: Query) -> Any:
    """Return what a block says of a question, a row for each group.

    Ray's own dataframes of pandas have columns of Arrow's types, which know no remainder.
    """
    found = frames.answer(table.to_pandas(), query)
    names = ("rows", "values", "total")
    parts = {name: [part[place] for part in found.values()] for place, name in enumerate(names)}
    return {"group": list(found), **parts}
