"""Data sets as files that any program reads: NumPy arrays, or CSV or Parquet in parts."""

import csv
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from contracts.errors import RefusedError
from contracts.files import write_json
from workloads.data import datasets
from workloads.data.datasets import Data
from workloads.data.hashes import checksums

FORMS = ("npy", "csv", "parquet")


def write(data: Data, folder: Path, *, form: str, chunk_rows: int) -> dict[str, Any]:
    """Write a data set into a new folder, whole or not at all; return what was written.

    Parameters
    ----------
    data : Data
        What `datasets.describe` said of it.
    folder : Path
        Is made here, beside the others in its parent.
    form : str
        `npy`: X.npy and y.npy, as a bucket has them. `csv`: part-00000.csv and so on, with
        columns x0, x1, ... and y. `parquet`: the same as part-00000.parquet and so on.
    chunk_rows : int
        The rows of a part.

    Raises
    ------
    RefusedError
        If the folder exists.
    """
    if folder.exists():
        raise RefusedError(
            f"{folder} is there already, and nothing is overwritten.",
            next_step=f"--out {folder}-2, or remove it first",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as name:
        copy = Path(name)
        facts = datasets.prepare(str(copy), data)
        made = copy / "made"
        if form == "npy":
            made.mkdir()
            for one in ("X.npy", "y.npy"):
                shutil.copyfile(copy / "data" / data.version / one, made / one)
        else:
            x, y = datasets.load(str(copy), data)
            made.mkdir()
            (_write_csv if form == "csv" else _write_parquet)(made, x, y, chunk_rows)
        names = sorted(one.name for one in made.iterdir())
        document = {
            "data": data.version,
            "form": form,
            "rows": facts["rows"],
            "columns": facts["columns"],
            "sha256": checksums(made, names),
        }
        write_json(made / "manifest.json", document)
        os.replace(made, folder)
    return document


def _heads(x: Any) -> list[str]:
    return [*(f"x{column}" for column in range(x.shape[1])), "y"]


def _write_parquet(folder: Path, x: Any, y: Any, chunk_rows: int) -> None:
    import pyarrow
    from pyarrow import parquet

    heads = _heads(x)
    for part, first in enumerate(range(0, len(x), chunk_rows)):
        block = np.asarray(x[first : first + chunk_rows])
        columns = [*block.T, np.asarray(y[first : first + chunk_rows])]
        table = pyarrow.table([pyarrow.array(one) for one in columns], names=heads)
        parquet.write_table(table, folder / f"part-{part:05}.parquet")


def _write_csv(folder: Path, x: Any, y: Any, chunk_rows: int) -> None:
    heads = _heads(x)
    for part, first in enumerate(range(0, len(x), chunk_rows)):
        with open(folder / f"part-{part:05}.csv", "w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(heads)
            last = min(first + chunk_rows, len(x))
            writer.writerows(_rows(x[first:last], y[first:last]))


def _rows(x: Any, y: Any) -> Iterator[list[Any]]:
    """Yield rows whose numbers, read again, are the same to the last bit."""
    for values, label in zip(np.asarray(x).tolist(), np.asarray(y).tolist(), strict=True):
        yield [*values, label]
