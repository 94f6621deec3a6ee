"""The search as a scikit-learn estimator: GridSearchCV's interface, results and errors."""

import copy
import time
from collections.abc import Mapping, Sequence
from itertools import product
from os import PathLike
from typing import Any, ClassVar

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.model_selection._validation import _warn_or_raise_about_fit_failures
from sklearn.utils import indexable
from sklearn.utils._param_validation import HasMethods, StrOptions

from workloads.forest.exact.builders import CHOICES, promise
from workloads.forest.exact.checkpoint import checkpoint_folder
from workloads.forest.exact.inputs import (
    DrawnFolds,
    Inputs,
    check_inputs,
    plan_candidates,
)
from workloads.forest.exact.parameters import OutsideTheRules
from workloads.forest.exact.plain_fits import fit_plainly
from workloads.forest.exact.plan import Plan
from workloads.forest.exact.running import share
from workloads.forest.exact.scoring import FoldScorer
from workloads.forest.exact.sharing import Fold, forest_data

Scores = dict[tuple[int, int], Any]  # trial, fold


class ExactForestSearchCV(GridSearchCV):  # type: ignore[misc]
    """Exhaustive search over a random forest's parameters that grows every tree once.

    Scores are, to the last bit, those of ``GridSearchCV(..., n_jobs=1)``. Combinations that
    can share trees exactly do; the others are fitted one by one, as there; `explain` says
    which and why. `mean_fit_time` of one that shares is its even part of the whole.

    Parameters
    ----------
    estimator : RandomForestClassifier
        With an integer `random_state`; any other estimator makes this a plain GridSearchCV.
    param_grid : dict or list of dicts
    scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As in GridSearchCV. With `n_jobs` above 1 processes map one file with the data.
    builder : {"auto", "compiled", "scikit-learn"}, default="auto"
        What grows the shared trees. "auto" takes the compiled builder if it proves itself
        against scikit-learn's at start, and else scikit-learn's.
    engine : RayUnits, DaskUnits or object with a method ``run``, default=None
        Where the units of shared work are done; None is this machine. ``run(units)`` yields
        pairs of a unit's id and its value, in any order. Combinations that cannot share are
        fitted on this machine.
    checkpoint : str or path, default=None
        A folder that keeps what is done, unit by unit: the same search on the same data,
        begun again after its process was killed, does only what is missing. Needs scores
        given by name. Combinations that cannot share are fitted again.

    Attributes
    ----------
    plan_ : Plan or None
        What was shared; None where all was left to GridSearchCV.
    builder_ : str
        "compiled", "scikit-learn", or both where some trees are beyond the compiled one;
        empty where every score was in the checkpoint.
    builder_reason_ : str
        Why that one, or why each; or why nothing was shared.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> search = ExactForestSearchCV(
    ...     RandomForestClassifier(random_state=0),
    ...     {"n_estimators": [5, 10], "ccp_alpha": [0.0, 0.01]},
    ... )
    >>> search.fit(x, y).best_params_
    {'ccp_alpha': 0.01, 'n_estimators': 10}
    """

    cv: Any

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **GridSearchCV._parameter_constraints,
        "builder": [StrOptions(set(CHOICES))],
        "engine": [None, HasMethods("run")],
        "checkpoint": [None, str, PathLike],
    }

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        builder: str = "auto",
        engine: Any = None,
        checkpoint: Any = None,
    ) -> None:
        super().__init__(
            estimator=estimator,
            param_grid=param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.builder = builder
        self.engine = engine
        self.checkpoint = checkpoint

    def fit(self, X: Any, y: Any = None, **params: Any) -> "ExactForestSearchCV":
        """Score every combination, then refit the best; see GridSearchCV.fit."""
        self._validate_params()
        given = self._keep_splits()
        try:
            return self._fit(X, y, params)
        finally:
            self.cv = given

    def _fit(self, X: Any, y: Any, params: dict[str, Any]) -> "ExactForestSearchCV":
        try:
            inputs, plan, folds = self._planned(X, y, params)
        except OutsideTheRules as reason:
            self.plan_ = None
            self.builder_ = "scikit-learn"
            self.builder_reason_ = f"all of it is GridSearchCV's: {reason}"
            super().fit(X, y, **params)
            return self
        if self.verbose > 0:
            print(plan.explain())
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        self.plan_ = plan
        self.n_splits_ = len(folds)
        candidates = list(ParameterGrid(self.param_grid))
        found = self._shared(X, y, inputs, plan, folds, scorers)
        found |= fit_plainly(
            self.estimator,
            X,
            y,
            {trial: candidates[trial] for trial in plan.plain},
            folds,
            scorers,
            parallel={"n_jobs": self.n_jobs, "pre_dispatch": self.pre_dispatch},
            verbose=self.verbose,
            return_train_score=self.return_train_score,
            error_score=self.error_score,
        )
        out = [found[place] for place in product(range(len(candidates)), range(len(folds)))]
        _warn_or_raise_about_fit_failures(out, self.error_score)
        results = self._format_results(candidates, len(folds), out)
        return self._finish(X, y, results, scorers, refit_metric, out)

    def explain(self, X: Any, y: Any = None, **params: Any) -> str:
        """Return in plain words what a fit on this data would share, and its work.

        Nothing is fitted.
        """
        self._validate_params()
        given = self._keep_splits()
        try:
            self.cv = copy.deepcopy(given)  # a generator of random numbers stays where it is
            _, plan, _ = self._planned(X, y, params)
        except OutsideTheRules as reason:
            return f"Nothing is shared, GridSearchCV does all of it: {reason}."
        finally:
            self.cv = given
        return f"{plan.explain()}\n{promise(self.builder)}"

    def _keep_splits(self) -> Any:
        """Return `cv`; splits that could be read only once are read and kept."""
        if hasattr(self.cv, "__next__"):
            self.cv = list(self.cv)
        return self.cv

    def _planned(
        self, x: Any, y: Any, params: Mapping[str, Any]
    ) -> tuple[Inputs, Plan, list[Fold]]:
        scorers, _ = self._get_scorers()
        params = {name: value for name, value in params.items() if value is not None}
        inputs = check_inputs(self.estimator, x, y, params, scorers)
        x, y = indexable(x, y)
        splitter = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self._checked_cv_orig = splitter
        self.cv = drawn = DrawnFolds(splitter, x, y, params)  # should GridSearchCV do it all
        folds = drawn.as_rows()
        plan = plan_candidates(self.estimator, self.param_grid, inputs, folds)
        return inputs, plan, folds

    def _shared(
        self, x: Any, y: Any, inputs: Inputs, plan: Plan, folds: Sequence[Fold], scorer: Any
    ) -> Scores:
        voted = [
            (train, np.concatenate([test, train]) if self.return_train_score else test)
            for train, test in folds
        ]
        coded = self.builder != "scikit-learn"
        checkpoint = self.checkpoint and checkpoint_folder(
            self.checkpoint,
            scoring=self.scoring,
            labels=inputs.labels,
            error_score=self.error_score,
            return_train_score=self.return_train_score,
        )
        data = forest_data(inputs.matrix, inputs.classes, voted, coded=coded)
        judges = [
            FoldScorer(
                x,
                y,
                fold,
                inputs.classes,
                inputs.labels,
                scorer=scorer,
                accuracy=self.scoring is None or self.scoring == "accuracy",
                with_train=self.return_train_score,
                error_score=self.error_score,
            ).judge
            for fold in folds
        ]
        found = share(
            plan,
            data,
            judges,
            self.builder,
            engine=self.engine,
            n_jobs=self.n_jobs,
            pre_dispatch=self.pre_dispatch,
            checkpoint=checkpoint,
        )
        self.builder_, self.builder_reason_ = found.builder, found.reason
        return found.as_fits([len(test) for _, test in folds])

    def _finish(
        self,
        x: Any,
        y: Any,
        results: dict[str, Any],
        scorers: Any,
        refit_metric: Any,
        out: Sequence[Mapping[str, Any]],
    ) -> "ExactForestSearchCV":
        """Choose, refit and store as BaseSearchCV.fit does (sklearn/model_selection)."""
        self.multimetric_ = isinstance(out[0]["test_scores"], dict)
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
            if not callable(self.refit):
                best = results[f"mean_test_{refit_metric}"][self.best_index_]
                self.best_score_ = best
            self.best_params_ = results["params"][self.best_index_]
        if self.refit:
            best_params = clone(self.best_params_, safe=False)
            self.best_estimator_ = clone(self.estimator).set_params(**best_params)
            begin = time.time()
            self.best_estimator_.fit(x, y)
            self.refit_time_ = time.time() - begin
            if hasattr(self.best_estimator_, "feature_names_in_"):
                self.feature_names_in_ = self.best_estimator_.feature_names_in_
        self.scorer_ = getattr(scorers, "_scorers", scorers)
        self.cv_results_ = results
        return self
