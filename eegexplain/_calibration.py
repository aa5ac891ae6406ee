"""Scores turned into predictions that are judged by a loss: a slope, free or held, and intercepts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-10  # of a Newton step, in nats; it also ends the climb where scores separate the classes


@dataclass(frozen=True)
class Loss:
    """How calibrated scores are judged.

    Parameters
    ----------
    name : str
    formula : str
        Of a trial's loss, in nats.
    fit : callable (scores, targets) -> tuple
        Slope and the rest; the slope is at least 0, and 0 for scores that do not vary.
    hold : callable (scores, targets, slope) -> tuple
        The rest for a slope that is given.
    per_trial : callable (scores, targets, fitted) -> ndarray of shape (n_trials,)
    """

    name: str
    formula: str
    fit: Callable
    hold: Callable
    per_trial: Callable


def _softmax(logits):
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def _class_losses(scores, codes, fitted):
    """Cross-entropy of each trial, in nats."""
    slope, intercepts = fitted
    logits = slope * scores + intercepts
    largest = logits.max(axis=1)
    return largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1)) - logits[np.arange(len(codes)), codes]


def fit_classes(scores, codes):
    """Multinomial regression on one logit per class with a common slope, which is not below 0.

    The loss is convex in slope and intercepts: where the best slope is below 0, 0 is the best of those that are not.

    Parameters
    ----------
    scores : ndarray of shape (n_trials, n_classes)
    codes : ndarray of int of shape (n_trials,)
        Every class occurs.

    Returns
    -------
    slope : float
    intercepts : ndarray of shape (n_classes,)
    """
    nothing = hold_classes(scores, codes, 0.0)
    scores = scores - scores.mean(axis=1, keepdims=True)
    spread = np.sqrt(((scores - scores.mean(axis=0)) ** 2).mean())
    if not spread > 1e-12 * np.abs(scores).max(initial=0.0):
        return nothing
    fitted = _newton(scores, codes, nothing)
    return fitted if fitted[0] > 0 else nothing


def hold_classes(scores, codes, slope):
    """Best intercepts for a given slope; for a slope of 0 they are the logarithms of the frequencies.

    Parameters
    ----------
    scores : ndarray of shape (n_trials, n_classes)
    codes : ndarray of int of shape (n_trials,)
    slope : float

    Returns
    -------
    slope : float
    intercepts : ndarray of shape (n_classes,)
    """
    start = slope, np.log(np.bincount(codes, minlength=scores.shape[1]) / len(codes))
    return _newton(scores, codes, start, held=True) if slope else start


def _newton(scores, codes, start, *, held=False, n_iterations=100):
    """Least loss from a start on, with the slope held or not."""
    slope, intercepts = start
    hits = np.zeros(scores.shape)
    hits[np.arange(len(codes)), codes] = 1
    loss = _class_losses(scores, codes, start).sum()
    for _ in range(n_iterations):
        gradient, curvature = _derivatives(scores, _softmax(slope * scores + intercepts), hits)
        step = np.zeros(len(gradient))
        free = slice(1, None) if held else slice(None)
        step[free] = np.linalg.solve(curvature[free, free] + 1e-12 * np.eye(len(step[free])), gradient[free])
        factor = 1.0
        while factor > 1e-9:  # a full step may overshoot where the curvature is small
            new = slope - factor * step[0], intercepts - factor * np.append(0.0, step[1:])
            new_loss = _class_losses(scores, codes, new).sum()
            if new_loss <= loss:
                break
            factor /= 2
        else:
            break
        gained, (slope, intercepts), loss = loss - new_loss, new, new_loss
        if gained <= TOLERANCE:
            break
    return slope, intercepts


def _derivatives(scores, shares, hits):
    """Gradient and curvature of the summed loss by slope and by the intercepts of all classes but the first."""
    mean = (shares * scores).sum(axis=1, keepdims=True)
    gradient = np.append(((shares - hits) * scores).sum(), (shares - hits).sum(axis=0)[1:])
    curvature = np.empty((len(gradient), len(gradient)))
    curvature[0, 0] = (shares * scores**2).sum() - (mean**2).sum()
    curvature[0, 1:] = curvature[1:, 0] = (shares * (scores - mean)).sum(axis=0)[1:]
    curvature[1:, 1:] = (np.diag(shares.sum(axis=0)) - shares.T @ shares)[1:, 1:]
    return gradient, curvature


def fit_numbers(scores, targets):
    """Straight line of a number on its prediction, which does not fall, and the variance around it.

    Parameters
    ----------
    scores, targets : ndarray of shape (n_trials,)

    Returns
    -------
    slope, intercept, variance : float
    """
    spread, slope = scores.var(), 0.0
    if np.sqrt(spread) > 1e-12 * np.abs(scores).max(initial=0.0):
        slope = max(0.0, float(((scores - scores.mean()) * targets).mean() / spread))
    return hold_numbers(scores, targets, slope)


def hold_numbers(scores, targets, slope):
    """Best intercept and variance for a given slope.

    Parameters
    ----------
    scores, targets : ndarray of shape (n_trials,)
    slope : float

    Returns
    -------
    slope, intercept, variance : float
    """
    intercept = targets.mean() - slope * scores.mean()
    variance = ((targets - intercept - slope * scores) ** 2).mean()
    return slope, intercept, max(variance, 1e-12 * targets.var(), np.finfo(float).tiny)


def _number_losses(scores, targets, fitted):
    """Negative log density of each trial, in nats."""
    slope, intercept, variance = fitted
    return (np.log(2 * np.pi * variance) + (targets - intercept - slope * scores) ** 2 / variance) / 2


CLASSES = Loss("cross-entropy", "-log softmax(a z + b)_y", fit_classes, hold_classes, _class_losses)
NUMBERS = Loss("Gaussian", "log(2 pi s^2) / 2 + (y - a z - b)^2 / (2 s^2)", fit_numbers, hold_numbers, _number_losses)
