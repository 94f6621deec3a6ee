"""The file that the units of a run share, made once on each node."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from contracts.files import write_json
from workloads.data import datasets
from workloads.data.datasets import Data
from workloads.forest.exact.sharing import content_name, forest_data, write_data
from workloads.forest.exact.units import warm_up
from workloads.sweeps.plan import sources_fingerprint


def prepare_shared(
    home: str, data: Mapping[str, Any], folds: int, seed: int, builder: str = "auto"
) -> dict[str, Any]:
    """Put the data, their codes and their split into a node's cache, once.

    A file that is there is checked against its name, which is the hash of its content. What
    other code or other libraries noted is made again.

    Returns
    -------
    dict
        Facts that all nodes must share; among them the name of the file.
    """
    from workloads.forest.fits import make_forest, make_splitter

    facts = datasets.prepare(home, Data(**data))
    note = note_path(home, data["version"], folds, seed, builder)
    code = code_fingerprint()
    if not _whole(note, code):
        x, y = datasets.load(home, Data(**data))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a class may have fewer rows than there are folds
            split = list(make_splitter(folds, seed).split(x, y))
        classes = np.unique(y, return_inverse=True)[1]
        shared = forest_data(x, classes, split, coded=_coded(builder))
        name = write_data(note.parent, shared)
        base = make_forest({}, seed).get_params()
        columns = int(x.shape[1])
        write_json(note, {"name": name, "base": base, "columns": columns, "code": code})
    return {**facts, "shared": read_note(note)["name"]}


def warm_up_shared(
    home: str, data: Mapping[str, Any], folds: int, seed: int, builder: str = "auto"
) -> str:
    """Map the file and prove the builder before the clock starts; return the builder's name."""
    note = note_path(home, data["version"], folds, seed, builder)
    return warm_up(str(note.parent), read_note(note)["name"], builder)


def note_path(home: str, version: str, folds: int, seed: int, builder: str = "auto") -> Path:
    """Return where a node notes the name of the file and what a forest's defaults are.

    scikit-learn's builder reads the values themselves, every other one their codes.
    """
    kind = "codes" if _coded(builder) else "values"
    return Path(home).expanduser() / "data" / version / f"{kind}-{folds}-{seed}.json"


def read_note(path: Path) -> dict[str, Any]:
    """Return what `prepare_shared` noted."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _coded(builder: str) -> bool:
    return builder != "scikit-learn"


def code_fingerprint() -> str:
    """Return the identity of the code and the libraries that decide what is noted."""
    from workloads import forest

    return sources_fingerprint(forest.sources(), forest.libraries())


def _whole(note: Path, code: str) -> bool:
    """Say whether this code noted the file, and its content is what its name says."""
    try:
        found = read_note(note)
        name: str = found["name"]
        return bool(found["code"] == code) and content_name(note.parent / name) == name
    except (OSError, ValueError, KeyError):
        return False
