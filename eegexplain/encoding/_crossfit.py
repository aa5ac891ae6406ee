"""Residuals of samples that an encoding model was not fitted to."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import GroupKFold
from sklearn.utils import _safe_indexing

from eegexplain._explanation import order_by_content
from eegexplain._settings import as_splits
from eegexplain.encoding._predictive import error_variance, errors_of
from eegexplain.encoding._runs import check_run_labels
from eegexplain.encoding._tables import read_table


@dataclass(frozen=True, eq=False)
class Fold:
    """A model that some samples were left out of.

    Parameters
    ----------
    label : int
        Of the samples left out.
    expected : ndarray of shape (n_stimuli, n_targets)
        Its responses to the grid.
    errors : object
        How far these may be off.
    """

    label: int
    expected: NDArray
    errors: Any


@dataclass(frozen=True, eq=False)
class CrossFit:
    """Residuals in units of the noise, without the models' errors.

    Parameters
    ----------
    residual : ndarray of shape (n_samples, n_targets)
    labels : ndarray of int, shape (n_samples,), or None
        Fold that each sample was left out with.
    folds : tuple of Fold
    """

    residual: NDArray
    labels: NDArray | None
    folds: tuple[Fold, ...]


def responses(fitter: Any, stimuli: ArrayLike, n_targets: int) -> NDArray:
    """Predict as an array of two dimensions.

    Parameters
    ----------
    fitter : WeightFitter or ParameterFitter
    stimuli : array-like of shape (n_stimuli, n_features)
    n_targets : int

    Returns
    -------
    ndarray of shape (n_stimuli, n_targets)
    """
    return np.asarray(fitter.predict(stimuli), dtype=float).reshape(-1, n_targets)


def cross_fit(
    fitter: Any, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None, *, cv: Any, kept: NDArray, grid: NDArray
) -> CrossFit:
    """Fit without each fold in turn.

    Parameters
    ----------
    fitter : WeightFitter or ParameterFitter
    X, y : DataFrame or array-like
        Paradigm and data.
    groups : array-like of shape (n_samples,) or None
        Runs.
    cv : int or splitter
    kept : ndarray of bool, shape (n_all_targets,)
        Targets that are used.
    grid : ndarray of shape (n_stimuli, n_features)

    Returns
    -------
    CrossFit
    """
    stimulus, data = read_table(X, "paradigm").values, read_table(y, "data").values
    labels = _fold_labels(cv, data, groups)
    residual, folds = np.empty((len(data), int(kept.sum()))), []
    for label in np.unique(labels):
        out, rows = labels == label, np.flatnonzero(labels != label)
        fitted = clone(fitter).fit(_safe_indexing(X, rows), _safe_indexing(y, rows))
        inside = (data[rows] - responses(fitted, stimulus[rows], data.shape[1]))[:, kept]
        errors = errors_of(fitted, stimulus[rows], inside, kept)
        residual[out] = (data[out] - responses(fitted, stimulus[out], data.shape[1]))[:, kept]
        residual[out] /= np.sqrt(1 + error_variance(errors, stimulus[out]))
        folds.append(Fold(int(label), responses(fitted, grid, data.shape[1])[:, kept], errors))
    return CrossFit(residual, labels, tuple(folds))


def _fold_labels(cv, data, groups):
    """Fold that leaves out each sample."""
    n_samples = len(data)
    if groups is not None:
        groups = check_run_labels(groups, n_samples)
    elif isinstance(cv, (int, np.integer)) and not isinstance(cv, bool) and 2 <= cv <= n_samples:
        labels = np.empty(n_samples, dtype=int)  # by content: the same folds however samples are ordered
        labels[order_by_content(data[:, None])] = np.arange(n_samples) % cv
        return labels
    whole = isinstance(cv, (int, np.integer)) and groups is not None
    splits = as_splits(GroupKFold(cv) if whole else cv, data, groups=groups)
    labels = np.full(n_samples, -1)
    for fold, (_, out) in enumerate(splits):
        labels[out] = fold
    if sum(len(out) for _, out in splits) != n_samples or (labels < 0).any():
        raise ValueError("cv must leave out every sample once, as KFold does.")
    return labels
