"""Band-power envelopes of trials, averaged over receptive fields, and their correlation with unit outputs."""

import numpy as np
import scipy.fft
import scipy.signal

from eegexplain._explanation import order_by_content

ORDER = 4  # of the Butterworth filters
MIN_CLUSTERS, MAX_CLUSTERS = 32, 256  # independent blocks of trials for standard errors
CELLS = 2**23  # correlations times blocks: 64 MB


def filter_bank(sfreq):
    """Overlapping bands that cover the spectrum: 6 Hz wide in steps of 3 Hz, above 31 Hz 8 Hz wide in steps of 4 Hz.

    Parameters
    ----------
    sfreq : float
        Sampling frequency in Hz.

    Returns
    -------
    bands : dict of str to (float, float)
        Names such as ``"7-13"``; the last band ends at or below the Nyquist frequency.
    """
    bands, low = {}, 1
    while True:
        width, step = (6, 3) if low + 6 <= 31 else (8, 4)
        if low + width > sfreq / 2:
            return bands
        bands[f"{low}-{low + width}"] = (float(low), float(low + width))
        low += step


def default_bands(sfreq, eeg_bands):
    """The EEG bands below the Nyquist frequency, or quarters of the range where there are none."""
    nyquist = sfreq / 2
    known = {name: (low, min(high, nyquist)) for name, (low, high) in eeg_bands.items() if low < nyquist}
    quarters = {"low": (0.0, nyquist / 4), "middle": (nyquist / 4, nyquist / 2), "high": (nyquist / 2, nyquist)}
    return known or quarters


class Envelopes:
    """Squared envelopes of band-passed trials.

    Zero-phase filters with the amplitude response of Butterworth filters of fourth order, applied in the frequency
    domain to the trial continued by its mirror image; the analytic signal comes from the same transform.

    Parameters
    ----------
    bands : dict of str to (float, float)
        Limits in Hz.
    sfreq : float
        Sampling frequency in Hz.
    n_times : int
        Trial length.
    """

    def __init__(self, bands, sfreq, n_times):
        self.n_times = n_times
        self.n_fft = scipy.fft.next_fast_len(2 * n_times)
        frequencies = scipy.fft.fftfreq(self.n_fft, 1 / sfreq)
        self.responses = np.stack([_analytic_response(frequencies, limits, sfreq) for limits in bands.values()])

    def __call__(self, X):
        """Yield the power of trials ``(b, n_channels, n_times)`` over time, of the same shape, band by band."""
        mirrored = np.concatenate([X, X[..., ::-1]], axis=-1)
        spectrum = scipy.fft.fft(mirrored - X.mean(axis=-1, keepdims=True), self.n_fft, axis=-1)
        for response in self.responses.astype(X.dtype):
            analytic = scipy.fft.ifft(spectrum * response, axis=-1)[..., : self.n_times]
            yield analytic.real**2 + analytic.imag**2


def _analytic_response(frequencies, limits, sfreq):
    low, high = limits
    nyquist = sfreq / 2
    if low <= 0 and high >= nyquist:
        gain = np.ones(len(frequencies))
    else:
        kind = "lowpass" if low <= 0 else "highpass" if high >= nyquist else "bandpass"
        edges = {"lowpass": high, "highpass": low, "bandpass": (low, high)}[kind]
        sos = scipy.signal.butter(ORDER, edges, kind, fs=sfreq, output="sos")
        gain = np.abs(scipy.signal.sosfreqz(sos, np.abs(frequencies), fs=sfreq)[1])
    at_ends = (frequencies == 0) | (np.abs(frequencies) >= nyquist)
    return gain * np.where(at_ends, 1.0, 2.0 * (frequencies > 0))


def mean_over_fields(power, starts, size):
    """Mean over each unit's receptive field, ``(..., n_units)``; only samples inside the trial count."""
    n_times = power.shape[-1]
    low, high = np.clip(starts, 0, n_times), np.clip(np.asarray(starts) + size, 0, n_times)
    running = np.cumsum(power, axis=-1, dtype=float)
    running = np.concatenate([np.zeros((*power.shape[:-1], 1)), running], axis=-1)
    return (running[..., high] - running[..., low]) / np.maximum(high - low, 1)


