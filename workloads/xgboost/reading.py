"""Rows from files in any format, in chunks, on any of Dask's schedulers.

Every way gives the same rows in the same order; what differs is the time. A scheduler is that
of one node: threads or processes beside the reader, or `distributed` workers in one or several
clusters of that node alone, on its loopback device. The nodes themselves are no part of this.
"""

import contextlib
import importlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contracts.errors import TandemError
from workloads.xgboost import files, samples
from workloads.xgboost.samples import Rows


def read(home: str, data: Mapping[str, Any], reading: Mapping[str, Any]) -> tuple[Rows, float]:
    """Return all rows (the target last) of a node's copy, and the seconds that took.

    Raises
    ------
    TandemError
        If the files are not what was written: rows or columns are missing, or no numbers.
    """
    begin = time.monotonic()
    folder = files.folder_of(home, data, reading)
    if not (folder / "manifest.json").is_file():
        files.prepare(home, data, reading)
    recipe = samples.of(data)
    shape = recipe.rows, recipe.features + 1
    names = files.columns(recipe.features)
    begin = time.monotonic()
    try:
        found = _rows(folder, shape, names, reading)
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}"[:300]) from error
    if found.shape != shape or found.dtype != np.float32:
        words = f"{found.shape[0]} rows of {found.shape[1:]} columns of {found.dtype}"
        raise _damaged(folder, f"it holds {words}, and not {shape} of float32")
    return found, time.monotonic() - begin


def load_libraries(form: str, scheduler: str) -> None:
    """Load what reading a format needs, so that no read is timed with it."""
    names = {
        "numpy": [],
        "dask-array": ["dask.array"],
        "dask-dataframe": ["dask.dataframe", "pyarrow.parquet"],
        "csv": ["dask", "pandas"],
        "parquet": ["dask", "pyarrow.parquet"],
    }[form]
    more = {"distributed": ["distributed"], "processes": ["dask.multiprocessing"]}
    for name in [*names, *more.get(scheduler, [])]:
        importlib.import_module(name)


def _rows(
    folder: Path, shape: tuple[int, int], names: list[str], reading: Mapping[str, Any]
) -> Rows:
    form = reading["format"]
    if form == "numpy":
        return np.load(folder / files.ARRAY)  # type: ignore[no-any-return]
    import dask

    with dask.config.set({"dataframe.convert-string": False}):
        if form == "dask-array":
            return _together(_array_parts(folder, shape, reading["chunk_rows"]), reading)
        if form == "dask-dataframe":
            from dask import dataframe

            frame = dataframe.read_parquet(folder / "*.parquet", columns=names)
            parts = frame.map_partitions(_values, names, meta=np.zeros((0, 0), "f4"))
            return _together(parts.to_delayed().ravel().tolist(), reading)
        kind = files.KINDS[form]
        paths = [str(path) for path in sorted(folder.glob(f"*.{kind}"))]
        if not paths:
            raise FileNotFoundError(f"there is no part of {kind} in it")
        one = dask.delayed(_from_csv if kind == "csv" else _from_parquet, pure=False)
        return _together([one(path, names) for path in paths], reading)


def _array_parts(folder: Path, shape: tuple[int, int], chunk_rows: int) -> list[Any]:
    """Return the chunks of a Dask array, each read from the file where it is computed."""
    import dask
    from dask import array

    one = dask.delayed(_from_array, pure=False)
    blocks = [
        array.from_delayed(
            one(str(folder / files.ARRAY), first, min(first + chunk_rows, shape[0])),
            shape=(min(chunk_rows, shape[0] - first), shape[1]),
            dtype=np.float32,
        )
        for first in range(0, shape[0], chunk_rows)
    ]
    return list(array.concatenate(blocks).to_delayed().ravel())


def _together(parts: Sequence[Any], reading: Mapping[str, Any]) -> Rows:
    """Compute delayed parts where the run says, and return them as one array."""
    import dask

    scheduler, workers = reading["scheduler"], reading["workers"]
    if scheduler == "distributed":
        found = _on_clusters(parts, reading["clusters"], workers, reading["threads"])
    else:
        found = list(dask.compute(*parts, scheduler=scheduler, num_workers=workers))
    return np.concatenate(found)


def _on_clusters(parts: Sequence[Any], clusters: int, workers: int, threads: int) -> list[Any]:
    """Compute parts on clusters of this node, dealt out to them in turn."""
    from distributed import Client, LocalCluster

    with contextlib.ExitStack() as stack:
        futures: list[Any] = [None] * len(parts)
        clients = []
        for number in range(clusters):
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=threads,
                host="127.0.0.1",
                dashboard_address=None,
                memory_limit=None,
            )
            stack.enter_context(cluster)
            clients.append(stack.enter_context(Client(cluster, set_as_default=False)))
            own = clients[-1].compute(list(parts[number::clusters]))
            futures[number::clusters] = own
        return [future.result() for future in futures]


def _from_array(path: str, first: int, last: int) -> Rows:
    return np.array(np.load(path, mmap_mode="r")[first:last])


def _from_csv(path: str, names: list[str]) -> Rows:
    import pandas

    with open(path, "rb") as stream:  # pandas leaves it open where it refuses the content
        return _values(pandas.read_csv(stream, usecols=names, dtype=np.float32), names)


def _from_parquet(path: str, names: list[str]) -> Rows:
    from pyarrow import parquet

    return _values(parquet.read_table(path, columns=names), names)


def _values(table: Any, names: list[str]) -> Rows:
    """Return the columns of a table or a frame, in this order, as rows."""
    return np.column_stack([np.asarray(table[name]) for name in names])


def _damaged(folder: Path, cause: str) -> TandemError:
    return TandemError(
        f"The data in {folder} cannot be read.",
        cause=cause,
        next_step=f"remove {folder} on that node; the next run makes it again",
    )
