"""Trials of an Optuna study over XGBoost a minute, on 3 nodes beside 1, and how good they are.

    python -m bench.boosting               about 40 minutes
    python -m bench.boosting --try         minutes: shows that it runs
    python -m bench.boosting --quality     the sampler alone, without machines

Quality is the best error after N trials: one trial at a time beside several under way, with
and without the constant liar, beside drawing at random; over several seeds.
"""

import argparse
import statistics
from typing import Any

from bench.machine import facts, keep, spread
from bench.machines import cluster
from bench.sweeps import chosen, figure, ratio, swept
from workloads import xgboost as workload
from workloads.xgboost.parameters import data

TO_REACH = 2.5
SEEDS = 8
WAYS: dict[str, dict[str, Any]] = {
    "one at a time": {"parallel": 1},
    "6 under way, constant liar": {"parallel": 6, "constant_liar": True},
    "6 under way, no liar": {"parallel": 6, "constant_liar": False},
    "24 under way, constant liar": {"parallel": 24, "constant_liar": True},
    "24 under way, no liar": {"parallel": 24, "constant_liar": False},
    "at random": {"sampler": "random"},
}
AFTER = (10, 20, 40)


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cpus", type=float, default=0.3)
    parser.add_argument("--engines", default="dask,ray")
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--try", dest="trial", action="store_true")
    options = parser.parse_args()
    options.repeats = 1 if options.trial else options.repeats
    machine = facts()
    suffix = "_try" if options.trial else ""
    if options.quality:
        path = keep(
            f"boosting_quality{suffix}", machine, quality(2 if options.trial else SEEDS)
        )
    else:
        path = keep(f"boosting{suffix}", machine, speed(options))
    print(f"kept in {path}")


def speed(options: argparse.Namespace) -> dict[str, Any]:
    """Return trials a minute of each engine on 1 and on 3 nodes, and of plain fits."""
    settings = ["--set", "trials=12", "--set", "rows=10000"] if options.trial else []
    engines = options.engines.split(",")
    with cluster(nodes=3, cpus=options.cpus) as made:
        rows = swept(
            made, "boosting", "--workload", "xgboost", "--preset", "scaling", *settings,
            "--engines", options.engines, "--nodes", "1,3", "--repeats", str(options.repeats),
        )  # fmt: skip
    forms: dict[str, Any] = {"plain": figure(chosen(rows, "plain", 1))}
    found = {}
    for engine in engines:
        alone, together = (chosen(rows, engine, count) for count in (1, 3))
        for count, those in ((1, alone), (3, together)):
            each = [60 * int(row["trials_ok"]) / float(row["wall_seconds"]) for row in those]
            forms[f"{engine}, {count} nodes"] = {
                **figure(those),
                "trials_a_minute": spread(each),
            }
        found[engine] = {
            "times_as_many_trials_a_minute": ratio(alone, together),
            "times_as_fast_as_plain": ratio(chosen(rows, "plain", 1), together),
        }
        print(engine, found[engine], flush=True)
    return {"forms": forms, "engines": found, "to_reach": TO_REACH, "settings": settings}


def quality(seeds: int) -> dict[str, Any]:
    """Return the best error after some trials, in each way, over so many seeds."""
    from workloads.xgboost import boosting, samples, study

    base = workload.validate({"rows": 4000, "trials": max(AFTER), "rounds": [25, 50, 100]})
    rows = samples.made(samples.of(data(base)))
    binned = boosting.bins(rows, base["max_bin"], base["threads"])
    found: dict[str, dict[int, list[float]]] = {way: {n: [] for n in AFTER} for way in WAYS}
    for seed in range(seeds):
        fitting = {name: base[name] for name in ("rounds", "max_bin", "threads")}
        fitting["seed"] = seed

        def evaluate(tried: Any, fitting: Any = fitting) -> dict[str, Any]:
            errors = boosting.shared_errors(binned, rows, fitting, tried)
            return {"scores": [-min(errors)]}

        for way, how in WAYS.items():
            one = study.of({**base, **how}, seed)
            values = [
                -each["scores"][0] for each in study.sequence(one, base["trials"], evaluate)
            ]
            for count in AFTER:
                found[way][count].append(min(values[:count]))
        print(f"seed {seed} done", flush=True)
    table = {
        way: {f"best_rmse_after_{count}": spread_of(values) for count, values in counts.items()}
        for way, counts in found.items()
    }
    for way, counts in table.items():
        print(way, {name: one["median"] for name, one in counts.items()})
    return {"work": base, "seeds": seeds, "ways": table}


def spread_of(values: list[float]) -> dict[str, Any]:
    """Return the median of errors with more digits than times have, and the errors."""
    digits = [round(value, 6) for value in values]
    return {"median": round(statistics.median(values), 6), "values": digits}


if __name__ == "__main__":
    main()
