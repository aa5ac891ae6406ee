"""How well decoded probabilities keep their word."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from eegexplain._validation import check_array_like

LEAST_POWER, MOST_POWER = 0.01, 2.0
LEAST_LAPSE, MOST_LAPSE = 1e-6, 0.5


@dataclass(frozen=True, eq=False)
class DecodingCalibration:
    """Where true stimuli lie in their posteriors; made by `StimulusDecoder.calibration`.

    Parameters
    ----------
    mass : ndarray of shape (n_times,)
        Posterior probability of all stimuli that are more probable than the true one, and half of its own. Where
        posteriors are right, it is uniform from 0 to 1.
    log_probability : ndarray of shape (n_times,)
        Logarithm of the true stimulus' probability, that is of the nearest one of the grid.
    """

    mass: NDArray
    log_probability: NDArray

    def coverage(self, level: ArrayLike = 0.9) -> NDArray:
        """Share of samples whose highest-density region holds the true stimulus.

        Parameters
        ----------
        level : float or array-like
            Probability of the region.

        Returns
        -------
        ndarray of the shape of `level`

        Raises
        ------
        ValueError
            For levels that are not finite.
        """
        levels = check_array_like("level", level, ndim="any", dtype=float)
        return (self.mass <= levels[..., None]).mean(axis=-1)


def mass_above(log_posterior: NDArray, place: NDArray) -> NDArray:
    """Probability of what is more probable than the stimulus at `place`, and half of that which is as probable.

    Parameters
    ----------
    log_posterior : ndarray of shape (n_times, n_stimuli)
    place : ndarray of int, shape (n_times,)

    Returns
    -------
    ndarray of shape (n_times,)
    """
    own = np.take_along_axis(log_posterior, place[:, None], axis=1)
    posterior = np.exp(log_posterior)
    return (posterior * ((log_posterior > own) + 0.5 * (log_posterior == own))).sum(axis=1)


def region(posterior: NDArray, level: float) -> NDArray:
    """Fewest stimuli that hold a share of the probability.

    Parameters
    ----------
    posterior : ndarray of shape (n_times, n_stimuli)
    level : float

    Returns
    -------
    ndarray of bool, shape (n_times, n_stimuli)
    """
    order = np.argsort(-posterior, axis=1, kind="stable")
    before = np.cumsum(np.take_along_axis(posterior, order, axis=1), axis=1)
    inside = np.empty(posterior.shape, dtype=bool)
    # a stimulus belongs to the region as long as those before it do not hold the share yet
    lower = np.hstack([np.zeros((len(posterior), 1)), before[:, :-1]]) < level - 1e-12
    np.put_along_axis(inside, order, lower, axis=1)
    return inside


def nearest(grid: NDArray, stimuli: NDArray) -> NDArray:
    """Position in a grid of the stimulus nearest to each, in units of the grid's spread.

    Parameters
    ----------
    grid : ndarray of shape (n_stimuli, n_features)
    stimuli : ndarray of shape (n_times, n_features)

    Returns
    -------
    ndarray of int, shape (n_times,)
    """
    scale = np.ptp(grid, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    grid, stimuli = grid / scale, stimuli / scale
    return ((grid**2).sum(axis=1) - 2 * stimuli @ grid.T).argmin(axis=1)


def temper(log_likelihood: NDArray, log_prior: NDArray, power: float, lapse: float) -> NDArray:
    """Posterior from a power of the likelihood, mixed with the prior.

    Parameters
    ----------
    log_likelihood : ndarray of shape (n_times, n_stimuli)
    log_prior : ndarray of shape (n_stimuli,)
        Of probabilities that add up to one.
    power : float
    lapse : float
        Share of the prior.

    Returns
    -------
    ndarray of shape (n_times, n_stimuli)
        Log posterior.
    """
    log_posterior = log_softmax(log_prior + power * log_likelihood, axis=1)
    if not lapse:
        return log_posterior
    return np.logaddexp(np.log1p(-lapse) + log_posterior, np.log(lapse) + log_prior)


def fit_trust(log_likelihood: NDArray, log_prior: NDArray, place: NDArray) -> tuple[float, float]:
    """Power of the likelihood and share of the prior under which true stimuli are most probable.

    Parameters
    ----------
    log_likelihood : ndarray of shape (n_times, n_stimuli)
        Of samples that nothing was fitted to.
    log_prior : ndarray of shape (n_stimuli,)
    place : ndarray of int, shape (n_times,)
        The true stimuli; those that the prior excludes tell nothing.

    Returns
    -------
    power, lapse : float
    """
    kept = np.isfinite(log_prior[place])
    if not kept.any():
        return 1.0, 0.0
    rows, places = log_likelihood[kept], place[kept, None]
    rows = rows - rows.max(axis=1, keepdims=True)
    own, prior = np.take_along_axis(rows, places, axis=1)[:, 0], np.exp(log_prior[place[kept]])

    def cost(x):
        """Minus the mean log probability of the truth, and its gradient, by log power and share."""
        power, lapse = np.exp(x[0]), x[1]
        log_posterior = log_softmax(log_prior + power * rows, axis=1)
        seen = np.exp(np.take_along_axis(log_posterior, places, axis=1)[:, 0])
        mixed = (1 - lapse) * seen + lapse * prior
        by_power = seen * (own - (np.exp(log_posterior) * rows).sum(axis=1)) * power
        slope = [-((1 - lapse) * by_power / mixed).mean(), -((prior - seen) / mixed).mean()]
        return -np.log(mixed).mean(), np.array(slope)

    bounds = [np.log([LEAST_POWER, MOST_POWER]), (LEAST_LAPSE, MOST_LAPSE)]
    # Few samples that are far off are a low power or a few lapses: the better of the two ends counts.
    ends = [minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds) for start in ((0, 0.02), (-1.5, 0.02))]
    power, lapse = min(ends, key=lambda end: end.fun).x
    return float(np.exp(power)), float(lapse) if lapse > LEAST_LAPSE else 0.0
