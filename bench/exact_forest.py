"""Work and memory of the exact forest search beside GridSearchCV, in CPU seconds of one thread.

    python -m bench.exact_forest small        8,000 rows, 3 folds, 48 combinations
    python -m bench.exact_forest few-trees    581,012 rows, one split of 5, 2 to 12 trees
    python -m bench.exact_forest many-trees   the same, 12 to 75 trees (a third of the grid)
    python -m bench.exact_forest memory       growth of peak memory, 200,000 rows, 60 trees

Each side runs in a process of its own, one after the other. `--side` runs one side alone and
prints its record. Results are written to bench/results/.
"""

import argparse
import gc
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from bench import machine

SIDES = ("gridsearchcv", "scikit-learn", "compiled")
DEPTHS = [None, 10, 20, 30]
ALPHAS = [0.0, 0.001, 0.01]
CASES = {
    "small": {"rows": 8_000, "folds": 3, "sizes": [50, 100, 200, 300], "splits": 3},
    "few-trees": {"rows": 581_012, "folds": 5, "sizes": [2, 4, 8, 12], "splits": 1},
    "many-trees": {
        "rows": 581_012,
        "folds": 5,
        "sizes": [12, 25, 50, 75],
        "splits": 1,
        "third": True,
    },
    "memory": {"rows": 200_000, "folds": 5, "sizes": [60], "splits": 1},
    "try": {"rows": 2_000, "folds": 3, "sizes": [3, 6], "splits": 2, "third": True},
}
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--side", choices=SIDES)
    chosen = parser.parse_args()
    if chosen.side:
        print(json.dumps(run_side(chosen.case, chosen.side)))
        return
    begin = machine.facts()
    report = {"case": chosen.case, **CASES[chosen.case], "data": "synthetic-covtype-v1"}
    sides = {}
    for side in SIDES:
        sides[side] = run_apart(chosen.case, side)
        shown = {k: v for k, v in sides[side].items() if k != "scores"}
        print(f"{side:14} {json.dumps(shown)}", flush=True)
    report["equal_scores"] = compare(sides)
    report["sides"] = {side: summary(record) for side, record in sides.items()}
    report["ratios"] = ratios(chosen.case, sides)
    path = machine.keep(f"exact_forest_{chosen.case.replace('-', '_')}", begin, report)
    print(f"equal scores: {report['equal_scores']}; ratios: {report['ratios']}; {path.name}")
    if not report["equal_scores"]:
        raise SystemExit(1)


def run_apart(case: str, side: str) -> dict:
    command = [sys.executable, "-W", "ignore", "-m", "bench.exact_forest", case, "--side", side]
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **threads}
    )
    return json.loads(done.stdout.splitlines()[-1])


def run_side(case: str, side: str) -> dict:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    facts = CASES[case]
    x, y = covtype_shaped(facts["rows"])
    splitter = StratifiedKFold(facts["folds"], shuffle=True, random_state=SEED)
    folds = list(splitter.split(x, y))[: facts["splits"]]
    forest = RandomForestClassifier(random_state=SEED, n_jobs=1)
    if side == "gridsearchcv":
        grid = third(case) if facts.get("third") else full_grid(case)
        search = GridSearchCV(forest, grid, cv=folds, refit=False, n_jobs=1)
    else:
        from workloads.forest.exact.builders import prove
        from workloads.forest.exact.search import ExactForestSearchCV

        if side == "compiled":
            prove()  # once per process, like an import
        grid = full_grid(case)
        search = ExactForestSearchCV(forest, grid, cv=folds, refit=False, builder=side)
    before = start_peak()
    cpu, wall = time.process_time(), time.perf_counter()
    search.fit(x, y)
    record = {
        "cpu_seconds": time.process_time() - cpu,
        "wall_seconds": time.perf_counter() - wall,
        "peak_growth_bytes": peak_bytes() - before,
        "builder": getattr(search, "builder_", None),
        "combinations": len(search.cv_results_["params"]),
    }
    names = [f"split{fold}_test_score" for fold in range(len(folds))]
    record["scores"] = {
        json.dumps(parameters, sort_keys=True): [
            float(search.cv_results_[name][index]) for name in names
        ]
        for index, parameters in enumerate(search.cv_results_["params"])
    }
    return record


def full_grid(case: str) -> list[dict]:
    if case == "memory":
        return [{"n_estimators": [60], "max_depth": [None], "ccp_alpha": [0.001]}]
    sizes = CASES[case]["sizes"]
    return [{"n_estimators": sizes, "max_depth": DEPTHS, "ccp_alpha": ALPHAS}]


def third(case: str) -> list[dict]:
    """A random third: every size with every depth, at one alpha drawn for the pair."""
    draw = random.Random(SEED)  # noqa: S311 - the same third for everybody, no secret
    return [
        {"n_estimators": [size], "max_depth": [depth], "ccp_alpha": [draw.choice(ALPHAS)]}
        for size in CASES[case]["sizes"]
        for depth in DEPTHS
    ]


def covtype_shaped(rows: int) -> tuple:
    import numpy as np

    from workloads.data import synthetic_covtype

    x = np.empty((rows, synthetic_covtype.COLUMNS), dtype=np.float32)
    y = np.empty(rows, dtype=np.int64)
    at = 0
    for part, labels in synthetic_covtype.blocks(rows):
        x[at : at + len(part)], y[at : at + len(part)] = part, labels
        at += len(part)
    return x, y


def compare(sides: dict) -> bool:
    """Whether every score that GridSearchCV measured is the others', to the last bit."""
    reference = sides["gridsearchcv"]["scores"]
    return all(
        sides[side]["scores"][parameters] == scores
        for side in SIDES[1:]
        for parameters, scores in reference.items()
    )


def ratios(case: str, sides: dict) -> dict:
    full = 3 if CASES[case].get("third") else 1
    base = full * sides["gridsearchcv"]["cpu_seconds"]
    return {side: round(base / sides[side]["cpu_seconds"], 2) for side in SIDES[1:]}


def summary(record: dict) -> dict:
    text = json.dumps(record["scores"], sort_keys=True)
    kept = {key: value for key, value in record.items() if key != "scores"}
    return {**kept, "scores_sha256": hashlib.sha256(text.encode()).hexdigest()}


def start_peak() -> int:
    """Forget the peak so far (Linux) and return what is resident now."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
