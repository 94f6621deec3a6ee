"""A classifier's grid searched by cross-validation, in fits that any worker can do.

Every form has the same rows in the same order, the same split and the same estimator, so that
scores are those of scikit-learn's GridSearchCV.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TandemError
from workloads.classification.parameters import BOOSTING
from workloads.data import tables
from workloads.data.datasets import Data
from workloads.data.tables import Table
from workloads.data.totals import Totals, added, check_same

Array = NDArray[Any]
Result = dict[str, Any]

_kept: tuple[str, tuple[Array, Array]] | None = None


def estimator(classifier: str, seed: int) -> Any:
    """Return the classifier before its parameters are set."""
    if classifier == BOOSTING:
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(early_stopping=False, random_state=seed)
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))


def named(classifier: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters under the names that the estimator has for them."""
    before = "" if classifier == BOOSTING else "logisticregression__"
    return {f"{before}{name}": value for name, value in parameters.items()}


def splitter(folds: int, seed: int) -> Any:
    """Return the cross-validation's split, the same in every form."""
    from sklearn.model_selection import StratifiedKFold

    return StratifiedKFold(folds, shuffle=True, random_state=seed)


def score(
    x: Array, y: Array, part: tuple[Mapping[str, Any], int], *, classifier: str, folds: int,
    seed: int,
) -> float:  # fmt: skip
    """Fit a combination on all folds but one, and return its accuracy on that one."""
    parameters, fold = part
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rare labels; a solver that stops where it was told to
        train, test = list(splitter(folds, seed).split(x, y))[fold]
        model = estimator(classifier, seed).set_params(**named(classifier, parameters))
        model.fit(x[train], y[train])
    return float(model.score(x[test], y[test]))


def grid_search(
    x: Array, y: Array, combinations: Sequence[Mapping[str, Any]], *, classifier: str,
    folds: int, seed: int, jobs: int | None,
) -> list[Result]:  # fmt: skip
    """Return the result of each combination by GridSearchCV, on joblib's backend of now."""
    from sklearn.model_selection import GridSearchCV

    lists = [
        {name: [value] for name, value in named(classifier, one).items()}
        for one in combinations
    ]
    search = GridSearchCV(
        estimator(classifier, seed), lists, cv=splitter(folds, seed), refit=False, n_jobs=jobs,
        error_score="raise",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(x, y)
    columns = [search.cv_results_[f"split{fold}_test_score"] for fold in range(folds)]
    return [{"scores": [float(one) for one in row]} for row in zip(*columns, strict=True)]


def parts(
    combinations: Sequence[Mapping[str, Any]], folds: int
) -> list[tuple[Mapping[str, Any], int]]:
    """Return what there is to fit: each combination in each fold, in their order."""
    return [(one, fold) for one in combinations for fold in range(folds)]


def results(scores: Sequence[float], folds: int) -> list[Result]:
    """Return the results of the combinations from the scores of `parts`."""
    return [{"scores": list(scores[i : i + folds])} for i in range(0, len(scores), folds)]


def rows_of(mark: str, blocks: Sequence[tuple[Array, Array, Array]]) -> tuple[Array, Array]:
    """Return values and labels of blocks in the order of their keys; kept for the next fit."""
    global _kept
    if _kept is None or _kept[0] != mark:
        ordered = sorted(blocks, key=lambda block: int(block[0][0]))
        x, y = (np.concatenate([block[i] for block in ordered]) for i in (1, 2))
        _kept = mark, (x, y)
    return _kept[1]


def look(home: str, data: Mapping[str, Any]) -> Table:
    """Return the table of the data; the error, if there is one, is the reason of all trials."""
    return tables.look(home, Data(**data))


def check_read(table: Table, found: Sequence[Totals]) -> None:
    """Refuse blocks that are not together what was loaded into the table."""
    check_same(table.totals, added(found), f"What was read of {table.name}")


def with_times(found: Sequence[Result], table: Table, read_seconds: float) -> list[Result]:
    """Return results with what it took to load and to read their data."""
    extra = {
        "load seconds": table.load_seconds,
        "read seconds": read_seconds,
        "read rows": table.rows,
        "read bytes": table.rows * (table.columns * int(table.kind[1]) + 16),
    }
    return [{**one, "extra": extra} for one in found]


def reasoned(search: Callable[[], list[Result]], trials: int) -> list[Result]:
    """Return what a search finds; an error with words for the user is the reason of each."""
    try:
        return search()
    except Exception as error:
        ours = _words(error)
        if ours is None:
            raise
        return [{"reason": ours}] * trials


def _words(error: BaseException | None) -> str | None:
    """Return the words of the error of ours that an engine brought, wrapped in its own."""
    seen = 0
    while error is not None and seen < 10:
        inner = getattr(error, "cause", None)
        if isinstance(inner, BaseException):
            error = inner
        elif isinstance(error, TandemError):
            return str(error)
        else:
            error = error.__cause__
        seen += 1
    return None


def as_fields(table: Table) -> dict[str, Any]:
    """Return what a read needs to know of a table, as JSON."""
    fields = asdict(table)
    return {name: fields[name] for name in ("name", "columns", "kind", "rows")}


def warm_up(*libraries: str) -> bool:
    """Load what a first read and a first fit would have to load."""
    import importlib

    for name in ("psycopg", *libraries):
        importlib.import_module(name)
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = np.arange(60) % 2
    for classifier in ("logistic", BOOSTING):
        score(x, y, ({}, 0), classifier=classifier, folds=2, seed=0)
    return True
