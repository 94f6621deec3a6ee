"""One trial: a boosted model judged at several numbers of rounds by its error on held-out rows.

Binning the data is the same work for each trial, so a process does it once (QuantileDMatrix)
and every trial fits to it. And a model of 200 rounds has one of 50 in it: its error at 50 is
that of its first 50 trees (`iteration_range`), so one fit serves every number of rounds.
"""

import functools
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xgboost

from contracts.trial import canonical
from workloads.xgboost import samples
from workloads.xgboost.reading import load_libraries, read
from workloads.xgboost.samples import Rows


def score_trial(
    *,
    home: str,
    data: Mapping[str, Any],
    reading: Mapping[str, Any],
    reuse: bool,
    fitting: Mapping[str, Any],
    chosen: Mapping[str, float],
) -> dict[str, Any]:
    """Return the score of a trial on a node's own copy of the data, and what it took.

    Parameters
    ----------
    fitting : mapping
        `rounds`, `max_bin`, `threads` and `seed`.
    chosen : mapping
        What the study chose to try, by the names of XGBoost's parameters.
    """
    begin = time.monotonic()
    key = canonical([home, data, reading])
    before = _rows.cache_info().misses
    rows, seconds = _rows(key)
    reading_seconds = seconds if _rows.cache_info().misses > before else 0.0
    errors = (
        shared_errors(
            _binned(key, fitting["max_bin"], fitting["threads"]), rows, fitting, chosen
        )
        if reuse
        else single_errors(rows, fitting, chosen)
    )
    return outcome(errors, fitting, chosen, begin, reading_seconds)


def outcome(
    errors: Sequence[float],
    fitting: Mapping[str, Any],
    chosen: Mapping[str, float],
    begin: float,
    reading_seconds: float,
) -> dict[str, Any]:
    """Return a trial's score, the negative of its least error, with what goes with it."""
    best = int(np.argmin(errors))
    extra = {
        **chosen,
        "rounds": fitting["rounds"][best],
        "read seconds": reading_seconds,
        "fit seconds": time.monotonic() - begin - reading_seconds,
    }
    return {"scores": [-errors[best]], "extra": extra}


def shared_errors(
    binned: xgboost.QuantileDMatrix,
    rows: Rows,
    fitting: Mapping[str, Any],
    chosen: Mapping[str, float],
) -> list[float]:
    """Return the error at each number of rounds, from one model of the most of them."""
    model = xgboost.train(settings(fitting, chosen), binned, max(fitting["rounds"]))
    return [error(model, rows, count) for count in fitting["rounds"]]


def single_errors(
    rows: Rows, fitting: Mapping[str, Any], chosen: Mapping[str, float]
) -> list[float]:
    """Return the error at each number of rounds, each from a model and bins of its own."""
    found = []
    for count in fitting["rounds"]:
        binned = bins(rows, fitting["max_bin"], fitting["threads"])
        model = xgboost.train(settings(fitting, chosen), binned, count)
        found.append(error(model, rows, count))
    return found


def settings(fitting: Mapping[str, Any], chosen: Mapping[str, float]) -> dict[str, Any]:
    """Return the parameters of XGBoost for a trial."""
    return {
        **chosen,
        "max_depth": int(chosen["max_depth"]),
        "objective": "reg:squarederror",
        "tree_method": "hist",
        "max_bin": fitting["max_bin"],
        "nthread": fitting["threads"],
        "seed": fitting["seed"],
        "verbosity": 0,
    }


def bins(rows: Rows, max_bin: int, threads: int) -> xgboost.QuantileDMatrix:
    """Return the rows that are fitted to, binned."""
    known = rows[: samples.training_rows(len(rows))]
    return xgboost.QuantileDMatrix(
        known[:, :-1], known[:, -1], max_bin=max_bin, nthread=threads
    )


def error(model: xgboost.Booster, rows: Rows, rounds: int) -> float:
    """Return the error on those of all rows that are held out."""
    return error_on(model, rows[samples.training_rows(len(rows)) :], rounds)


def error_on(model: xgboost.Booster, asked: Rows, rounds: int) -> float:
    """Return the root of the mean squared error of a model's first rounds on these rows."""
    guessed = model.inplace_predict(asked[:, :-1], iteration_range=(0, rounds))
    away = np.asarray(guessed, dtype=np.float64) - asked[:, -1]
    return float(np.sqrt(np.mean(away * away)))


def warm_up(form: str = "numpy", scheduler: str = "threads") -> bool:
    """Load what a first trial would have to load, apart from the data, which is its work."""
    load_libraries(form, scheduler)
    rows = np.arange(200, dtype=np.float32).reshape(40, 5)
    fitting = {"rounds": [1], "max_bin": 4, "threads": 1, "seed": 0}
    return len(shared_errors(bins(rows, 4, 1), rows, fitting, {"max_depth": 1})) == 1


@functools.lru_cache(maxsize=1)
def _rows(key: str) -> tuple[Rows, float]:
    """Return the rows of a node's copy and how long reading them took; kept between trials."""
    return read(*json.loads(key))


@functools.lru_cache(maxsize=1)
def _binned(key: str, max_bin: int, threads: int) -> xgboost.QuantileDMatrix:
    return bins(_rows(key)[0], max_bin, threads)
