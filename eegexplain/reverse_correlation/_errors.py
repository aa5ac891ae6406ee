"""Standard errors of templates: the influence of each trial, summed within groups, squared and summed.

A template is a function of means over all windows. Its influence function says by how much a trial moves it (to first
order), so that errors are exact for many trials, whatever correlates the windows of one trial.
"""

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from eegexplain._validation import check_groups

BLOCK = 2**21  # values of influence held at once


class SquaredInfluence:
    """Sum over groups of squared influences that come trial by trial; a group is closed with its last trial.

    Parameters
    ----------
    groups : ndarray of int, shape (n_trials,)
        Trials of one group are not independent.
    """

    def __init__(self, groups):
        self.codes = check_groups(groups, len(groups))
        self.missing = np.bincount(self.codes)
        self.n_groups = len(self.missing)
        self.alone = bool((self.missing == 1).all())
        self.open = {}
        self.squares = 0.0

    def add(self, trials, influence):
        """Add influences ``(b, ...)`` of the trials with these numbers."""
        if self.alone:
            self.squares = self.squares + np.einsum("b...,b...->...", influence, influence)
            return
        for trial, row in zip(trials, influence, strict=True):
            code = self.codes[trial]
            self.open[code] = self.open.get(code, 0.0) + row
            self.missing[code] -= 1
            if not self.missing[code]:
                self.squares = self.squares + self.open.pop(code) ** 2

    def error(self, n_windows):
        """Standard error of the mean of influences over windows; NaN with fewer than two groups."""
        if self.n_groups < 2:
            return np.full(np.shape(self.squares), np.nan)
        return np.sqrt(self.n_groups / (self.n_groups - 1) * self.squares) / n_windows


