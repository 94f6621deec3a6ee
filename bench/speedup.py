"""Speed-up of the forest sweep: nodes of 0.3 CPU, so that the host itself does not saturate.

python -m bench.speedup --repeats 3
"""

import argparse
import csv
import statistics
import tempfile
from pathlib import Path

from bench.machine import facts, keep, spread
from bench.machines import cluster

ENGINES = ("ray", "dask")


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cpus", type=float, default=0.3)
    parser.add_argument("--preset", default="scaling")
    options = parser.parse_args()
    machine = facts()
    with cluster(nodes=3, cpus=options.cpus) as made, tempfile.TemporaryDirectory() as results:
        made.fab(
            "sweep.run", "--workload", "forest", "--preset", options.preset,
            "--engines", ",".join(ENGINES), "--nodes", "1,3", "--no-baseline",
            "--repeats", str(options.repeats), "--name", "speedup", "--results", results,
            "--set", "reuse=false",  # one fit per combination: reuse is measured by exact_*
        )  # fmt: skip
        made.fab("report.build", "--name", "speedup", "--results", results)
        table = Path(results, "speedup", "results.csv").read_text()
    rows = [row for row in csv.DictReader(table.splitlines()) if row["comparable"] == "True"]
    figures = {}
    for engine in ENGINES:
        seconds = {
            count: [
                float(row["wall_seconds"])
                for row in rows
                if (row["engine"], row["nodes"]) == (engine, count)
            ]
            for count in ("1", "3")
        }
        alone, together = (statistics.median(seconds[count]) for count in ("1", "3"))
        ratio = alone / together
        figures[engine] = {
            "seconds_on_1": spread(seconds["1"]),
            "seconds_on_3": spread(seconds["3"]),
            "speed_up": round(ratio, 3),
        }
        print(f"{engine:5} {alone:7.1f} s on 1 node, {together:7.1f} s on 3: {ratio:.2f}")
    print(f"kept in {keep('speedup', machine, figures)}")


if __name__ == "__main__":
    main()
