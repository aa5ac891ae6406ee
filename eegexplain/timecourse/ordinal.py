"""Logistic regression for ordered classes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.special import log_expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from eegexplain._settings import Number, check_numbers
from eegexplain._validation import refuse_masked, refuse_text
from eegexplain.timecourse._solvers import fit_ordinal, training_scatter


class OrdinalLogisticRegression(ClassifierMixin, BaseEstimator):
    """Logistic regression for ordered classes (proportional odds).

    ``P(y <= k) = sigmoid(threshold_k - x.coef)``: one direction along which the classes follow each other. With two
    classes it is logistic regression.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty ``|coef|^2 / (2 C)``, as in `sklearn.linear_model.LogisticRegression`;
        ``np.inf`` is no penalty.
    tol : float
        Newton's method stops when no entry of the mean gradient exceeds it.
    max_iter : int
        Largest number of Newton steps.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted: the order of the classes.
    coef_ : ndarray of shape (1, n_features)
        Positive where larger values go with higher classes.
    thresholds_ : ndarray of shape (n_classes - 1,)
        Increasing.
    n_iter_ : int
        Newton steps taken.

    References
    ----------
    .. [1] McCullagh, P. (1980). Regression models for ordinal data. Journal of the Royal Statistical Society B 42(2),
           109-142. https://doi.org/10.1111/j.2517-6161.1980.tb01109.x

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.timecourse import OrdinalLogisticRegression
    >>> X = np.linspace(-1, 1, 30)[:, None]
    >>> OrdinalLogisticRegression().fit(X, np.arange(30) // 10).predict([[-1.0], [0.0], [1.0]])
    array([0, 1, 2])
    """

    _numbers = {"C": Number(above=0, other=(np.inf,)), "tol": Number(least=0), "max_iter": Number(least=0, whole=True)}

    def __init__(self, C: float = 1.0, *, tol: float = 1e-10, max_iter: int = 100) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any) -> OrdinalLogisticRegression:
        """Fit by Newton's method.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Classes; their sorted order is their rank.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For NaN, infinities, masked arrays, a single class, and settings out of range.
        TypeError
            For text in `X`.
        """
        check_numbers(self)
        for name, given in (("X", X), ("y", y)):
            refuse_masked(name, given)
        refuse_text("X", X)
        X, y = validate_data(self, X, y, dtype=float)
        check_classification_targets(y)
        self.classes_, codes = class_codes(y)
        centre, scale = X.mean(axis=0), X.std(axis=0)
        scale[scale == 0] = 1.0
        # Precision only: the penalty is on the weights of X itself, which the solver sees as weights of X / scale.
        data, train = ((X - centre) / scale)[None], np.ones((1, len(X)), dtype=bool)
        found = fit_ordinal(
            data, codes, train, training_scatter(data, train), n_classes=len(self.classes_),
            penalty=1 / self.C, tol=self.tol, max_iter=self.max_iter, unit=1 / scale,
        )  # fmt: skip
        self.coef_ = found.weights[0, 0]
        self.thresholds_ = found.thresholds[0, 0] + centre @ self.coef_[0]
        self.n_iter_ = max(1, found.n_iter)
        if not found.converged.all():
            warn_not_converged("the model")
        return self

    def latent(self, X):
        """Position of each sample along the order of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            In units of the thresholds.

        Raises
        ------
        ValueError
            For NaN, infinities and another number of features.
        """
        check_is_fitted(self)
        return validate_data(self, X, reset=False, dtype=float) @ self.coef_[0]

    def predict_log_proba(self, X):
        """Logarithms of the class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        check_is_fitted(self)
        return ordinal_log_proba(self.latent(X), self.thresholds_)

    def predict_proba(self, X):
        """Class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        return np.exp(self.predict_log_proba(X))

    def decision_function(self, X):
        """Log odds of the higher class for two classes, else log probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        check_is_fitted(self)
        if len(self.thresholds_) == 1:
            return self.latent(X) - self.thresholds_[0]
        return self.predict_log_proba(X)

    def predict(self, X):
        """Most probable classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return self.classes_[self.predict_log_proba(X).argmax(axis=1)]

    def __sklearn_tags__(self):
        """Classes that lie on no line are beyond this model."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


def ordinal_log_proba(latent: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Log probabilities of ordered classes.

    Parameters
    ----------
    latent : ndarray of shape (..., n_samples)
        Positions along the order of the classes.
    thresholds : ndarray of shape (..., n_classes - 1)
        Increasing; broadcasts over `latent`.

    Returns
    -------
    ndarray of shape (..., n_samples, n_classes)
    """
    edges = thresholds[..., None, :] - latent[..., None]
    above = np.concatenate([log_expit(edges), np.zeros(edges.shape[:-1] + (1,))], axis=-1)
    below = np.concatenate([np.zeros(edges.shape[:-1] + (1,)), log_expit(-edges)], axis=-1)
    middle = np.log(-np.expm1(-np.diff(thresholds, axis=-1)))
    ends = np.zeros(thresholds.shape[:-1] + (1,))
    return above + below + np.concatenate([ends, middle, ends], axis=-1)[..., None, :]


def class_codes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted classes and the index of each trial's class.

    Parameters
    ----------
    y : ndarray of shape (n_trials,)

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    codes : ndarray of int, shape (n_trials,)

    Raises
    ------
    ValueError
        For a single class.
    """
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y holds only one class, {classes[0]!r}: at least two are needed.")
    return classes, codes


def warn_not_converged(what: str) -> None:
    """Warn as scikit-learn's solvers do.

    Parameters
    ----------
    what : str
        What did not converge.
    """
    warnings.warn(f"{what} did not converge: increase max_iter, or the penalty (a smaller C).", ConvergenceWarning, 3)
