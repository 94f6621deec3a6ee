"""The measurements: `make bench` does those of minutes, `make bench NAMES="svc pca"` any.

python -m bench --list says how long each takes, and which belong to `make bench`. The name
`workloads` stands for all that measure a workload at its full size.
"""

import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """A module of this folder with its words; `minutes` on two cores of 2026."""

    words: tuple[str, ...]
    minutes: int
    what: str
    by_default: bool = False


MEASUREMENTS = {
    "audit": Measurement(("audit",), 3, "what is left in a slow account", True),
    "aws_start": Measurement(("aws_start",), 20, "fresh machines of a cloud, baked or not"),
    "bring_up": Measurement(("bring_up",), 10, "bring-up of three nodes", True),
    "openstack_bed": Measurement(("openstack_bed",), 15, "test bed, up, doctor, destroy"),
    "openstack_start": Measurement(("openstack_start",), 15, "workers behind the head"),
    "peers": Measurement(("peers",), 10, "bring-up beside SSHCluster and ray up", True),
    "speedup": Measurement(("speedup",), 25, "plain fits on 3 nodes beside 1", True),
    "demo": Measurement(("demo",), 20, "make demo, in a new clone and again", True),
    "exact_small": Measurement(
        ("exact_forest", "small"), 4, "reuse on one core, 8,000 rows", True
    ),
    "exact_few_trees": Measurement(
        ("exact_forest", "few-trees"), 40, "reuse on one core, full size, 2 to 12 trees"
    ),
    "exact_many_trees": Measurement(
        ("exact_forest", "many-trees"), 100, "the same, 12 to 75 trees"
    ),
    "exact_growth": Measurement(
        ("exact_forest", "memory"), 4, "growth of peak memory of one process", True
    ),
    "exact_parts": Measurement(
        ("exact_parts",), 4, "preparation, a unit and taking in its value, full size"
    ),
    "exact_nodes": Measurement(("exact_nodes",), 120, "shared search on 3 nodes beside 1"),
    "exact_peers": Measurement(
        ("exact_peers",), 100, "shared search beside Ray Tune, dask-ml, joblib, GridSearchCV"
    ),
    "exact_flat": Measurement(("exact_memory", "flat"), 25, "memory of nodes over 50 trials"),
    "resnet": Measurement(("resnet",), 60, "ResNet-18 on 3 nodes beside 1, and accuracies"),
    "database": Measurement(("database",), 25, "time to load and to read on 1 to 3 nodes"),
    "flights": Measurement(
        ("flights",), 60, "group-by on 3 nodes beside pandas on 1, Polars, DuckDB"
    ),
    "kmeans": Measurement(("kmeans",), 30, "K-Means on 3 nodes beside 1, and dask-ml"),
    "pca": Measurement(("pca",), 30, "PCA from the bucket on 3 nodes beside 1, and dask-ml"),
    "profile_cost": Measurement(("profile_cost",), 15, "runs with a profile beside without"),
    "svc": Measurement(("svc",), 45, "SVC's grid on 3 nodes beside 1, and joblib on engines"),
    "boosting": Measurement(("boosting",), 40, "XGBoost trials a minute, 3 nodes beside 1"),
    "boosting_quality": Measurement(
        ("boosting", "--quality"), 15, "what parallel trials cost the sampler of a study"
    ),
    "published_knn": Measurement(
        ("published",), 30, "KNN on 1 to 6 nodes, beside times that others published"
    ),
    "published_resnet": Measurement(
        ("published", "--workload", "resnet"), 90, "ResNet-18, likewise"
    ),
    "exact_full": Measurement(("exact_memory", "full"), 30, "full size on nodes of 2 GB"),
}
WORKLOADS = (
    "exact_nodes", "kmeans", "pca", "svc", "boosting", "boosting_quality", "flights",
    "database", "resnet", "published_knn", "published_resnet",
)  # fmt: skip


def main() -> None:
    """Run the measurements that are named, or the default ones; stop at the first to fail."""
    if "--list" in sys.argv[1:]:
        for name, one in MEASUREMENTS.items():
            mark = "make bench" if one.by_default else ""
            print(f"{name:18} {one.minutes:4} minutes  {mark:12} {one.what}")
        return
    usual = [name for name, one in MEASUREMENTS.items() if one.by_default]
    named = [
        one for name in sys.argv[1:] for one in (WORKLOADS if name == "workloads" else [name])
    ]
    for name in named or usual:
        if name not in MEASUREMENTS:
            raise SystemExit(
                f"There is no measurement {name!r}; there is: "
                f"workloads, {', '.join(MEASUREMENTS)}."
            )
        module, *words = MEASUREMENTS[name].words
        print(f"\n== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"bench.{module}", *words], check=True)


if __name__ == "__main__":
    main()
