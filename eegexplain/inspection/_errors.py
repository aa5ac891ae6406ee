"""How well a cross-validated map is known: errors over trials and over networks, and which cells are beyond zero."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from eegexplain._explanation import fold_error

SMALLEST = 0.05  # share of a map's largest value below which a cell is not worth a mark, however well it is known


@dataclass(frozen=True, eq=False)
class FoldErrors:
    """Standard errors of the mean map of a cross-validation, from the spread of the folds' maps.

    Parameters
    ----------
    nadeau_bengio : ndarray of shape (...)
        ``s sqrt(1 / F + n_test / n_train)`` with the standard deviation s over F folds: right where each training part
        moves the map as much as overlapping parts are alike.
    jackknife : ndarray of shape (...)
        ``s (F - 1) / sqrt(F)``: right where the map follows the training data and nothing else.
    total : ndarray of shape (...)
        What is reported, see `fold_errors`.
    data_share : float
        Share of the variance over folds that their training data explain; NaN where seeds cannot be told from data.
    """

    nadeau_bengio: np.ndarray
    jackknife: np.ndarray
    total: np.ndarray
    data_share: float


def fold_errors(networks, given_networks, overlap, *, once=True, seeded=True):
    """Errors of a cross-validated map that contain the networks, their training data and the trials explained.

    Let the map of fold f be ``m_f = mu + mean over other folds of a_j + b_f``: ``a_j`` is how the trials of fold j move
    maps of networks trained on them, ``b_f`` what the trials explained and the seeds add. Over folds m_f varies by
    ``s^2 = var(a) / (F - 1)^2 + var(b)``, but their mean by ``(var(a) + var(b)) / F``: what training data do is seen
    through a glass that makes it (F - 1) times smaller. ``var(b)`` is known - from seeds of one fold and from the
    errors given the networks - so the share rho of s^2 that is due to data is too, over all cells of a map together,
    and the error is ``s sqrt((1 + rho ((F - 1)^2 - 1)) / F)``: the plain error of folds for rho = 0, the
    delete-group jackknife for rho = 1. It is at least that of Nadeau and Bengio, which is used alone where rho is
    unknown: with one seed of networks that depend on it, and for repeated or shuffled splits.

    Parameters
    ----------
    networks : array-like of shape (n_folds, n_seeds, ...)
        Map of each network. Seeds of a fold are averaged first: they share their trials.
    given_networks : array-like of shape (n_folds, ...)
        Standard error of each fold's mean map over the trials or groups it is made of; NaN where unknown.
    overlap : float
        Mean ratio of test to training units.
    once : bool, default=True
        Whether no trial was tested twice.
    seeded : bool, default=True
        Whether networks depend on their seed.

    Returns
    -------
    FoldErrors
        All NaN for a single fold.

    References
    ----------
    .. [1] C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine Learning 52 (2003),
           doi:10.1023/A:1024068626366.
    .. [2] B. Efron, C. Stein, "The jackknife estimate of variance", Annals of Statistics 9 (1981),
           doi:10.1214/aos/1176345462.
    """
    networks, given = np.asarray(networks, dtype=float), np.asarray(given_networks, dtype=float)
    n_folds, n_seeds = networks.shape[:2]
    if n_folds < 2:
        nothing = np.full(networks.shape[2:], np.nan)
        return FoldErrors(nothing, nothing, nothing, np.nan)
    variance = networks.mean(axis=1).var(axis=0, ddof=1)
    nadeau_bengio = fold_error(networks.mean(axis=1), overlap, 1.0)
    jackknife = np.sqrt(variance * (n_folds - 1) ** 2 / n_folds)
    share = np.nan
    if once and (n_seeds > 1 or not seeded):
        of_seeds = networks.var(axis=1, ddof=1).mean(axis=0) / n_seeds if n_seeds > 1 else np.zeros_like(variance)
        known = np.isfinite(variance)
        other = of_seeds + np.nan_to_num(np.square(given).mean(axis=0))
        whole = variance[known].sum()
        share = float(np.clip(1 - other[known].sum() / whole, 0, 1)) if whole > 0 else 0.0
    mixed = np.sqrt(variance * (1 + np.nan_to_num(share) * ((n_folds - 1) ** 2 - 1)) / n_folds)
    over_trials = np.sqrt(np.square(given).sum(axis=0)) / n_folds
    return FoldErrors(nadeau_bengio, jackknife, np.fmax(np.fmax(nadeau_bengio, mixed), over_trials), share)


def familywise_limit(n_cells, degrees_of_freedom, alpha=0.05, *, one_sided=False):
    """How many errors the largest of so many cells must be from zero: Bonferroni's limit of t.

    Parameters
    ----------
    n_cells, degrees_of_freedom : int
    alpha : float, default=0.05
        Chance that any cell of a map that is zero everywhere is beyond.
    one_sided : bool, default=False
        Whether only cells above zero count.

    Returns
    -------
    float
    """
    return float(stats.t.isf(alpha / (1 if one_sided else 2) / n_cells, degrees_of_freedom))


def beyond_zero(value, error, degrees_of_freedom, *, alpha=0.05, smallest=SMALLEST, one_sided=False):
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
    one_sided : bool, default=False
        Whether only cells above zero count: amounts, whose negative values are no smaller amounts.

    Returns
    -------
    ndarray of bool of the same shape
    """
    value, error = np.asarray(value, dtype=float), np.asarray(error, dtype=float)
    value, sides = (value, 1) if one_sided else (np.abs(value), 2)
    if not np.nanmax(value, initial=0.0) > 0:
        return np.zeros(value.shape, dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = sides * stats.t.sf(value / error, degrees_of_freedom)
    p[~np.isfinite(p)] = 1.0
    ordered = np.sort(p, axis=None)
    fails = ordered > alpha / (p.size - np.arange(p.size))
    n_beyond = int(fails.argmax()) if fails.any() else p.size
    threshold = ordered[n_beyond - 1] if n_beyond else -1.0
    return (p <= threshold) & (value >= smallest * np.nanmax(value))
