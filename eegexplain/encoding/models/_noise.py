"""Noise that simulations add."""

import numpy as np
from scipy.linalg import cholesky
from sklearn.utils import check_random_state

from eegexplain._validation import check_array_like
from eegexplain.encoding._tables import frame


def draw_noise(shape, noise, dof, n_repeats, random_state):
    """Draw Gaussian or Student's t noise.

    Parameters
    ----------
    shape : tuple of int
        ``(n_times, n_targets)``.
    noise : float or array-like of shape (n_targets, n_targets)
        Standard deviation, or covariance over targets.
    dof : float or None
        Degrees of freedom of Student's t; None is Gaussian.
    n_repeats : int
        How often.
    random_state : int, RandomState or None
        Seed.

    Returns
    -------
    draws : ndarray of shape (n_repeats, n_times, n_targets)
        The noise.

    Raises
    ------
    ValueError
        If the noise is not a scale or a covariance of the right size.
    """
    rng = check_random_state(random_state)
    if dof is not None and not dof > 0:
        raise ValueError(f"dof must be positive; {dof!r} was given.")
    draws = rng.standard_normal((int(n_repeats), *shape)) @ _noise_factor(noise, shape[1])
    if dof is None:
        return draws
    # Multivariate t: all targets of a sample share one chi-square variable.
    return draws / np.sqrt(rng.chisquare(dof, size=(*draws.shape[:2], 1)) / dof)


def stack_repeats(data, like):
    """Return repeats in the type of the prediction.

    Parameters
    ----------
    data : ndarray of shape (n_repeats, n_times, n_targets)
        Values.
    like : DataFrame or ndarray of shape (n_times, n_targets)
        Labels, if any.

    Returns
    -------
    data : DataFrame or ndarray of shape (n_times, n_targets) or (n_repeats, n_times, n_targets)
        More than one repeat adds an axis, or an index level ``repeat``.
    """
    if not hasattr(like, "iloc"):
        return data[0] if len(data) == 1 else data
    frames = [frame(repeat, like.index, like.columns) for repeat in data]
    if len(frames) == 1:
        return frames[0]
    import pandas as pd

    return pd.concat(frames, keys=range(len(frames)), names=["repeat", *like.index.names])


def _noise_factor(noise, n_targets):
    """Matrix that gives white noise the wanted covariance."""
    if noise is None:
        raise ValueError("There is no noise: give noise, a standard deviation or covariance, or omega.")
    noise = check_array_like("noise", noise, ndim="any", dtype=float)
    if noise.ndim == 0:
        if not 0 <= noise < np.inf:
            raise ValueError(f"noise must be a finite standard deviation >= 0; {noise} was given.")
        return noise * np.eye(n_targets)
    if noise.shape != (n_targets, n_targets):
        raise ValueError(f"noise must be a number or a covariance of shape {(n_targets,) * 2}; it is {noise.shape}.")
    try:
        return cholesky(noise + 1e-12 * np.trace(noise) / n_targets * np.eye(n_targets))
    except np.linalg.LinAlgError as error:
        raise ValueError("noise is no covariance: it is not positive semi-definite.") from error
