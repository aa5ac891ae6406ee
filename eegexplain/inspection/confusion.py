"""Which classes are taken for which, with the recall of each beside what permuted labels reach."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.utils import check_random_state

from eegexplain._exchange import LEVEL, exchangeable, permuted_labels
from eegexplain._explanation import population_error
from eegexplain._validation import check_groups, check_labels, positive_int
from eegexplain.inspection.significance import p_values


@dataclass(frozen=True, eq=False)
class Confusion:
    """Classes that trials have, against those that were predicted for them.

    Parameters
    ----------
    classes : list
        Of labels and predictions.
    counts : int ndarray of shape (n_classes, n_classes)
        Trials by class (rows) and prediction (columns).
    recall : ndarray of shape (n_classes,)
        Share of each class's trials that were predicted right; NaN for a class without trials.
    low, high : ndarray of shape (n_classes,)
        95 % interval of each recall, over trials, or groups where there are some.
    precision : ndarray of shape (n_classes,)
        Share of the predictions of each class that are right; NaN for a class that is never predicted.
    chance : ndarray of shape (n_classes,)
        Mean recall under permuted labels: about the share of trials that were predicted to be of the class. Who always
        says "left" has recalls of 1 and 0, and so has chance.
    chance_upper : ndarray of shape (n_classes,)
        What permuted labels reach in 5 % of cases, each class by itself.
    p_values : ndarray of shape (n_classes,)
        (1 + permutations that do as well) / (1 + permutations), each class by itself.
    exchanged : {"trials", "groups"}
        What was permuted.
    n_groups : int or None
    """

    classes: list
    counts: np.ndarray
    recall: np.ndarray
    low: np.ndarray
    high: np.ndarray
    precision: np.ndarray
    chance: np.ndarray
    chance_upper: np.ndarray
    p_values: np.ndarray
    exchanged: str
    n_groups: int | None = None

    def table(self) -> Any:
        """The same by class.

        Returns
        -------
        pandas.DataFrame
            A row per class.
        """
        import pandas as pd

        names = ("recall", "low", "high", "precision", "chance", "chance_upper", "p_values")
        columns = {"n_trials": self.counts.sum(1), **{name: getattr(self, name) for name in names}}
        return pd.DataFrame(columns, index=pd.Index(self.classes, name="class"))

    def plot(self, *, axes: Any = None) -> Any:
        """Draw counts and shares, and each class's recall beside its chance.

        Parameters
        ----------
        axes : pair of matplotlib.axes.Axes, optional
            None makes a figure.

        Returns
        -------
        ConfusionDisplay
        """
        from eegexplain.plotting import ConfusionDisplay

        return ConfusionDisplay(self).plot(axes=axes)


def confusion_table(
    y: ArrayLike,
    predicted: ArrayLike,
    *,
    folds: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_permutations: int = 999,
    random_state: Any = None,
) -> Confusion:
    """Count which classes are taken for which, and compare each recall with permuted labels.

    Parameters
    ----------
    y : array-like of shape (n_trials,)
        Classes.
    predicted : array-like of shape (n_trials,)
        What was predicted for each trial by a network that had not seen it, as of ``cross_val_predict``.
    folds : array-like of shape (n_trials,), optional
        In which fold each trial was held out; None is a single fold.
    groups : array-like of shape (n_trials,), optional
        Subjects, recordings: labels are permuted within them (or exchanged between them, where they have one label
        each), and intervals are over them.
    n_permutations : int
    random_state : int, RandomState or None

    Returns
    -------
    Confusion

    Raises
    ------
    ValueError
        For fewer than two classes and arrays of different lengths.

    See Also
    --------
    assess_decoding : The one verdict: the mean of the recalls against its permutation limit.

    Notes
    -----
    Labels are exchanged as in `assess_decoding`. Intervals are Wilson's, with groups at least those of t over the
    groups that hold the class. The classes are judged one by one: that one of many exceeds its chance is no verdict.

    Examples
    --------
    >>> from eegexplain.inspection import confusion_table
    >>> always = confusion_table(["rest", "move"] * 20, ["rest"] * 40, random_state=0)
    >>> always.recall.tolist(), always.chance.tolist()
    ([0.0, 1.0], [0.0, 1.0])
    """
    y, predicted = check_labels("y", y), check_labels("predicted", predicted)
    if y.ndim != 1 or predicted.shape != y.shape or len(np.unique(y)) < 2:
        raise ValueError("A confusion table takes one class and one prediction per trial, with at least 2 classes: got "
                         f"y of shape {y.shape} with {len(np.unique(y))} classes, and predictions of shape "
                         f"{predicted.shape}")
    n_permutations = positive_int("n_permutations", n_permutations)
    classes = np.unique(np.concatenate([y, predicted]))
    codes, answers = np.searchsorted(classes, y), np.searchsorted(classes, predicted)
    folds = np.zeros(len(y), int) if folds is None else check_groups(folds, len(y))
    groups = None if groups is None else check_groups(groups, len(y))
    design, rng = exchangeable(codes, folds, groups), check_random_state(random_state)
    recall = _recalls(codes, answers, len(classes))
    null = np.array([_recalls(one, answers, len(classes))
                     for one in permuted_labels(codes, design, n_permutations, rng)])
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (codes, answers), 1)
    low, high = np.transpose([_interval(codes == k, answers == k, groups) for k in range(len(classes))])
    rank = min(int(np.floor(LEVEL * (1 + n_permutations) + 1e-9)), n_permutations)
    limit = np.sort(null, axis=0)[-rank] if rank else np.ones(len(classes))
    said = counts.sum(0)
    precision = np.divide(counts.diagonal(), said, out=np.full(len(said), np.nan), where=said > 0)
    above = np.array([p_values(value, null[:, k]) for k, value in enumerate(recall)], dtype=float)
    return Confusion(classes.tolist(), counts, recall, low, high, precision, null.mean(0),
                     np.where(np.isnan(recall), np.nan, limit), np.where(np.isnan(recall), np.nan, above),
                     design.exchanged, None if groups is None else int(groups.max()) + 1)  # fmt: skip


def _recalls(codes, answers, n_classes):
    """Of each class; equal shares may differ in their last digit."""
    n_trials = np.bincount(codes, minlength=n_classes)
    hits = np.bincount(codes, weights=codes == answers, minlength=n_classes)
    return np.round(np.divide(hits, n_trials, out=np.full(n_classes, np.nan), where=n_trials > 0), 12)


def _interval(inside, hits, groups):
    """95 % interval of the share of hits among the trials of a class."""
    hits = hits[inside].astype(float)
    if not len(hits):
        return np.nan, np.nan
    found = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(1 - LEVEL, method="wilson")
    if groups is None:
        return found.low, found.high
    of_class = groups[inside]
    free = len(np.unique(of_class)) - 1
    error = population_error(hits - hits.mean(), of_class) if free else np.inf
    width = stats.t.ppf(1 - LEVEL / 2, max(free, 1)) * error
    return max(0.0, min(found.low, hits.mean() - width)), min(1.0, max(found.high, hits.mean() + width))
