"""The file that the units of a run share, made once on each node."""

import functools
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from contracts.files import write_json
from workloads import datasets
from workloads.datasets import Data
from workloads.forest.exact.sharing import forest_data, write_data
from workloads.forest.exact.units import warm_up


def prepare_shared(home: str, data: Mapping[str, Any], folds: int, seed: int) -> dict[str, Any]:
    """Put the data, its codes and its split into a node's cache, once.

    Returns
    -------
    dict
        Facts that all nodes must share; among them the name of the file, which is its content.
    """
    from workloads.forest.fits import make_forest, make_splitter

    facts = datasets.prepare(home, Data(**data))
    note = note_path(home, data["version"], folds, seed)
    if not note.exists() or not (note.parent / read_note(note)["name"]).exists():
        x, y = datasets.load(home, Data(**data))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a class may have fewer rows than there are folds
            split = list(make_splitter(folds, seed).split(x, y))
        classes = np.unique(y, return_inverse=True)[1]
        name = write_data(note.parent, forest_data(x, classes, split))
        base = make_forest({}, seed).get_params()
        write_json(note, {"name": name, "base": base, "columns": int(x.shape[1])})
    return {**facts, "shared": read_note(note)["name"]}


def warm_up_shared(home: str, data: Mapping[str, Any], folds: int, seed: int) -> str:
    """Map the file and prove the builder before the clock starts; return the builder's name."""
    note = note_path(home, data["version"], folds, seed)
    return warm_up(str(note.parent), read_note(note)["name"])


def note_path(home: str, version: str, folds: int, seed: int) -> Path:
    """Return where a node notes the name of the file and what a forest's defaults are."""
    return Path(home).expanduser() / "data" / version / f"shared-{folds}-{seed}.json"


@functools.lru_cache(maxsize=8)
def read_note(path: Path) -> dict[str, Any]:
    """Return what `prepare_shared` noted."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found
