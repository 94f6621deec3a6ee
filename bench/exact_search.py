"""One shared search on local machines, by the verb that users type, and what it took."""

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.machines import LOCK, Cluster
from contracts.endpoint import Endpoint
from contracts.inventory import Inventory
from contracts.trial import canonical
from workloads.data import datasets
from workloads.sweeps.journal import Journal

ENGINES = ("ray", "dask")
BUILDERS = ("scikit-learn", "compiled")
DEPTHS = (None, 10, 20, 30)
ALPHAS = (0.0, 0.001, 0.01)
SEED = 0
DEADLINE_SECONDS = 3500
# Files are read once before anything is measured: nobody's first search pays for a cold disk.
PREPARE = """
import json, sys
import distributed, ray, sklearn.ensemble, sklearn.model_selection
from workloads.data import datasets
task = json.loads(sys.argv[1])
print(json.dumps(datasets.prepare(task["home"], datasets.Data(**task["data"]))))
"""


@dataclass(frozen=True)
class Work:
    """Generated rows of cover type's shape, how often they are split, and a grid."""

    rows: int
    grid: Mapping[str, Sequence[Any]]
    folds: int = 3

    @property
    def data(self) -> datasets.Data:
        """The data by its full name."""
        return datasets.describe(datasets.SYNTHETIC, self.rows)

    def document(self) -> dict[str, Any]:
        """Return the work as a result's reader wants it."""
        return {
            "data": self.data.version,
            "rows": self.rows,
            "folds": self.folds,
            "grid": dict(self.grid),
        }

    def task(self, search: str, endpoint: Endpoint, machines: Inventory) -> dict[str, Any]:
        """Return what `peer_searches.py` is told to do this work by one of its searches."""
        return {
            "search": search,
            "address": endpoint.address,
            "head": machines.head.private_ip,
            "credentials": dict(endpoint.credentials),
            "home": endpoint.home,
            "data": vars(self.data),
            "folds": self.folds,
            "seed": SEED,
            "grid": dict(self.grid),
        }

    def settings(self, builder: str) -> list[str]:
        """Return the options of `fab sweep.run` that ask for this work."""
        values = {
            "dataset": datasets.SYNTHETIC,
            "rows": self.rows,
            "folds": self.folds,
            "seed": SEED,
            "grid": dict(self.grid),
            "reuse": True,
            "builder": builder,
        }
        pairs = (f"{key}={json.dumps(value)}" for key, value in values.items())
        return [word for pair in pairs for word in ("--set", pair)]


def grid_of(trees: int) -> dict[str, list[Any]]:
    """Return 48 combinations: four sizes of forest up to `trees`, all depths, all alphas."""
    sizes = sorted({max(1, trees * part // 6) for part in (1, 2, 4, 6)})
    return {"n_estimators": sizes, "max_depth": list(DEPTHS), "ccp_alpha": list(ALPHAS)}


def prepare_data(made: Cluster, data: datasets.Data, lock: Path = LOCK) -> None:
    """Make the raw data on every node, as if it lay there already; nothing is coded."""
    endpoint = made.bring(None, nodes=len(made.inventory.nodes), lock=lock)
    task = {"home": endpoint.home, "data": vars(data)}
    for node in made.inventory.nodes:
        made.python(node, endpoint, PREPARE, task)


def shared_search(
    made: Cluster, work: Work, *, engine: str, nodes: int, builder: str
) -> dict[str, Any]:
    """Run a search once, its data not coded yet, and return what it took.

    `coding_and_units` is what is compared over nodes: preparing the data on each node, coding
    included, and all units. `whole` adds connecting and warming up, from the driver's start.
    Seconds; `cpu_seconds` are those of all nodes together, engines' own included.

    SystemExit if it did not finish undisturbed with the builder that was asked for.
    """
    endpoint = made.bring(engine, nodes=nodes)
    forget_codes(made, endpoint)
    cpu, begin = made.cpu_seconds(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        made.fab(
            "sweep.run", "--workload", "forest", *work.settings(builder),
            "--engines", engine, "--nodes", str(nodes), "--repeats", "1", "--no-baseline",
            "--name", "search", "--results", folder, "--deadline", str(DEADLINE_SECONDS),
        )  # fmt: skip
        records = Journal(Path(folder, "search", "journal.jsonl")).read().records
    cpu, typed = made.cpu_seconds() - cpu, time.monotonic() - begin
    run = next(record for record in reversed(records) if record["kind"] == "run")
    _check(run, builder)
    phases = run["phases"]
    return {
        "coding_and_units": phases["data"] + phases["work"],
        "whole": sum(phases.values()),
        "typed_to_done": typed,
        "phases": phases,
        "cpu_seconds": cpu,
        "load": [run["load_before"], run["load_after"]],
        "units": run["units"],
        "versions": run["versions"],
        "summary": run["summary"],
        "timeline": run["timeline"],
        "memory": made.memory(typed),
        "scores": {
            canonical(record["result"]["parameters"]): list(record["result"]["scores"])
            for record in records
            if record["kind"] == "trial" and record["result"]["status"] == "ok"
        },
    }


def forget_codes(made: Cluster, endpoint: Endpoint) -> None:
    """Remove what earlier searches made of the data on the nodes; the data itself stays."""
    for node in made.inventory.nodes:
        made.on_node(
            node,
            f"cd {endpoint.home}/data && find . -name 'forest-*.data' -delete && "
            "find . -name '*-*-*.json' -delete",
        )


def only_known(words: str, known: Sequence[str], option: str) -> list[str]:
    """Return the names in a list with commas; SystemExit if one is unknown."""
    names = [word.strip() for word in words.split(",") if word.strip()]
    for name in names:
        if name not in known:
            raise SystemExit(f"{option}: there is no {name!r}; there is: {', '.join(known)}.")
    return names


def where(inventory: Inventory) -> dict[str, Any]:
    """Return what the nodes of a measurement are."""
    head = inventory.head
    return {
        "nodes": len(inventory.nodes),
        "cpus_each": head.cpus,
        "memory_bytes_each": head.memory_bytes,
    }


def _check(run: Mapping[str, Any], builder: str) -> None:
    summary = run["summary"]
    trouble = [
        words
        for wrong, words in (
            (run["status"] != "finished", f"it ended as {run['status']}: {run['reason']}"),
            (run["ok"] != run["trials"], f"{run['ok']} of {run['trials']} trials have scores"),
            (run["deaths"], f"nodes were lost: {run['deaths']}"),
            (run["retries"], f"{run['retries']} units were tried again"),
            (
                summary.get("builder") != builder,
                f"trees came from {summary.get('builder')}: {summary.get('builder_reason')}",
            ),
        )
        if wrong
    ]
    if trouble:
        raise SystemExit(f"The search on {run['engine']} does not count: {'; '.join(trouble)}")
