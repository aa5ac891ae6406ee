"""How well a cross-validated map is known: errors over trials and over networks, and which cells are beyond zero."""

import numpy as np
from scipy import stats

from eegexplain._explanation import fold_error

SMALLEST = 0.05  # share of a map's largest value below which a cell is not worth a mark, however well it is known


def total_error(networks, given_networks, n_test, n_train):
    """Error of a cross-validated map: over networks or over trials, whichever is larger.

    Parameters
    ----------
    networks : array-like of shape (n_folds, n_seeds, ...)
        Map of each network. Seeds of a fold are averaged first: they share their trials.
    given_networks : array-like of shape (...)
        Standard error of the mean map over trials or groups; NaN where it is unknown.
    n_test, n_train : array-like of shape (n_folds,)

    Returns
    -------
    ndarray of shape (...)
    """
    return np.fmax(fold_error(np.mean(networks, axis=1), n_test, n_train), given_networks)


def familywise_limit(n_cells, degrees_of_freedom, alpha=0.05):
    """How many errors the largest of so many cells must be from zero: Bonferroni's limit, two-sided t.

    Parameters
    ----------
    n_cells, degrees_of_freedom : int
    alpha : float, default=0.05
        Chance that any cell of a map that is zero everywhere is beyond.

    Returns
    -------
    float
    """
    return float(stats.t.isf(alpha / 2 / n_cells, degrees_of_freedom))


def beyond_zero(value, error, degrees_of_freedom, *, alpha=0.05, smallest=SMALLEST):
    """Tell the cells that are beyond zero with a familywise error of `alpha`, and large enough to matter.

    Holm's procedure: the largest ratio is held to Bonferroni's limit over all cells, the next to that of one cell
    less, and so on. It assumes nothing about how cells depend on one another.

    Parameters
    ----------
    value, error : array-like of the same shape
        The cells of one map; NaN and cells without error are not beyond, unless their error is 0 and they are not.
    degrees_of_freedom : int
        Of the t distribution of their ratio.
    alpha : float, default=0.05
    smallest : float, default=0.05
        Share of the largest absolute value below which no cell counts.

    Returns
    -------
    ndarray of bool of the same shape
    """
    value, error = np.abs(np.asarray(value, dtype=float)), np.asarray(error, dtype=float)
    if not np.nanmax(value, initial=0.0) > 0:
        return np.zeros(value.shape, dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stats.t.sf(value / error, degrees_of_freedom)
    p[~np.isfinite(p)] = 1.0
    ordered = np.sort(p, axis=None)
    fails = ordered > alpha / (p.size - np.arange(p.size))
    n_beyond = int(fails.argmax()) if fails.any() else p.size
    threshold = ordered[n_beyond - 1] if n_beyond else -1.0
    return (p <= threshold) & (value >= smallest * np.nanmax(value))
