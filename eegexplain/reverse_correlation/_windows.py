"""The input windows that drive units most, and how well trials match templates."""

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike

from eegexplain._validation import check_array_like, check_indices, positive_int

_TRIALS = "n_trials, n_channels, n_times"


class TopUnits:
    """The most active units of each trial, collected over batches.

    Parameters
    ----------
    max_per_trial : int
        Units kept per trial and filter.
    """

    def __init__(self, max_per_trial):
        self.max_per_trial = max_per_trial
        self.units, self.values = [], []

    def add(self, activations):
        """Add a batch ``(b, n_filters, n_units)``."""
        n = min(self.max_per_trial, activations.shape[-1])
        units = np.argsort(-activations, axis=-1, kind="stable")[..., :n] if n > 1 else None
        units = activations.argmax(axis=-1)[..., None] if units is None else units
        self.units.append(units)
        self.values.append(np.take_along_axis(activations, units, axis=-1))

    def select(self, n_windows):
        """Trial and unit, ``(n_filters, n_windows, 2)``, and activation, of the most active units of each filter.

        Fewer windows are returned when the trials do not hold as many.
        """
        units, values = np.concatenate(self.units), np.concatenate(self.values)
        n_trials, n_filters, n = units.shape
        trials = np.broadcast_to(np.arange(n_trials)[:, None], (n_trials, n)).reshape(-1)
        units, values = (v.transpose(1, 0, 2).reshape(n_filters, -1) for v in (units, values))
        order = np.argsort(-values, axis=1, kind="stable")[:, :n_windows]
        index = np.stack([trials[order], np.take_along_axis(units, order, axis=1)], axis=-1)
        return index, np.take_along_axis(values, order, axis=1)


def cut_windows(X: ArrayLike, index: ArrayLike, width: int) -> np.ndarray:
    """Cut windows from trials; samples outside the trial are zero.

    Parameters
    ----------
    X : ndarray, shape (n_trials, n_channels, n_times)
        Trials; samples are copied as they are, NaN and infinities too.
    index : ndarray of int, shape (..., 2)
        Trial and first sample of each window; the sample may be negative.
    width : int
        Samples per window.

    Returns
    -------
    windows : ndarray, shape (..., n_channels, width)

    Raises
    ------
    ValueError
        For trials of another number of axes, and windows of trials that are not there.
    """
    X = check_array_like("X", X, ndim=_TRIALS, dtype="same", allow_nan=True, allow_inf=True)
    index = check_indices("index", index)
    flat, width = index.reshape(-1, 2), positive_int("width", width)
    if index.shape[-1] != 2 or flat[:, 0].min() < 0 or flat[:, 0].max() >= len(X):
        raise ValueError(f"index must hold pairs of a trial, 0 to {len(X) - 1}, and its first sample.")
    windows = np.zeros((len(flat), X.shape[1], width), dtype=X.dtype)
    for window, (trial, start) in zip(windows, flat, strict=True):
        first, last = max(start, 0), min(start + width, X.shape[-1])
        if first < last:
            window[:, first - start : last - start] = X[trial, :, first:last]
    return windows.reshape(*index.shape[:-1], X.shape[1], width)


def template_match(X: Any, templates: ArrayLike) -> np.ndarray:
    """Largest normalised cross-correlation of each trial with each template.

    Parameters
    ----------
    X : ndarray, shape (n_trials, n_channels, n_times)
        Trials; the mean of each channel of each trial is removed.
    templates : ndarray, shape (n_filters, n_channels, width)
        Templates; where they are wider than the trial, the trial is continued with zeros on both sides.

    Returns
    -------
    match : ndarray, shape (n_trials, n_filters)
        Cosine of the angle between template and best window, in [-1, 1]; 0 for empty templates and flat trials.

    Raises
    ------
    ValueError
        For other numbers of axes or channels, NaN and infinities.
    """
    X = check_array_like("X", X, ndim=_TRIALS, squared=True)
    templates = check_array_like("templates", templates, ndim="n_filters, n_channels, width", squared=True)
    if templates.shape[1] != X.shape[1]:
        raise ValueError(f"templates have {templates.shape[1]} channels, but the trials {X.shape[1]}.")
    width = templates.shape[-1]
    X = X - X.mean(axis=-1, keepdims=True)
    if width > X.shape[-1]:
        X = np.pad(X, ((0, 0), (0, 0), (width - 1, width - 1)))
    n_windows = X.shape[-1] - width + 1
    n_fft = scipy.fft.next_fast_len(X.shape[-1], real=True)
    spectra = scipy.fft.rfft(X.transpose(2, 0, 1), n_fft, axis=0)
    kernels = scipy.fft.rfft(templates.astype(X.dtype).transpose(2, 1, 0), n_fft, axis=0)
    product = scipy.fft.irfft(np.matmul(spectra, np.conj(kernels)), n_fft, axis=0)[:n_windows]
    running = np.cumsum(np.pad(np.einsum("nct,nct->nt", X, X, dtype=float), ((0, 0), (1, 0))), axis=1)
    energy = (running[:, width:] - running[:, :-width]).T[..., None]
    floor = 1e-12 * running[:, -1][:, None]
    norm = np.sqrt(np.maximum(energy, 0.0)) * np.sqrt((templates.astype(float) ** 2).sum(axis=(1, 2)))
    usable = (energy > floor) & (norm > 0)
    match = np.where(usable, product / np.where(usable, norm, 1.0), -np.inf).max(axis=0)
    return np.clip(np.where(np.isfinite(match), match, 0.0), -1.0, 1.0)
