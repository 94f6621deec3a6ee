"""The data as files on a node, in the format and the chunks that a run reads."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from contracts.errors import TandemError
from contracts.files import write_json
from workloads.data.hashes import checksums
from workloads.xgboost import samples
from workloads.xgboost.samples import Rows, Samples

ARRAY = "rows.npy"
# Which files each format is read from; chunks of an array are cut as it is read.
KINDS: Mapping[str, str] = {
    "numpy": "npy",
    "dask-array": "npy",
    "dask-dataframe": "parquet",
    "csv": "csv",
    "parquet": "parquet",
}


def prepare(home: str, data: Mapping[str, Any], reading: Mapping[str, Any]) -> dict[str, Any]:
    """Write the files once; return facts that all nodes must share.

    Raises
    ------
    TandemError
        If other rows come out here than the version says.
    """
    recipe = samples.of(data)
    found = samples.version(recipe)
    if found != data["version"]:
        raise TandemError(
            f"This node makes other data than {data['version']}: it is {found}.",
            cause="Its version of NumPy differs from the operator's.",
            next_step="fab cluster.start repairs the environment of the nodes",
        )
    folder = folder_of(home, data, reading)
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as name:
            copy = Path(name) / "copy"
            copy.mkdir()
            _write(copy, recipe, KINDS[reading["format"]], reading["chunk_rows"])
            names = sorted(one.name for one in copy.iterdir())
            write_json(copy / "manifest.json", {"sha256": checksums(copy, names)})
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(copy, folder)
    facts = {"version": found, "rows": recipe.rows, "columns": recipe.features}
    return {**facts, "manifest": manifest.read_text()}


def folder_of(home: str, data: Mapping[str, Any], reading: Mapping[str, Any]) -> Path:
    """Return the folder of a node's copy."""
    kind = KINDS[reading["format"]]
    chunks = "" if kind == "npy" else f"-{reading['chunk_rows']}"
    return Path(home).expanduser() / "data" / str(data["version"]) / f"{kind}{chunks}"


def columns(features: int) -> list[str]:
    """Return the names of the columns, the target last."""
    return [*(f"x{number}" for number in range(features)), "y"]


def _write(folder: Path, recipe: Samples, kind: str, chunk_rows: int) -> None:
    if kind == "npy":
        shape = (recipe.rows, recipe.features + 1)
        array = np.lib.format.open_memmap(folder / ARRAY, "w+", np.dtype("f4"), shape)
        first = 0
        for block in samples.blocks(recipe):
            array[first : first + len(block)] = block
            first += len(block)
        array.flush()
        return
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    names = columns(recipe.features)
    for number, rows in enumerate(_chunks(recipe, chunk_rows)):
        table = pyarrow.table(dict(zip(names, np.ascontiguousarray(rows.T), strict=True)))
        path = folder / f"part-{number:05}.{kind}"
        if kind == "csv":
            pyarrow.csv.write_csv(table, path)
        else:
            pyarrow.parquet.write_table(table, path)


def _chunks(recipe: Samples, size: int) -> Iterator[Rows]:
    """Yield the rows in chunks of a size that blocks need not divide."""
    waiting: list[Rows] = []
    count = 0
    for block in samples.blocks(recipe):
        waiting.append(block)
        count += len(block)
        while count >= size:
            together = np.concatenate(waiting)
            yield together[:size]
            waiting, count = [together[size:]], count - size
    if count:
        yield np.concatenate(waiting)
