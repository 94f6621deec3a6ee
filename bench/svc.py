"""SVC's grid on 3 nodes beside 1: shared kernel matrices, joblib on Dask and Ray, and plain.

    python -m bench.svc                    about 45 minutes
    python -m bench.svc --try              minutes: shows that it runs

All in one cluster of nodes of 0.3 CPU; the forms take turns within each repeat.
"""

import argparse
from typing import Any

from bench.machine import facts, keep
from bench.machines import Cluster, cluster
from bench.sweeps import Row, chosen, figure, ratio, swept

OURS, JOBLIB = "reuse=true", "reuse=false"
TO_REACH = 2.5


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--cpus", type=float, default=0.3)
    parser.add_argument("--engines", default="dask,ray")
    parser.add_argument("--try", dest="trial", action="store_true")
    options = parser.parse_args()
    if options.trial:
        options.repeats, options.rows = 1, 600
    machine = facts()
    engines = options.engines.split(",")
    with cluster(nodes=3, cpus=options.cpus) as made:
        rows = measure(made, options, engines)
        found = figures(rows, engines)
    found["work"] = f"preset scaling, rows={options.rows}"
    path = keep("svc_try" if options.trial else "svc", machine, found)
    print(f"kept in {path}")


def measure(made: Cluster, options: argparse.Namespace, engines: list[str]) -> list[Row]:
    work = ("--workload", "svc", "--preset", "scaling", "--set", f"rows={options.rows}")
    repeats = ("--repeats", str(options.repeats))
    rows = swept(
        made, "svc", *work, *repeats, "--engines", ",".join(engines), "--nodes", "1,3",
        "--vary", "reuse=true,false",
    )  # fmt: skip
    all_cores = swept(
        made, "svc-all-cores", *work, *repeats, "--engines", "plain", "--nodes", "1",
        "--set", "reuse=false", "--set", "jobs=-1",
    )  # fmt: skip
    return [*rows, *({**row, "engine": "plain, all cores"} for row in all_cores)]


def figures(rows: list[Row], engines: list[str]) -> dict[str, Any]:
    forms: dict[str, Any] = {
        "plain, one core": figure(chosen(rows, "plain", 1)),
        "plain, all cores": figure(chosen(rows, "plain, all cores", 1)),
    }
    speed_up = {}
    for engine in engines:
        for count in (1, 3):
            for form, words in ((OURS, "shared kernels"), (JOBLIB, "joblib")):
                one = chosen(rows, engine, count, form)
                forms[f"{words} on {engine}, {count} nodes"] = figure(one)
        alone, together = (chosen(rows, engine, count, OURS) for count in (1, 3))
        speed_up[engine] = {
            "times_as_fast_as_one_node": ratio(alone, together),
            "times_as_fast_as_its_joblib_on_3": ratio(
                chosen(rows, engine, 3, JOBLIB), together
            ),
            "its_joblib_on_3_beside_1": ratio(
                chosen(rows, engine, 1, JOBLIB), chosen(rows, engine, 3, JOBLIB)
            ),
            "times_as_fast_as_plain": ratio(chosen(rows, "plain", 1), together),
        }
        print(engine, speed_up[engine], flush=True)
    return {"forms": forms, "engines": speed_up, "to_reach": TO_REACH}


if __name__ == "__main__":
    main()
