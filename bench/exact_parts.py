"""What the parts of a shared run cost at full size: preparation, a unit, taking in its value.

    python -m bench.exact_parts              581,012 rows, 5 folds
    python -m bench.exact_parts --rows 8000  to try it

Each part runs in a process of its own, whose anonymous memory is sampled (pages of mapped
files can be dropped and are counted apart). Units are those of one group with max_depth None,
10, 20, 30 and three alphas. Results are written to bench/results/exact_parts.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench import machine

BUILDERS = ("compiled", "scikit-learn")
GRID = {"n_estimators": [50], "max_depth": [None, 10, 20, 30], "ccp_alpha": [0.0, 0.001, 0.01]}
UNITS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=581_012)
    parser.add_argument("--part", choices=("prepare", "unit", "accept"))
    parser.add_argument("--builder", choices=BUILDERS, default=BUILDERS[0])
    parser.add_argument("--home", type=Path)
    chosen = parser.parse_args()
    if chosen.part:
        parts = {"prepare": prepare, "unit": unit, "accept": accept}
        print(json.dumps(parts[chosen.part](chosen.home, chosen.rows, chosen.builder)))
        return
    begin, found = machine.facts(), {}
    with tempfile.TemporaryDirectory(prefix="exact-parts-") as home:
        for builder in BUILDERS:
            for part in ("prepare", "unit", "accept"):
                found[f"{part}, {builder}"] = apart(part, builder, home, chosen.rows)
                print(part, builder, json.dumps(found[f"{part}, {builder}"]), flush=True)
    if chosen.rows == parser.get_default("rows"):
        print(machine.keep("exact_parts", begin, {"rows": chosen.rows, "parts": found}))


def apart(part: str, builder: str, home: str, rows: int) -> dict:
    command = [sys.executable, "-m", "bench.exact_parts", "--rows", str(rows), "--part", part]
    command += ["--builder", builder, "--home", home]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=environment
    )
    return json.loads(done.stdout.splitlines()[-1])


def spec_of(home: Path, rows: int, builder: str):
    from tests.doubles.run_specs import run_spec

    given = {"dataset": "synthetic-covtype-v1", "rows": rows, "folds": 5, "grid": GRID}
    return run_spec(home, {**given, "builder": builder})


def do(one):
    from workloads.engines.unit_process import find

    return find(one.function)(**one.arguments)


def prepare(home: Path, rows: int, builder: str) -> dict:
    import numpy as np

    from workloads import forest
    from workloads.data import datasets
    from workloads.data.named import data
    from workloads.forest.exact.preparation import note_path, read_note
    from workloads.forest.exact.sharing import forest_data
    from workloads.forest.fits import make_splitter

    spec = spec_of(home, rows, builder)
    with Watched() as watched:
        do(forest.preparation(spec))
    described = data(spec.parameters)
    note = note_path(str(home), described.version, 5, spec.seed, builder)
    size = (note.parent / read_note(note)["name"]).stat().st_size
    x, y = datasets.load(str(home), described)
    split = list(make_splitter(5, spec.seed).split(x, y))
    classes = np.unique(y, return_inverse=True)[1]
    begin = time.process_time()
    forest_data(x, classes, split, coded=builder == "compiled")
    coding = time.process_time() - begin
    with Watched() as again:
        do(forest.preparation(spec))
    return {
        **watched.found,
        "coding_cpu_seconds": coding,
        "second_time_wall_seconds": again.found["wall_seconds"],
        "file_bytes": size,
    }


def unit(home: Path, rows: int, builder: str) -> dict:
    from workloads import forest

    spec = spec_of(home, rows, builder)
    with Watched() as warm:
        do(forest.warm_up(spec))
    each = []
    with Watched() as watched:
        work = forest.open_work(spec)
        for one in work.units[:UNITS]:
            begin = time.process_time()
            value = do(one)
            spent = time.process_time() - begin
            trees = one.arguments["last"] - one.arguments["first"]
            text = json.dumps(value)
            (home / f"{builder}-{one.unit_id}.json").write_text(text)
            each.append({"cpu_seconds": spent, "trees": trees, "bytes": len(text)})
    return {**watched.found, "warm_up": warm.found, "units": each, "of": len(work.units)}


def accept(home: Path, rows: int, builder: str) -> dict:
    from workloads import forest
    from workloads.engines import Outcome

    spec = spec_of(home, rows, builder)
    each = []
    with Watched() as watched:
        work = forest.open_work(spec)
        for one in work.units[:UNITS]:
            text = (home / f"{builder}-{one.unit_id}.json").read_text()
            begin, wall = time.process_time(), time.perf_counter()
            outcome = Outcome("ok", json.loads(text))
            work.accept(one.unit_id, outcome, node="head", attempts=1)
            spent = time.process_time() - begin, time.perf_counter() - wall
            each.append({"cpu_seconds": spent[0], "wall_seconds": spent[1]})
    return {**watched.found, "units": each}


class Watched:
    """Wall and CPU seconds of a block, and the most anonymous and resident memory in it."""

    def __enter__(self) -> "Watched":
        self._begin = time.perf_counter(), time.process_time()
        self._most = {"RssAnon": 0, "VmRSS": 0}
        self._end = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()
        return self

    def __exit__(self, *error: object) -> None:
        spent = time.perf_counter() - self._begin[0], time.process_time() - self._begin[1]
        self._end.set()
        self._sampler.join()
        self.found = {
            "wall_seconds": spent[0],
            "cpu_seconds": spent[1],
            "peak_anonymous_mb": round(self._most["RssAnon"] / 1024, 1),
            "peak_resident_mb": round(self._most["VmRSS"] / 1024, 1),
        }

    def _sample(self) -> None:
        while True:
            for line in Path("/proc/self/status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in self._most:
                    self._most[name] = max(self._most[name], int(value.split()[0]))
            if self._end.wait(0.01):
                return


if __name__ == "__main__":
    main()
