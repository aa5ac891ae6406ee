"""By what cross-validation judges a penalty: sums over the test samples of folds give it, without a prediction."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

BLOCK = 1024  # targets whose forms for all penalties stay in the cache
CLOSE = 1e-3  # relative distance below which differences of eigenvalues' factors lose more than three digits
GAIN = 1e-3  # by which the last step of the grid must improve a score to say that the grid is too short
FOUND = 1e-2  # a score from which on a target counts as predicted at all
FEW = 3  # pairs of close eigenvalues, per eigenvalue, that are cheaper than a product per penalty


class HeldOut(NamedTuple):
    """A fold where ridge weights are ``rotated / (eigenvalues + alpha)``: along the axes of its training samples.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_axes,)
        Of the training samples' Gram matrix.
    rotated : ndarray of shape (n_axes, n_targets)
        Products of training design and data.
    power, goal, total : ndarray
        Of the test samples: Gram matrix (n_axes, n_axes), products with the data (n_axes, n_targets), and squares of
        these (n_targets,).
    """

    eigenvalues: np.ndarray
    rotated: np.ndarray
    power: np.ndarray
    goal: np.ndarray
    total: np.ndarray


@dataclass(frozen=True)
class Criterion:
    """What is largest for the best penalty.

    Parameters
    ----------
    name, formula : str
        What it is called, and what it is.
    about_test : bool
        Whether sums over test samples are about these samples' own means, or those of the training samples.
    score : callable
        ``score(folds, alphas)`` gives an array of shape (n_alphas, n_targets); zero for targets without variance.
    """

    name: str
    formula: str
    about_test: bool
    score: Callable


def explained_variance(folds, alphas):
    """R2 over the test samples of all folds together."""
    total, residual = 0.0, 0.0
    for fold in folds:  # |y - X w|^2 = y'y - 2 w'X'y + w'X'X w over test samples, from sums alone
        total = total + fold.total
        residual = residual + fold.total + forms(fold, alphas, -2 * fold.goal)
    return np.where(total > 0, 1 - residual / np.where(total > 0, total, 1.0), 0.0)


def mean_correlation(folds, alphas):
    """Pearson's correlation of prediction and data, its mean over folds."""
    correlations = []
    for fold in folds:
        factors = 1 / (fold.eigenvalues + alphas[:, None])
        product, power = factors @ (fold.goal * fold.rotated), forms(fold, alphas, None)
        scale = np.sqrt(np.maximum(power, 0.0) * np.maximum(fold.total, 0.0))
        correlations.append(np.divide(product, scale, out=np.zeros_like(product), where=scale > 0))
    return np.mean(correlations, axis=0)


CRITERIA = {
    "r2": Criterion("r2", "1 - sum (y - p)^2 / sum (y - mean of training y)^2", False, explained_variance),
    "pearson": Criterion("pearson", "mean over folds of corr(y, p)", True, mean_correlation),
}


def forms(fold, alphas, goal):
    """``w'M w + goal'w`` over test samples for every penalty and target, where w are ridge weights.

    Parameters
    ----------
    fold : HeldOut
        The fold; ``M`` is its ``power``.
    alphas : ndarray of shape (n_alphas,)
        Penalties.
    goal : ndarray of shape (n_axes, n_targets) or None
        Linear part.

    Returns
    -------
    forms : ndarray of shape (n_alphas, n_targets)
    """
    found = np.empty((len(alphas), fold.rotated.shape[1]))
    for start in range(0, found.shape[1], BLOCK):
        some = slice(start, start + BLOCK)
        linear = None if goal is None else goal[:, some]
        found[:, some] = penalized_forms(fold.eigenvalues, alphas, fold.power, linear, fold.rotated[:, some])
    return found


def penalized_forms(eigenvalues, alphas, matrix, goal, vectors):
    """``w'M w + goal'w`` with ``w = v / (eigenvalues + alpha)``, for every penalty and vector v.

    As ``1 / ((a + alpha) (b + alpha)) = (1 / (a + alpha) - 1 / (b + alpha)) / (b - a)``, products of two eigenvalues'
    factors are sums of single ones: one product with a matrix serves all penalties, which then share another. Pairs
    too close for the difference to keep its digits, and squares, stay products.

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_axes,)
        Eigenvalues.
    alphas : ndarray of shape (n_alphas,)
        Penalties.
    matrix : ndarray of shape (n_axes, n_axes)
        M, symmetric.
    goal : ndarray of shape (n_axes, n_targets) or None
        Linear part.
    vectors : ndarray of shape (n_axes, n_targets)
        v, in columns.

    Returns
    -------
    forms : ndarray of shape (n_alphas, n_targets)
    """
    gaps = eigenvalues - eigenvalues[:, None]
    close = np.abs(gaps) < CLOSE * (eigenvalues + eigenvalues[:, None])
    first, second = np.nonzero(np.triu(close))  # the diagonal, too
    factors = 1 / (eigenvalues + alphas[:, None])
    if len(first) > FEW * len(eigenvalues):
        found = np.zeros((len(alphas), vectors.shape[1])) if goal is None else factors @ (goal * vectors)
        for form, factor in zip(found, factors, strict=True):
            weights = vectors * factor[:, None]
            form += np.einsum("pv,pv->v", weights, matrix @ weights)
        return found
    single = (2 * matrix / np.where(close, np.inf, gaps)) @ vectors
    if goal is not None:
        single += goal
    single *= vectors
    twice = np.where(first == second, 1, 2) * matrix[first, second]
    found = factors @ single
    found += (factors[:, first] * factors[:, second] * twice) @ (vectors[first] * vectors[second])
    return found


def warn_of_edges(alphas, scores):
    """Warn of penalties at the edge of their grid, where a step more might have gained more.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Penalties.
    scores : ndarray of shape (n_alphas, n_targets)
        Their scores. Targets that nothing predicts take the largest penalty of any grid, and do not count.
    """
    order = np.argsort(alphas)
    scores = scores[order]
    best, told = scores.argmax(axis=0), []
    for edge, neighbour, side, cure in ((0, 1, "smallest", "smaller"), (-1, -2, "largest", "larger")):
        at_edge = best == np.arange(len(alphas))[edge]
        gains = at_edge & (scores[edge] > FOUND) & (scores[edge] - scores[neighbour] > GAIN)
        if gains.any() and alphas[order[edge]] > 0:
            told.append(f"for {gains.sum()} of {len(gains)} target(s) the {side}, {alphas[order[edge]]:g}: add {cure}")
    if told:
        warnings.warn(
            f"The best penalty lies at the edge of alpha, where the last step still gained more than {GAIN:g}: "
            f"{'; '.join(told)} ones.",
            stacklevel=3,
        )
