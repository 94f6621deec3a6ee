"""Flights on Dask: its dataframe, its bag, its array, or other libraries in its tasks.

Each reads the files of the node that a task is on. Dask's own schedulers of one machine, for
comparison, compute on the head alone.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workloads.flights import arrays, bags, frames, pressure, single_machine
from workloads.flights.archive import Source
from workloads.flights.baseline import doing, load, trial
from workloads.flights.copies import file_names
from workloads.flights.parameters import columns_of
from workloads.flights.queries import QUERIES, Groups, Query, merged
from workloads.programs import Connected, spread_on_dask

# Of text; its rows take some ten times as much as tables of Python.
BAG_BYTES = 16 << 20


@dataclass(frozen=True)
class Reading:
    """What is read: files of one format, these columns, in pieces of so many bytes if given.

    `hold` says that workers keep the whole table before it is asked.
    """

    files: Sequence[str]
    file_format: str
    names: Sequence[str]
    chunk_bytes: int | None
    hold: bool


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
    processes: int,
    threads: int,
    hold: bool,
) -> list[dict[str, Any]]:
    """Answer one question by the form that is asked for."""
    wanted = QUERIES[query]
    files = file_names(connected.home, Source(**source), file_format)
    size = None if chunk_mb is None else chunk_mb << 20
    reading = Reading(files, file_format, columns_of(wanted, columns), size, hold)
    connected.tell(0, 0, doing(query, files, form))
    with computing(connected.client, scheduler, processes, threads) as client:
        if client is None:
            return [trial(wanted, FORMS[form](client, reading, wanted))]
        with pressure.counted(lambda: pressure.of_dask(client)) as grown:
            found = FORMS[form](client, reading, wanted)
        return [trial(wanted, found, grown)]


@contextlib.contextmanager
def computing(client: Any, scheduler: str, processes: int, threads: int) -> Iterator[Any]:
    """Have Dask compute where it is asked to; give the client of a cluster, or None.

    `threads` and `processes` have no cluster; `distributed` has one of its own on this machine.
    """
    import dask

    if scheduler == "cluster":
        yield client
    elif scheduler == "distributed":
        from distributed import Client, LocalCluster

        options = {"n_workers": processes, "threads_per_worker": threads}
        with (
            LocalCluster(**options, dashboard_address=None) as cluster,
            Client(cluster) as own,
            own.as_current(),
        ):
            yield own
    else:
        count = threads if scheduler == "threads" else processes
        with dask.config.set(scheduler=scheduler, num_workers=count):
            yield None


def by_dataframe(client: Any, reading: Reading, query: Query) -> Groups:
    """Answer with Dask's dataframe, in the words of pandas.

    Its answer is one part: with hundreds of pieces Dask would shuffle a few rows otherwise.
    """
    import dask.dataframe as dd

    frame = _kept(client, reading, _frame(reading))
    chosen = frames.chosen(frame, query, dd.to_datetime)
    lazy = frames.aggregates(chosen, query, split_out=1)
    return frames.groups(_computed(lazy), query)


def by_bag(client: Any, reading: Reading, query: Query) -> Groups:
    """Answer with Dask's bag, whose rows are folded one by one into their groups."""
    rows = _kept(client, reading, _bag(reading))
    pairs = rows.map_partitions(bags.asked, query)
    none = bags.NOTHING
    return dict(pairs.foldby(bags.group, bags.counted, none, bags.added, none).compute())


def by_array(client: Any, reading: Reading, query: Query) -> Groups:
    """Answer with Dask's array, made of the columns of its dataframe."""
    import dask.array as da
    import dask.dataframe as dd

    frame = frames.chosen(_kept(client, reading, _frame(reading)), query, dd.to_datetime)
    codes = frame.map_partitions(arrays.codes, query.by, meta=("code", "int64")).values
    lazy = [da.bincount(codes, minlength=arrays.MOST_CODES)]
    if query.of is not None:
        values = frame[query.of].values
        there = ~da.isnan(values)
        for weights in (there.astype("float64"), da.where(there, values, 0.0)):
            lazy.append(da.bincount(codes, weights=weights, minlength=arrays.MOST_CODES))
    return arrays.groups(query.by, _computed(lazy))


def _by_files(form: str) -> Callable[[Any, Reading, Query], Groups]:
    """Return the form that has another library answer for each file, in tasks of Dask."""
    one_file = single_machine.FORMS[form]

    def answering(client: Any, reading: Reading, query: Query) -> Groups:
        given = {"query": query, "names": reading.names, "file_format": reading.file_format}
        if client is None:
            return one_file(reading.files, **given)
        return merged(
            spread_on_dask(client)(one_file, [[one] for one in reading.files], **given)
        )

    return answering


FORMS: Mapping[str, Callable[[Any, Reading, Query], Groups]] = {
    "dataframe": by_dataframe,
    "bag": by_bag,
    "array": by_array,
    "polars": _by_files("polars"),
    "duckdb": _by_files("duckdb"),
}


def warm_up(connected: Connected, *, form: str) -> bool:
    """Load what a first answer would have to load, here and in every worker."""
    import dask.array
    import dask.bag
    import dask.dataframe

    connected.client.run(load, form)
    return load(form) and bool(dask.dataframe and dask.array and dask.bag)


def _frame(reading: Reading) -> Any:
    import dask.dataframe as dd

    names = list(reading.names)
    size = {} if reading.chunk_bytes is None else {"blocksize": reading.chunk_bytes}
    if reading.file_format == "parquet":
        return dd.read_parquet(list(reading.files), columns=names, **size)
    return dd.read_csv(list(reading.files), **frames.csv_options(names), **size)


def _bag(reading: Reading) -> Any:
    import dask.bag as db

    if reading.file_format == "parquet":
        return _frame(reading).to_bag(format="dict").map_partitions(bags.rows_of_tables)
    size = reading.chunk_bytes or BAG_BYTES
    return db.concat(
        [
            db.read_text(one, blocksize=size).map_partitions(
                bags.rows_of_lines, bags.head_of(one), reading.names
            )
            for one in reading.files
        ]
    )


def _computed(lazy: Sequence[Any]) -> Sequence[Any]:
    """Return what lazy values come to, found together."""
    from dask.base import compute

    found: Sequence[Any] = compute(*lazy)
    return found


def _kept(client: Any, reading: Reading, collection: Any) -> Any:
    """Return a collection, held by the workers where that is asked for."""
    if not reading.hold:
        return collection
    held = collection.persist()
    if client is not None:
        from distributed import wait

        wait(held)
    return held
