"""Scores of decision values: of all time points at once, or by any scorer of scikit-learn."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.utils.metaestimators import available_if

from eegexplain._validation import lookup
from eegexplain.timecourse.ordinal import ordinal_log_proba


def predicted_codes(decision: NDArray, thresholds: NDArray | None) -> NDArray:
    """Codes of the classes that decision values speak for.

    Parameters
    ----------
    decision : ndarray of shape (..., n_trials, n_outputs)
    thresholds : ndarray of shape (..., n_classes - 1) or None
        Of ordinal models.

    Returns
    -------
    ndarray of int, shape (..., n_trials)
    """
    if thresholds is not None:
        return ordinal_log_proba(decision[..., 0], thresholds).argmax(axis=-1)
    return decision.argmax(axis=-1) if decision.shape[-1] > 1 else (decision[..., 0] > 0).astype(int)


def _recall(codes, predicted, _):
    classes = np.unique(codes)
    return np.mean([(predicted[:, codes == code] == code).mean(axis=1) for code in classes], axis=0)


def _auc(codes, _, decision):
    positive = codes == 1
    n_positive, n_negative = positive.sum(), (~positive).sum()
    if not n_positive or not n_negative:
        return np.full(len(decision), np.nan)
    ranks = rankdata(decision[..., 0], axis=1)[:, positive].sum(axis=1)
    return (ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def _r2(y, _, decision):
    total = ((y - y.mean()) ** 2).sum()
    left = ((y - decision[..., 0]) ** 2).sum(axis=1)
    return 1 - left / total if total > 0 else np.full(len(decision), np.nan)


def _rank_correlation(y, _, decision):
    first = rankdata(y) - (len(y) + 1) / 2
    second = rankdata(decision[..., 0], axis=1) - (len(y) + 1) / 2
    size = np.sqrt((first**2).sum() * (second**2).sum(axis=1))
    return np.divide(second @ first, size, out=np.full(len(decision), np.nan), where=size > 0)


@dataclass(frozen=True)
class Score:
    """A score over time: ``function(y, predicted codes, decisions)``, the targets it is for, its value by chance."""

    function: Callable
    targets: tuple
    chance: Callable


SCORES = {
    "balanced_accuracy": Score(_recall, ("binary", "multiclass", "ordinal"), lambda codes: 1 / len(np.unique(codes))),
    "accuracy": Score(
        lambda codes, predicted, _: (predicted == codes).mean(axis=1), ("binary", "multiclass", "ordinal"),
        lambda codes: np.bincount(codes).max() / len(codes),
    ),
    "roc_auc": Score(_auc, ("binary",), lambda codes: 0.5),
    "r2": Score(_r2, ("numbers",), lambda y: 0.0),
    "rank_correlation": Score(_rank_correlation, ("binary", "ordinal", "numbers"), lambda y: 0.0),
}  # fmt: skip


def find_score(scoring: Any, target: str, classes: NDArray | None, probabilities: bool) -> Score:
    """Find what to measure.

    Parameters
    ----------
    scoring : str, callable or None
        A name of ``SCORES`` or of scikit-learn's scorers, a scorer ``(estimator, X, y)``, or None for the usual one.
    target : {"binary", "multiclass", "ordinal", "numbers"}
    classes : ndarray or None
        Labels by code.
    probabilities : bool
        Whether the models have ``predict_proba``.

    Returns
    -------
    Score

    Raises
    ------
    ValueError
        For unknown names, with the nearest one, and a score that does not fit the targets.
    """
    name = scoring or ("r2" if target == "numbers" else "balanced_accuracy")
    own = isinstance(name, str) and (name in SCORES or name not in get_scorer_names())
    if not own:
        answers = _Numbers if target == "numbers" else partial(_Classes, classes, probabilities and target != "ordinal")
        function = partial(_by_scorer, scorer=get_scorer(name), answers=answers, classes=classes)
        return Score(function, (target,), lambda y: np.nan)
    score = lookup(SCORES, name, "scoring")
    if target not in score.targets:
        fitting = ", ".join(repr(key) for key, item in SCORES.items() if target in item.targets)
        raise ValueError(f"scoring={name!r} does not fit {target} targets: choose one of {fitting}.")
    return score


def _by_scorer(y, predicted, decision, scorer, answers, classes):
    """Call a scorer at each time, with an estimator that gives the answers of that time."""
    labels = y if classes is None else classes[y]
    return np.array([
        scorer(answers(predicted=codes, decision=values), values, labels)
        for codes, values in zip(predicted, decision, strict=True)
    ], dtype=float)  # fmt: skip


class _Numbers(RegressorMixin, BaseEstimator):
    """What regressions answered, as an estimator."""

    def __init__(self, predicted=None, decision=None):
        self.predicted, self.decision = predicted, decision

    def predict(self, X):
        """Predicted numbers, whatever is asked."""
        return self.decision[:, 0]


class _Classes(ClassifierMixin, BaseEstimator):
    """What classifiers answered, as an estimator."""

    def __init__(self, classes=None, probabilities=True, predicted=None, decision=None):
        self.classes, self.probabilities = classes, probabilities
        self.predicted, self.decision = predicted, decision

    @property
    def classes_(self):
        """Labels by code."""
        return self.classes

    def predict(self, X):
        """Predicted classes, whatever is asked."""
        return self.classes[self.predicted]

    def decision_function(self, X):
        """Decision values."""
        return self.decision if self.decision.shape[1] > 1 else self.decision[:, 0]

    def _gives_probabilities(self):
        if not self.probabilities:
            raise AttributeError("These models have no predict_proba.")
        return True

    @available_if(_gives_probabilities)
    def predict_proba(self, X):
        """Probabilities that belong to the decision values."""
        return probabilities(self.decision)


def probabilities(decision: NDArray) -> NDArray:
    """Class probabilities that belong to decision values.

    Parameters
    ----------
    decision : ndarray of shape (n_trials, n_outputs)
        Log odds of the second of two classes, or a value for each class.

    Returns
    -------
    ndarray of shape (n_trials, n_classes)
    """
    if decision.shape[1] == 1:
        positive = expit(decision[:, 0])
        return np.column_stack([1 - positive, positive])
    return softmax(decision, axis=1)
