"""Ridge regressions on many training sets and with many penalties, in the smaller of two equal forms."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

_ROWS = 1024


@dataclass(frozen=True)
class Ridge:
    """Inner products of trials, ``(n_trials, n_trials)``, or of features where these are fewer."""

    features: np.ndarray
    products: np.ndarray
    primal: bool

    @classmethod
    def of(cls, features, primal=None):
        """Choose the form, unless told: ``(F'F + aI)^-1 F'`` and ``F'(FF' + aI)^-1`` are the same."""
        primal = features.shape[0] > features.shape[1] if primal is None else primal
        return cls(features, _gram(features) if primal else (features @ features.T).astype(float), primal)

    def weights(self, targets, trainings, penalties):
        """Coefficients ``(n_trainings, n_penalties, n_outputs, n_features)`` of regressions with an intercept.

        A penalty is relative to the mean squared length of the centered features.
        """
        route = self._primal if self.primal else self._dual
        return route(targets, trainings, penalties)

    def _dual(self, targets, trainings, penalties):
        n_outputs = targets.shape[1]
        duals = np.zeros((len(trainings), len(penalties), n_outputs, len(targets)), dtype=self.features.dtype)
        for place, trials in enumerate(trainings):
            inside = self.products[np.ix_(trials, trials)]
            mean = inside.mean(axis=0)
            inside -= mean
            inside -= mean[:, None] - mean.mean()
            # centered residuals have duals that sum to 0: the features need no centering
            solved = _solved(inside, _centered(targets[trials]), penalties, len(trials))
            duals[place][..., trials] = solved.swapaxes(-1, -2)
        return duals @ self.features

    def _primal(self, targets, trainings, penalties):
        n_features, n_outputs = self.features.shape[1], targets.shape[1]
        weights = np.empty((len(trainings), len(penalties), n_outputs, n_features), dtype=self.features.dtype)
        total = self.features.sum(axis=0, dtype=float)
        for place, trials in enumerate(trainings):
            others = np.setdiff1d(np.arange(len(targets)), trials)
            left_out = self.features[others]
            mean = (total - left_out.sum(axis=0, dtype=float)) / len(trials)
            inside = self.products - _gram(left_out) - len(trials) * np.outer(mean, mean)
            residual = np.zeros_like(targets)
            residual[trials] = _centered(targets[trials])
            right = (residual.T.astype(self.features.dtype) @ self.features).T.astype(float)
            weights[place] = _solved(inside, right, penalties, len(trials)).swapaxes(-1, -2)
        return weights


def _centered(values):
    return values - values.mean(axis=0)


def _gram(features):
    """Inner products of features ``(n_features, n_features)``, rows added up in double precision."""
    total = np.zeros((features.shape[1],) * 2)
    for start in range(0, len(features), _ROWS):
        rows = features[start : start + _ROWS]
        total += rows.T @ rows
    return total


def _solved(matrix, right, penalties, n_trials):
    """Solve ``(matrix + penalty * trace / n_trials * I) x = right`` per penalty, ``(n_penalties, n, n_outputs)``."""
    amount = max(np.trace(matrix) / n_trials, np.finfo(float).tiny)
    diagonal = np.diag_indices(len(matrix))
    own = matrix[diagonal].copy()
    found = []
    for penalty in penalties:
        matrix[diagonal] = own + penalty * amount
        _, solution, failed = lapack.dposv(matrix.T, right)  # columns first, as LAPACK wants its copy
        if failed:
            raise ValueError("the ridge regression has no solution: look for extreme trials in X.")
        found.append(solution)
    return np.stack(found)