def lagged_products(units, x, positions, width):
    """Sum over units of output times input at each lag, for every trial.

    Only `width` lags are needed, so trials are cut into segments of about that length; their products are added up in
    the frequency domain.

    Parameters
    ----------
    units : ndarray, shape (b, n_filters, n_units)
    x : ndarray, shape (b, n_channels, n_samples)
    positions : ndarray of int, shape (n_units,)
        First sample of each unit's window.
    width : int

    Returns
    -------
    products : ndarray, shape (b, n_filters, n_channels, width)
    """
    length = int(positions.max()) + 1
    segment = min(length, max(64, 2 * width))
    n_segments = -(-length // segment)
    placed = np.zeros((*units.shape[:2], n_segments * segment))
    np.add.at(placed, (slice(None), slice(None), positions), units)
    placed = placed.reshape(*units.shape[:2], n_segments, segment)
    x = x[..., : length + width - 1]
    x = np.pad(x, ((0, 0), (0, 0), (0, n_segments * segment + width - 1 - x.shape[-1])))
    pieces = sliding_window_view(x, segment + width - 1, axis=-1)[..., ::segment, :]
    n_fft = scipy.fft.next_fast_len(segment + width - 1, real=True)
    first = np.conj(scipy.fft.rfft(placed, n_fft)).transpose(0, 3, 1, 2)  # (b, bins, n_filters, n_segments)
    second = scipy.fft.rfft(pieces, n_fft).transpose(0, 3, 2, 1)
    return scipy.fft.irfft(first @ second, n_fft, axis=1)[:, :width].transpose(0, 2, 3, 1)


class Windows:
    """Inputs of a few trials as `CrossSums` sees them, and sums over each trial's windows."""

    def __init__(self, moments, X):
        origin = int(moments.starts.min())
        last = origin + moments.length
        x = X[..., max(origin, 0) : min(last, X.shape[-1])] - moments.level[:, None]
        self.x = np.pad(x.astype(float), ((0, 0), (0, 0), (max(0, -origin), max(0, last - X.shape[-1]))))
        self.positions, self.width = moments.positions, moments.width
        self.ones = np.ones((len(X), 1, len(self.positions)))

    def products(self, units):
        """Sum over windows of output times input, (b, n_filters, n_channels, width)."""
        return lagged_products(units, self.x, self.positions, self.width)

    def scatter(self, mean):
        """Sum over windows of the squared distance from `mean`, (b, n_channels, width)."""
        sums, squares = (lagged_products(self.ones, v, self.positions, self.width)[:, 0] for v in (self.x, self.x**2))
        return squares - 2 * mean * sums + len(self.positions) * mean**2

    def predict(self, kernels):
        """Output of linear units with these kernels, (b, n_filters, n_units)."""
        n_fft = scipy.fft.next_fast_len(self.x.shape[-1], real=True)
        spectra = scipy.fft.rfft(self.x, n_fft).transpose(2, 0, 1)
        filters = np.conj(scipy.fft.rfft(kernels, n_fft)).transpose(2, 1, 0)
        return scipy.fft.irfft(spectra @ filters, n_fft, axis=0)[self.positions].transpose(1, 2, 0)


class CorrelationInfluence:
    """Influence of trials on the Pearson correlation of outputs and samples."""

    def __init__(self, moments):
        self.moments, n = moments, moments.n_windows
        self.template = moments.correlation()
        self.mean_a, self.mean_x = moments.sum_a / n, moments.mean_window()
        var_a = moments.sum_a2 / n - self.mean_a**2
        var_x = moments.variance()
        alive = ~moments.dead()[:, None, None] & moments.varies()
        self.alive = alive
        self.var_a = np.where(alive, var_a[:, None, None], 1.0)
        self.var_x = np.where(alive, var_x, 1.0)

    def __call__(self, X, units):
        """Influences, (b, n_filters, n_channels, width)."""
        windows = Windows(self.moments, X)
        units = units - self.mean_a[:, None]
        shared = windows.products(units) - units.sum(-1)[..., None, None] * self.mean_x
        spread = (units**2).sum(-1)[..., None, None] / self.var_a
        spread = spread + windows.scatter(self.mean_x)[:, None] / self.var_x
        influence = shared / np.sqrt(self.var_a * self.var_x) - 0.5 * self.template * spread
        return np.where(self.alive, influence, 0.0)


class WeightedInfluence:
    """Influence of trials on ``sum a x / sum |a|``."""

    def __init__(self, moments):
        self.moments = moments
        self.template = moments.weighted_mean()
        weight = moments.sum_abs / moments.n_windows
        self.weight = np.where(weight > 0, weight, 1.0)[:, None, None]

    def __call__(self, X, units):
        """Influences, (b, n_filters, n_channels, width)."""
        size = np.abs(units).sum(-1)[..., None, None]
        return (Windows(self.moments, X).products(units.astype(float)) - size * self.template) / self.weight


class WhitenedInfluence:
    """Influence of trials on the linear filter of outputs: residuals times inputs, whitened (the sandwich).

    NaN where there are fewer than two windows for every parameter: single trials then decide, and no error tells.
    """

    def __init__(self, moments, auto, ridge):
        self.moments, self.ridge = moments, ridge
        self.whitening = auto.whitening(ridge)
        # residuals are smaller than errors by the share of parameters
        left = 1 - self.whitening.degrees_of_freedom() / moments.n_windows
        self.inflation = 1 / left if left > 0.5 else np.nan
        covariance = moments.covariance()
        self.template = self.whitening.solve(covariance)
        self.alive = ~moments.dead()[:, None, None]
        self.mean_a, self.mean_x = moments.sum_a / moments.n_windows, moments.mean_window()

    def __call__(self, X, units):
        """Influences, (b, n_filters, n_channels, width)."""
        windows = Windows(self.moments, X)
        constant = self.mean_a - np.einsum("fcw,cw->f", self.template, self.mean_x)
        left = units - windows.predict(self.template) - constant[:, None]
        score = windows.products(left) - left.sum(-1)[..., None, None] * self.mean_x
        level = windows.scatter(self.mean_x).mean(axis=(1, 2))  # the ridge is a share of the mean variance
        score -= self.ridge * level[:, None, None, None] * self.template
        solved = self.whitening.solve(score.reshape(-1, *score.shape[2:])) * self.inflation
        return np.where(self.alive, solved.reshape(score.shape), 0.0)


def template_errors(influences, batches, X, groups, codes):
    """Standard errors of several templates of the same network.

    Parameters
    ----------
    influences : dict of int or None to influence
        For each class (None: all trials) the influence of its trials.
    batches : iterable of (slice, ndarray of shape (b, n_filters, n_units))
        Trials and outputs of their units.
    X : ndarray, shape (n_trials, n_channels, n_times)
    groups : ndarray of shape (n_trials,) or None
    codes : ndarray of int, shape (n_trials,)
        Class of each trial.

    Returns
    -------
    errors : dict of int or None to ndarray, shape (n_filters, n_channels, width)
    """
    trials = np.arange(len(X))
    groups = trials if groups is None else np.asarray(groups)
    chosen = {key: trials if key is None else np.flatnonzero(codes == key) for key in influences}
    squares = {key: SquaredInfluence(groups[of_class]) for key, of_class in chosen.items()}
    for part, units in batches:
        size = units.shape[1] * influences[None].template[0].size
        step = max(1, BLOCK // size)
        for key, influence in influences.items():
            inside = chosen[key][(chosen[key] >= part.start) & (chosen[key] < part.stop)]
            for i in range(0, len(inside), step):
                some = inside[i : i + step]
                within = np.searchsorted(chosen[key], some)
                squares[key].add(within, influence(X[some], units[some - part.start]))
    return {key: squares[key].error(influence.moments.n_windows) for key, influence in influences.items()}
