"""Scores of forests that exist only as sums of votes."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection._validation import _score
from sklearn.utils import _safe_indexing

from workloads.forest.exact.sharing import Fold
from workloads.forest.exact.tallies import Judge
from workloads.forest.exact.votes import Tally


class VotedForest(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted forest as a scorer sees it: predictions for the rows it was asked about.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Labels of the training part.
    probabilities : ndarray of shape (n_rows, n_classes)
    """

    def __init__(self, classes: np.ndarray, probabilities: np.ndarray) -> None:
        self.classes = classes
        self.probabilities = probabilities
        self.classes_ = classes

    def predict_proba(self, x: Any) -> np.ndarray:
        """Return the forest's probabilities; a fresh copy, as a forest's are."""
        if len(x) != len(self.probabilities):
            raise ValueError("these are not the rows that the trees voted on")
        return self.probabilities.copy()

    def predict_log_proba(self, x: Any) -> np.ndarray:
        """Return the logarithms of the probabilities."""
        logarithms: np.ndarray = np.log(self.predict_proba(x))
        return logarithms

    def predict(self, x: Any) -> np.ndarray:
        """Return the labels with the highest probability, the first of equals."""
        first = np.argmax(self.predict_proba(x), axis=1)
        labels: np.ndarray = self.classes_.take(first, axis=0)
        return labels


class FoldScorer:
    """Scores the tallies of one fold as GridSearchCV scores fitted forests.

    Parameters
    ----------
    x, y : array-like
        As the user gave them.
    fold : (train, test)
    classes, labels : ndarray
        Class numbers of all rows, and what they stand for.
    scorer : callable
        scikit-learn's scorer.
    accuracy : bool
        Whether it measures plain accuracy, which needs no labels.
    with_train : bool
        Whether the rows voted on are the test part and then the training part.
    error_score : "raise" or number
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        fold: Fold,
        classes: np.ndarray,
        labels: np.ndarray,
        *,
        scorer: Any,
        accuracy: bool,
        with_train: bool,
        error_score: Any,
    ) -> None:
        train, test = fold
        self._parts = {"test_scores": test, **({"train_scores": train} if with_train else {})}
        self._x, self._y = x, y
        self._scorer = scorer
        self._accuracy = accuracy
        self._error_score = error_score
        self._present = np.unique(classes[train])
        self._labels = labels[self._present]
        self._truth = np.concatenate([classes[part] for part in self._parts.values()])
        self._truth = np.ascontiguousarray(self._truth, dtype=np.int32)

    @property
    def judge(self) -> Judge:
        """What turns a tally into `{"test_scores": ..., "train_scores": ...}`."""
        return self._judge_accuracy if self._accuracy else self._judge_any

    def _judge_accuracy(self, tally: Tally) -> dict[str, float]:
        if len(self._parts) == 1:
            return {"test_scores": tally.accuracy(self._truth)}
        right = tally.probabilities().argmax(axis=1) == self._truth
        scores, first = {}, 0
        for name, rows in self._parts.items():
            part = right[first : first + len(rows)]
            scores[name] = int(np.count_nonzero(part)) / len(rows)
            first += len(rows)
        return scores

    def _judge_any(self, tally: Tally) -> dict[str, Any]:
        probabilities = tally.probabilities()[:, self._present]
        scores, first = {}, 0
        for name, rows in self._parts.items():
            forest = VotedForest(self._labels, probabilities[first : first + len(rows)])
            x, y = _safe_indexing(self._x, rows), _safe_indexing(self._y, rows)
            scores[name] = _score(forest, x, y, self._scorer, {}, self._error_score)
            first += len(rows)
        return scores
