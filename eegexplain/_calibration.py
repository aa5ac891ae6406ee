"""Scores turned into predictions that are judged by a loss: a slope, free or held, and intercepts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-10  # of a Newton step, in nats; it also ends the climb where scores separate the classes
ROUNDING = 1e-13  # a last step may seem to lose as much; refused, it would leave the error of the step before


@dataclass(frozen=True)
class Loss:
    """How calibrated scores are judged; several sets of scores of the same trials are calibrated at once.

    Parameters
    ----------
    name : str
    formula : str
        Of a trial's loss, in nats.
    fit : callable (scores, targets) -> tuple
        Slopes and the rest, of every set; a slope is at least 0, and 0 for scores that do not vary.
    hold : callable (scores, targets, slope) -> tuple
        The rest for slopes that are given.
    per_trial : callable (scores, targets, fitted) -> ndarray of shape (..., n_trials)
    """

    name: str
    formula: str
    fit: Callable
    hold: Callable
    per_trial: Callable


def _softmax(logits):
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def _calibrated(scores, fitted):
    slopes, intercepts = fitted
    return np.asarray(slopes)[..., None, None] * scores + np.asarray(intercepts)[..., None, :]


def _class_losses(scores, codes, fitted):
    """Cross-entropy of each trial, in nats."""
    logits = _calibrated(scores, fitted)
    largest = logits.max(axis=-1, keepdims=True)
    own = logits[..., np.arange(len(codes)), codes]
    return largest[..., 0] + np.log(np.exp(logits - largest).sum(axis=-1)) - own


def fit_classes(scores, codes):
    """Multinomial regression on one logit per class with a common slope, which is not below 0.

    The loss is convex in slope and intercepts: where the best slope is below 0, 0 is the best of those that are not.

    Parameters
    ----------
    scores : ndarray of shape (..., n_trials, n_classes)
    codes : ndarray of int of shape (n_trials,)
        Every class occurs.

    Returns
    -------
    slopes : ndarray of shape (...)
    intercepts : ndarray of shape (..., n_classes)
    """
    slopes, intercepts = hold_classes(scores, codes, 0.0)
    scores = scores - scores.mean(axis=-1, keepdims=True)
    spread = np.sqrt(np.square(scores - scores.mean(axis=-2, keepdims=True)).mean(axis=(-2, -1)))
    varies = spread > 1e-12 * np.abs(scores).max(axis=(-2, -1), initial=0.0)
    if varies.any():
        found = _newton(scores[varies], codes, slopes[varies], intercepts[varies])
        better = found[0] > 0
        slopes[varies] = np.where(better, found[0], 0.0)
        intercepts[varies] = np.where(better[:, None], found[1], intercepts[varies])
    return slopes, intercepts


def hold_classes(scores, codes, slope):
    """Best intercepts for given slopes; for a slope of 0 they are the logarithms of the frequencies.

    Parameters
    ----------
    scores : ndarray of shape (..., n_trials, n_classes)
    codes : ndarray of int of shape (n_trials,)
    slope : float

    Returns
    -------
    slopes : ndarray of shape (...)
    intercepts : ndarray of shape (..., n_classes)
    """
    sets, n_classes = scores.shape[:-2], scores.shape[-1]
    slopes = np.full(sets, float(slope))
    shares = np.log(np.bincount(codes, minlength=n_classes) / len(codes))
    intercepts = np.broadcast_to(shares, (*sets, n_classes)).copy()
    if slope and slopes.size:
        flat = scores.reshape(-1, *scores.shape[-2:])
        _, found = _newton(flat, codes, slopes.ravel(), intercepts.reshape(-1, n_classes), held=True)
        intercepts = found.reshape(intercepts.shape)
    return slopes, intercepts


def _newton(scores, codes, slopes, intercepts, *, held=False, n_iterations=100):
    """Least losses from starts on, with slopes held or not: of sets (n_sets, n_trials, n_classes), each by itself."""
    slopes, intercepts = slopes.copy(), intercepts.copy()
    losses = _class_losses(scores, codes, (slopes, intercepts)).sum(axis=-1)
    free = slice(1, None) if held else slice(None)
    active = np.arange(len(scores))
    for _ in range(n_iterations):
        own = scores[active]
        gradient, curvature = _derivatives(own, _softmax(_calibrated(own, (slopes[active], intercepts[active]))), codes)
        steps = np.zeros(gradient.shape)
        damped = curvature[:, free, free] + 1e-12 * np.eye(steps[0, free].size)
        steps[:, free] = np.linalg.solve(damped, gradient[:, free, None])[..., 0]
        gained = np.zeros(len(active))
        waiting = np.arange(len(active))  # a full step may overshoot where the curvature is small
        for halvings in range(30):
            if not len(waiting):
                break
            who, step = active[waiting], 0.5**halvings * steps[waiting]
            moved = slopes[who] - step[:, 0], intercepts[who] - np.pad(step[:, 1:], ((0, 0), (1, 0)))
            new = _class_losses(scores[who], codes, moved).sum(axis=-1)
            good = new <= losses[who] * (1 + ROUNDING)
            gained[waiting[good]] = losses[who[good]] - new[good]
            slopes[who[good]], intercepts[who[good]] = moved[0][good], moved[1][good]
            losses[who[good]], waiting = new[good], waiting[~good]
        active = active[gained > TOLERANCE]
        if not len(active):
            break
    return slopes, intercepts


def _derivatives(scores, shares, codes):
    """Gradient and curvature of the summed losses by slope and by the intercepts of all classes but the first."""
    mean = (shares * scores).sum(axis=-1)
    missed = shares.copy()
    missed[..., np.arange(len(codes)), codes] -= 1
    slope = (missed * scores).sum(axis=(-2, -1))
    gradient = np.concatenate([slope[:, None], missed.sum(axis=-2)[:, 1:]], axis=1)
    curvature = np.empty((len(gradient), gradient.shape[1], gradient.shape[1]))
    curvature[:, 0, 0] = (shares * scores**2).sum(axis=(-2, -1)) - (mean**2).sum(axis=-1)
    curvature[:, 0, 1:] = curvature[:, 1:, 0] = (shares * (scores - mean[..., None])).sum(axis=-2)[:, 1:]
    own = np.eye(shares.shape[-1]) * shares.sum(axis=-2)[:, None, :] - np.swapaxes(shares, -2, -1) @ shares
    curvature[:, 1:, 1:] = own[:, 1:, 1:]
    return gradient, curvature


def fit_numbers(scores, targets):
    """Straight line of a number on its prediction, which does not fall, and the variance around it.

    Parameters
    ----------
    scores : ndarray of shape (..., n_trials)
    targets : ndarray of shape (n_trials,)

    Returns
    -------
    slopes, intercepts, variances : ndarray of shape (...)
    """
    spread = scores.var(axis=-1)
    varies = np.sqrt(spread) > 1e-12 * np.abs(scores).max(axis=-1, initial=0.0)
    products = ((scores - scores.mean(axis=-1, keepdims=True)) * targets).mean(axis=-1)
    return hold_numbers(scores, targets, np.where(varies, np.maximum(products / np.where(varies, spread, 1), 0), 0.0))


def hold_numbers(scores, targets, slope):
    """Best intercepts and variances for given slopes.

    Parameters
    ----------
    scores : ndarray of shape (..., n_trials)
    targets : ndarray of shape (n_trials,)
    slope : float or ndarray of shape (...)

    Returns
    -------
    slopes, intercepts, variances : ndarray of shape (...)
    """
    slopes = np.broadcast_to(np.asarray(slope, dtype=float), scores.shape[:-1]).copy()
    intercepts = np.asarray(targets.mean() - slopes * scores.mean(axis=-1))
    variances = np.square(targets - intercepts[..., None] - slopes[..., None] * scores).mean(axis=-1)
    least = max(1e-12 * targets.var(), np.finfo(float).tiny)
    return slopes, intercepts, np.asarray(np.maximum(variances, least))


def _number_losses(scores, targets, fitted):
    """Negative log density of each trial, in nats."""
    slopes, intercepts, variances = (np.asarray(one)[..., None] for one in fitted)
    return (np.log(2 * np.pi * variances) + np.square(targets - intercepts - slopes * scores) / variances) / 2


CLASSES = Loss("cross-entropy", "-log softmax(a z + b)_y", fit_classes, hold_classes, _class_losses)
NUMBERS = Loss("Gaussian", "log(2 pi s^2) / 2 + (y - a z - b)^2 / (2 s^2)", fit_numbers, hold_numbers, _number_losses)
