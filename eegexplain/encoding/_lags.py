"""Lagged signals without the matrix that they would fill: windows of some samples at a time, and Gram matrices."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from eegexplain.encoding._chunks import CHUNK_BYTES


class Span(NamedTuple):
    """Samples ``start`` to ``stop`` of the run from ``first`` to ``last``; ends are not included."""

    start: int
    stop: int
    first: int
    last: int


def spans_of(samples, runs):
    """Cut samples into stretches without gaps, each within one run.

    Parameters
    ----------
    samples : ndarray of int, shape (n_samples,)
        Increasing positions.
    runs : list of slice
        Runs in order of time.

    Returns
    -------
    spans : list of Span
        In order of time.
    """
    if not len(samples):
        return []
    of_run = np.searchsorted([run.start for run in runs], samples, side="right") - 1
    cuts = np.flatnonzero((np.diff(samples) != 1) | (np.diff(of_run) != 0)) + 1
    begins, ends = np.r_[0, cuts], np.r_[cuts, len(samples)] - 1
    return [
        Span(int(samples[begin]), int(samples[end]) + 1, runs[of_run[begin]].start, runs[of_run[begin]].stop)
        for begin, end in zip(begins, ends, strict=True)
    ]


def window_order(n_features, n_lags):
    """Columns of a design (lags run fastest) in the order of a window (time runs on, features fastest).

    Parameters
    ----------
    n_features, n_lags : int
        Numbers of them.

    Returns
    -------
    order : ndarray of int, shape (n_features * n_lags,)
        ``window = design[:, order]``.
    """
    return np.arange(n_features * n_lags).reshape(n_features, n_lags)[:, ::-1].T.reshape(-1)


def lagged_windows(signals, lags, spans):
    """Yield what samples see at all lags, some samples at a time.

    Parameters
    ----------
    signals : ndarray of shape (n_times, n_features)
        Signals, contiguous in memory.
    lags : ndarray of int, shape (n_lags,)
        Neighbouring lags: a sample t sees t - lag. What lies beyond its run is zero.
    spans : list of Span
        The samples.

    Yields
    ------
    windows : ndarray of shape (n_some, n_lags * n_features)
        In `window_order`; the next step overwrites it.
    samples : ndarray of int, shape (n_some,)
        Which samples these are.
    """
    n_columns = len(lags) * signals.shape[1]
    size = max(CHUNK_BYTES // (8 * n_columns), 64)
    size = min(size, sum(span.stop - span.start for span in spans))
    windows, samples, filled = np.empty((size, n_columns)), np.empty(size, dtype=int), 0
    for span in spans:
        start = span.start
        while start < span.stop:
            taken = min(span.stop - start, size - filled)
            some = slice(filled, filled + taken)
            windows[some] = _windows(signals, lags, span._replace(start=start, stop=start + taken))
            samples[some] = np.arange(start, start + taken)
            start, filled = start + taken, filled + taken
            if filled == size:
                yield windows, samples
                filled = 0
    if filled:
        yield windows[:filled], samples[:filled]


def _windows(signals, lags, span):
    """View of the windows of a span: they overlap, so that nothing but what lies beyond the run is copied."""
    # The rows from t - last lag to t - first lag, one after the other, are the window of sample t.
    n_columns = len(lags) * signals.shape[1]
    seen = _within_run(signals, span.start - int(lags[-1]), span.stop - int(lags[0]), span)
    return sliding_window_view(seen.reshape(-1), n_columns)[:: signals.shape[1]]


def _within_run(signals, start, stop, span):
    """Samples from ``start`` to ``stop``, zeros where these lie beyond the run."""
    low, high = max(start, span.first), min(stop, span.last)
    if (low, high) == (start, stop):
        return signals[start:stop]
    padded = np.zeros((stop - start, signals.shape[1]))
    if low < high:
        padded[low - start : high - start] = signals[low:high]
    return padded


def lagged_gram(signals, lags, spans, first):
    """Gram matrix of the lagged signals, from its products with those at the first lag.

    Parameters
    ----------
    signals, lags, spans
        As for `lagged_windows`.
    first : ndarray of shape (n_lags * n_features, n_features)
        Products of the windows with the signals at the first lag, summed over samples.

    Returns
    -------
    gram : ndarray of shape (n_features * n_lags, n_features * n_lags)
        In the order of a design.
    """
    # Over samples a <= t < b, sum_t x_f(t - l - 1) x_g(t - m - 1) is sum_t x_f(t - l) x_g(t - m) moved by one sample:
    # what enters is sample a - 1, what leaves is sample b - 1. So the matrix follows from its first rows along its
    # diagonals (it is Toeplitz but for edges), with as many operations as it has entries for each span.
    n_lags, n_features = len(lags), signals.shape[1]
    first = first.reshape(n_lags, n_features, n_features)[::-1]
    enter, leave = (
        np.reshape([_before(signals, lags, t, span) for t, span in zip(times, spans, strict=True)], (len(spans), -1))
        for times in ([span.start for span in spans], [span.stop for span in spans])
    )
    gram = np.empty((n_lags, n_features, n_lags, n_features))
    gram[0], gram[:, :, 0] = first.transpose(2, 0, 1), first
    for lag in range(n_lags - 1):
        own = slice(lag * n_features, (lag + 1) * n_features)
        change = enter[:, own].T @ enter - leave[:, own].T @ leave
        gram[lag + 1, :, 1:] = gram[lag, :, :-1] + change.reshape(n_features, n_lags - 1, n_features)
    return gram.transpose(1, 0, 3, 2).reshape(n_features * n_lags, -1)


def _before(signals, lags, time, span):
    """What the sample before ``time`` sees at all lags but the last, lag after lag."""
    # not beyond the window of that sample, which may stand before the run: then these are zeros
    return _within_run(signals, time - int(lags[-1]), time - int(lags[0]), span)[::-1]
