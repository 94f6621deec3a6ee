"""Every workload by the name that `--workload` takes, and what a workload must offer."""

import importlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast, runtime_checkable

from contracts.errors import UsageError
from contracts.trial import TrialResult
from workloads.engines import Outcome, Unit
from workloads.runs import RunSpec

_MODULES = {
    "classification": "workloads.classification",
    "flights": "workloads.flights",
    "forest": "workloads.forest",
    "kmeans": "workloads.kmeans",
    "knn": "workloads.knn",
    "pca": "workloads.pca",
    "resnet": "workloads.resnet",
    "svc": "workloads.svc",
    "xgboost": "workloads.xgboost",
}


class Work(Protocol):
    """The units of one run, and how their values become results of trials.

    A unit may complete no trial, one, or many: units of a workload that shares work between
    trials do not match trials one to one.
    """

    units: Sequence[Unit]

    def accept(
        self, unit_id: str, outcome: Outcome, *, node: str, attempts: int
    ) -> list[TrialResult]:
        """Take the value of a unit that ended well; return the trials that it completed."""

    def give_up(
        self, unit_id: str, reason: str, *, nodes: Sequence[str], attempts: int
    ) -> list[TrialResult]:
        """Take the news that a unit failed for good; return the trials that fail with it."""

    def needed(self, unit_id: str) -> bool:
        """Return whether a unit can still contribute to a trial."""

    def summary(self, results: Sequence[TrialResult]) -> dict[str, Any]:
        """Return the run's findings as JSON, from all results of all its trials."""


@runtime_checkable
class Stepwise(Work, Protocol):
    """Work whose next units depend on what came of earlier ones, as those of a study do."""

    def ready(self, unit_id: str) -> bool:
        """Return whether all is known that the unit depends on; asked again until it is."""

    def arguments(self, unit_id: str) -> Mapping[str, Any]:
        """Return the arguments of a unit that is ready; the same for each of its attempts."""


class Workload(Protocol):
    """What a workload's module offers; parameters are JSON, after `validate` complete.

    `SIZE` is the name of the parameter that says how much data there is. `QUALITY` says what
    the scores are, of which higher is better unless `RANKED` is there and False, and
    `TOLERANCE` how far two scores of the same work may lie apart, as a part of their size; 0
    where they are equal to the last bit.
    """

    NAME: str
    PRESETS: Mapping[str, Mapping[str, Any]]
    SIZE: str
    QUALITY: str
    TOLERANCE: float

    def defaults(self) -> dict[str, Any]:
        """Return the parameters of a run for which the user typed none."""

    def validate(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters with defaults filled in.

        Raises
        ------
        InvalidDocument
            With every problem at once.
        """

    def combinations(self, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the parameters of each trial, in a fixed order."""

    def plain_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the complete parameters with which the library's own code computes these.

        Whatever decides how the scores are found, and no score, has one value in them. So
        two runs with the same plain parameters have the same scores, and one plain run
        serves both as the baseline.
        """

    def data_version(self, parameters: Mapping[str, Any]) -> str:
        """Return the name of the data and its split; other data has another name."""

    def sources(self) -> list[Path]:
        """Return the workload's own files that decide its scores."""

    def libraries(self) -> dict[str, str]:
        """Return the versions, by name, of the distributions that decide its scores."""

    def prepare(self, home: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Put the data into a node's cache, once; return facts that all nodes must share."""

    def preparation(self, spec: RunSpec) -> Unit:
        """Return the unit that calls `prepare` on a node."""

    def warm_up(self, spec: RunSpec) -> Unit:
        """Return the unit that each slot does before the clock starts.

        Where it is a program, so must all units of the work be.
        """

    def open_work(self, spec: RunSpec) -> Work:
        """Return the units of the trials that the run still has to do."""

    def plain(self, parameters: Mapping[str, Any], seed: int) -> list[TrialResult]:
        """Do the same trials with the library's own code, in this process: the reference.

        Trial ids are empty, the order is that of `combinations`.
        """


def data_version(parameters: Mapping[str, Any]) -> str:
    """Return the name of the data, which says what it is and ends in a hash.

    A workload offers this where `validate` settles it.
    """
    return str(parameters["data_version"])


def files_of(own: str, *shared: ModuleType) -> list[Path]:
    """Return the files beside a workload's own `__file__`, and those of shared modules."""
    others = [Path(str(one.__file__)) for one in shared]
    return [*sorted(Path(own).parent.glob("*.py")), *others]


def libraries() -> dict[str, str]:
    """Return the versions of scikit-learn and NumPy; offered where these decide the scores."""
    return versions("scikit-learn", "numpy")


def versions(*distributions: str) -> dict[str, str]:
    """Return the versions, by name, of distributions that are installed."""
    return {name: metadata.version(name) for name in distributions}


def names() -> tuple[str, ...]:
    """Return the names that `--workload` takes."""
    return tuple(sorted(_MODULES))


def lock(name: str) -> Path | None:
    """Return the locked packages of a workload that needs more than every node has, if so."""
    path = Path(__file__).parent / name / "requirements.lock"
    return path if path.is_file() else None


def reads_database(name: str) -> bool:
    """Say whether a workload reads from the cluster's database, which then has to run."""
    return bool(getattr(find(name), "DATABASE", False))


def tolerance(name: str, parameters: Mapping[str, Any]) -> float | None:
    """Return how far two scores of the same work may lie apart, as a part of their size.

    None where nothing can be said of that, because with these parameters the nodes decide what
    is computed: a workload then offers `tolerance(parameters)`, too.
    """
    found = find(name)
    own = getattr(found, "tolerance", None)
    return found.TOLERANCE if own is None else cast(float | None, own(parameters))


def ranked(name: str) -> bool:
    """Say whether a higher score of a workload is a better one, and not just another."""
    return bool(getattr(find(name), "RANKED", True))


def find(name: str) -> Workload:
    """Return the workload of that name.

    Raises
    ------
    UsageError
        If there is none.
    """
    if name not in _MODULES:
        raise UsageError(
            f"There is no workload {name!r}; there is: {', '.join(names())}.",
            next_step=f"fab sweep.run --workload {names()[0]}",
        )
    return cast(Workload, importlib.import_module(_MODULES[name]))
