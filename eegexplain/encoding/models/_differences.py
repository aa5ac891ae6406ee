"""Derivatives of models that do not know theirs."""

import numpy as np


def central_differences(function, pars):
    """Value and derivatives of an elementwise family of functions.

    Parameters
    ----------
    function : callable
        ``function(*pars)`` -> array of shape (n_times, n_targets); column ``v`` depends on element ``v`` of each only.
    pars : sequence of ndarray of shape (n_targets,)
        Where to take the derivatives.

    Returns
    -------
    value : ndarray of shape (n_times, n_targets)
        ``function(*pars)``.
    derivatives : list of ndarray
        By each of ``pars``.
    """
    step = np.cbrt(np.finfo(float).eps)
    derivatives = []
    for i, par in enumerate(pars):
        h = step * np.maximum(np.abs(par), 1e-2)
        above, below = ([*pars[:i], par + sign * h, *pars[i + 1 :]] for sign in (1, -1))
        derivatives.append((function(*above) - function(*below)) / (2 * h))
    return function(*pars), derivatives
