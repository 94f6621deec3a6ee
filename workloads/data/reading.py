"""Tasks over chunks of rows: of each node's own copy, or read from the bucket by the task.

Work is written once, as `work(rows, part, **given)` for some chunks of rows that behave like
an array. Rows of the bucket are no node's copy: reading them is a part of the run, on every
worker, and what it took is told in the row of results. A task that cannot read returns why;
the worker lives on, and the trial fails with that reason.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TandemError
from workloads import store
from workloads.data import bucket, datasets
from workloads.data.bucket_rows import BucketRows, Reading, keeping, open_rows
from workloads.data.chunks import Rows, rows_of
from workloads.data.datasets import Data
from workloads.engines import Unit
from workloads.programs import Connected, Spread

FEW_ROWS = 2048
SECONDS, BYTES = "bucket read seconds", "bucket read bytes"

Array = NDArray[Any]
Found = tuple[Any, Reading, str]


class NotRead(TandemError):
    """Rows could not be read from the bucket, where they were needed."""


class Readers:
    """Gives work on chunks of some data to an engine, and adds up what reading them took.

    Parameters
    ----------
    spread : Spread
        How tasks are given to the engine.
    keep : bool
        Whether a node keeps what it read from the bucket for the tasks that follow.
    """

    def __init__(
        self, spread: Spread, connected: Connected, data: Mapping[str, Any], keep: bool
    ) -> None:
        self.rows = _rows(connected.home, data, None)
        self._spread, self._slots = spread, connected.slots
        self._token = secrets.token_hex(4) if keep and _far(data) else None
        self._where = {"home": connected.home, "data": dict(data), "token": self._token}
        self._reading = Reading()

    def __call__(
        self, work: Callable[..., Any], parts: Sequence[Sequence[Rows]], **given: Any
    ) -> list[Any]:
        """Return what `work(rows, part, **given)` returned for each part.

        Raises
        ------
        NotRead
            With the first reason, if a task could not read its rows.
        """
        found: list[Found] = self._spread(
            perform, parts, named=work, work=work, where=self._where, given=given
        )
        for _, reading, reason in found:
            self._reading.seconds += reading.seconds
            self._reading.size += reading.size
            if reason:
                raise NotRead(reason)
        return [value for value, _, _ in found]

    def every(self, step: int, parts: Sequence[Sequence[Rows]]) -> Array:
        """Return each `step`-th row of the data; from the bucket all tasks read them."""
        if not isinstance(self.rows, BucketRows):
            return np.asarray(self.rows[::step])
        return np.concatenate(self(picked, parts, step=step))

    def extra(self) -> dict[str, float]:
        """Return what a row of results tells of reading: mean seconds of a slot, and bytes."""
        if not isinstance(self.rows, BucketRows):
            return {}
        own, tasks = self.rows.reading, self._reading
        return {
            SECONDS: own.seconds + tasks.seconds / self._slots,
            BYTES: own.size + tasks.size,
        }


def perform(
    part: Sequence[Rows],
    *,
    work: Callable[..., Any],
    where: Mapping[str, Any],
    given: Mapping[str, Any],
) -> Found:
    """Do some work on chunks; return its value, what reading took, or why it cannot be."""
    try:
        rows = _rows(where["home"], where["data"], where["token"])
        value = work(rows, part, **given)
    except TandemError as error:
        return None, Reading(), str(error)
    return value, rows.reading if isinstance(rows, BucketRows) else Reading(), ""


def picked(rows: Array, part: Sequence[Rows], *, step: int) -> Array:
    """Return those rows of some chunks whose number is a multiple of `step`."""
    return np.concatenate([rows[first:last][-first % step :: step] for first, last in part])


def whole(home: str, data: Mapping[str, Any]) -> tuple[Array, dict[str, float]]:
    """Return all rows, for one process, and what a row of results tells of reading them."""
    rows = _rows(home, data, None)
    if not isinstance(rows, BucketRows):
        return rows, {}
    read = rows[:]
    return read, {SECONDS: rows.reading.seconds, BYTES: rows.reading.size}


def few(home: str, data: Mapping[str, Any]) -> Array:
    """Return some rows to warm up with; those of the bucket are not read before the clock."""
    if not _far(data):
        return rows_of(home, Data(**data))[:FEW_ROWS]
    store.open_store().warm_up()
    return np.random.default_rng(0).random((FEW_ROWS, 8), dtype=np.float32)


def prepare(home: str, data: Data) -> dict[str, Any]:
    """Put the data into a node's cache, once, unless tasks read them from the bucket."""
    if not bucket.is_name(data.dataset):
        return datasets.prepare(home, data)
    return {"version": data.version, "rows": data.rows}


def prepare_fields(home: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Do what `prepare` does, for the fields of Data."""
    return prepare(home, Data(**data))


def preparation(home: str, data: Data) -> Unit:
    """Return the unit that does what `prepare` does on a node."""
    arguments = {"home": home, "data": vars(data)}
    return Unit("data", f"{__name__}:prepare_fields", arguments)


def _far(data: Mapping[str, Any]) -> bool:
    return bucket.is_name(str(data["dataset"]))


def _rows(home: str, data: Mapping[str, Any], token: str | None) -> Any:
    found = Data(**data)
    if not _far(data):
        return rows_of(home, found)
    return open_rows(found, keeping(home, found.version, token) if token else None)
