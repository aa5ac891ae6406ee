"""Runs: stretches of time that convolutions and lags never cross."""

import sys
import warnings

import numpy as np
from scipy.fft import next_fast_len

from eegexplain._validation import refuse_masked

PADDINGS = ("edge", "zero")


def check_run_labels(groups, n_times):
    """Validate run labels.

    Parameters
    ----------
    groups : array-like of shape (n_times,) or None
        Label of the run (recording, trial) that each sample belongs to; None is one run.
    n_times : int
        Number of samples.

    Returns
    -------
    groups : ndarray of shape (n_times,)
        One label per sample.

    Raises
    ------
    ValueError
        If there is not one label per sample.
    """
    if groups is None:
        return np.zeros(n_times, dtype=int)
    refuse_masked("groups", groups)
    groups = np.asarray(groups)
    if groups.shape != (n_times,):
        raise ValueError(f"groups has shape {groups.shape}, but one label per sample is needed: ({n_times},).")
    if groups.dtype.kind == "c" or (groups.dtype.kind == "f" and np.isnan(groups).any()):
        raise ValueError("groups must name the run of every sample, but holds NaN or complex numbers.")
    return groups


def warn_of_unknown_runs(model, groups):
    """Warn where scikit-learn's cross-validation cuts samples out of their runs, and did not say which these are.

    What it hands to an estimator are rows: neither runs nor held-out folds can be seen in them, so lags and responses
    would be laid across both. Who called is the only sign of it.

    Parameters
    ----------
    model : EncodingModel
        Models without memory are safe.
    groups : array-like or None
        Runs; who gives them is safe, too.
    """
    if groups is not None or not model.has_memory:
        return
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__") == "sklearn.model_selection._validation":
            warnings.warn(
                f"{type(model).__name__} looks beyond single samples, but cross-validation handed it rows without "
                "their runs: lags cross from one run, or from one side of a held-out fold, to the next. Let groups "
                "through: sklearn.set_config(enable_metadata_routing=True), then set_fit_request(groups=True), "
                "set_score_request(groups=True) and set_predict_request(groups=True) of the fitter.",
                stacklevel=3,
            )
            return
        frame = frame.f_back


def run_slices(groups, n_times):
    """Cut time wherever the run label changes.

    Parameters
    ----------
    groups : array-like of shape (n_times,) or None
        Label per sample.
    n_times : int
        Number of samples.

    Returns
    -------
    slices : list of slice
        Contiguous runs in order of time.
    """
    groups = check_run_labels(groups, n_times)
    borders = np.flatnonzero(groups[1:] != groups[:-1]) + 1
    edges = [0, *borders.tolist(), n_times]
    return [slice(start, stop) for start, stop in zip(edges[:-1], edges[1:], strict=True)]


def check_run_lengths(runs, n_samples, what):
    """Refuse runs that are shorter than what is laid over them.

    Parameters
    ----------
    runs : list of slice
        Runs.
    n_samples : int
        Samples that ``what`` spans.
    what : str
        Its name in the message, with the way to shorten it.

    Raises
    ------
    ValueError
        If the shortest run has fewer than ``n_samples`` samples.
    """
    shortest = min(runs, key=lambda run: run.stop - run.start)
    length = shortest.stop - shortest.start
    if n_samples > length:
        raise ValueError(
            f"{what} spans {n_samples} samples, but the run from sample {shortest.start} to {shortest.stop} has only "
            f"{length}. Shorten it, or leave short runs out."
        )


def convolve_runs(signals, kernel, runs, padding="edge"):
    """Causal convolution within runs: ``y[t] = sum_k h[k] x[t - k]``.

    Parameters
    ----------
    signals : ndarray of shape (n_times, n_signals)
        Signals.
    kernel : ndarray of shape (n_lags,) or (n_lags, n_signals)
        One kernel, or one per signal.
    runs : list of slice
        Runs; nothing crosses their borders.
    padding : {"edge", "zero"}
        What stands before the first sample of a run: that sample, or zeros.

    Returns
    -------
    convolved : ndarray of shape (n_times, n_signals)
        The convolved signals.
    """
    kernel = kernel[:, None] if kernel.ndim == 1 else kernel
    pieces = [_convolve_run(signals[run], kernel, padding) for run in runs]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _convolve_run(signals, kernel, padding):
    """Convolve one run by FFT; the repeated first sample enters through the kernel's remaining sum."""
    n_times = signals.shape[0]
    n_fft = next_fast_len(n_times + kernel.shape[0] - 1, real=True)
    spectrum = np.fft.rfft(signals.T, n_fft) * np.fft.rfft(kernel.T, n_fft)
    convolved = np.fft.irfft(spectrum, n_fft)[:, :n_times].T
    if padding == "zero":
        return convolved
    kernel = kernel[:n_times]
    remaining = kernel.sum(0) - np.cumsum(kernel, 0)
    n_lags = kernel.shape[0]
    head = convolved[:n_lags] + remaining * signals[:1]
    return np.concatenate([head, convolved[n_lags:]])