def merge_clusters(clusters, n_cells, X):
    """Merge clusters at random until sums over `n_cells` correlations fit into memory.

    Which of them meet depends on what their trials hold, not on their order or on the names of groups: those neighbors
    that `order_by_content` makes.
    """
    n_clusters = int(clusters.max()) + 1
    limit = max(MIN_CLUSTERS, min(MAX_CLUSTERS, CELLS // n_cells))
    if n_clusters <= limit:
        return clusters
    present, first = np.unique(clusters[order_by_content(X)], return_index=True)
    rank = np.empty(n_clusters, dtype=int)
    rank[present[np.argsort(first)]] = np.arange(n_clusters)
    return rank[clusters] * limit // n_clusters


class ClusteredSums:
    """Sums of unit outputs, band powers and their products, per cluster of trials.

    Parameters
    ----------
    n_clusters : int
        Independent blocks of trials.
    n_filters, n_channels, n_bands : int
    """

    def __init__(self, n_clusters, n_filters, n_channels, n_bands):
        self.n = np.zeros(n_clusters)
        self.a, self.a2 = np.zeros((2, n_clusters, n_filters))
        self.p, self.p2 = np.zeros((2, n_clusters, n_channels * n_bands))
        self.ap = np.zeros((n_clusters, n_filters, n_channels * n_bands))
        self.n_bands = n_bands

    def add_outputs(self, clusters, activations):
        """Add the outputs ``(b, n_filters, n_units)`` of trials, once."""
        np.add.at(self.n, clusters, activations.shape[-1])
        np.add.at(self.a, clusters, activations.sum(-1, dtype=float))
        np.add.at(self.a2, clusters, np.square(activations, dtype=float).sum(-1))

    def add_power(self, clusters, activations, band, power):
        """Add the powers ``(b, n_channels, n_units)`` of trials in one band, with the outputs of the units."""
        cells = slice(band, None, self.n_bands)
        np.add.at(self.p[:, cells], clusters, power.sum(-1))
        np.add.at(self.p2[:, cells], clusters, (power**2).sum(-1))
        np.add.at(self.ap[..., cells], clusters, activations.astype(float) @ power.transpose(0, 2, 1))

    def correlation(self):
        """Pearson correlation and standard error, ``(n_filters, n_channels * n_bands)``; zeros for constants."""
        n = self.n.sum()
        if not n:  # a class without trials
            return np.full(self.ap.shape[1:], np.nan), np.full(self.ap.shape[1:], np.nan)
        mean_a, mean_p = self.a.sum(0) / n, self.p.sum(0) / n
        var_a, var_p = self.a2.sum(0) / n - mean_a**2, self.p2.sum(0) / n - mean_p**2
        alive_a, alive_p = var_a > 1e-12 * (var_a + mean_a**2), var_p > 1e-12 * (var_p + mean_p**2)
        alive = alive_a[:, None] & alive_p
        scale = np.sqrt(np.where(alive_a, var_a, 1.0))[:, None] * np.sqrt(np.where(alive_p, var_p, 1.0))
        covariance = self.ap.sum(0) / n - np.outer(mean_a, mean_p)
        correlation = np.where(alive, covariance / scale, 0.0)
        error = self._standard_error(correlation, scale, (mean_a, mean_p), (var_a, var_p), n)
        return np.clip(correlation, -1.0, 1.0), np.where(alive, error, 0.0)

    def _standard_error(self, correlation, scale, means, variances, n):
        """Error over clusters from the influence of each on the correlation, one cluster at a time."""
        (mean_a, mean_p), n_clusters = means, int((self.n > 0).sum())
        if n_clusters < 2:
            return np.full_like(correlation, np.nan)
        var_a, var_p = (np.where(variance > 0, variance, 1.0) for variance in variances)
        total = np.zeros_like(correlation)
        for k in np.flatnonzero(self.n):
            products = self.ap[k] - mean_a[:, None] * self.p[k] - self.a[k][:, None] * mean_p
            products += self.n[k] * np.outer(mean_a, mean_p)
            square_a = (self.a2[k] - 2 * mean_a * self.a[k] + self.n[k] * mean_a**2) / var_a
            square_p = (self.p2[k] - 2 * mean_p * self.p[k] + self.n[k] * mean_p**2) / var_p
            total += (products / scale - correlation / 2 * (square_a[:, None] + square_p)) ** 2
        return np.sqrt(total * n_clusters / (n_clusters - 1)) / n
