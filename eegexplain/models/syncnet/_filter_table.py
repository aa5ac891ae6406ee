"""What damped-oscillation filters respond to, in hertz: the truncated response, not the parameters."""

import numpy as np

FEW_CYCLES = 1.5


def truncated_response(filters, sfreq):
    """Power response of filters as they are applied: cut to their window, summed over channels.

    Parameters
    ----------
    filters : ndarray of shape (n_filters, n_channels, width)
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    frequencies : ndarray of shape (n_frequencies,)
        From 0 to half the sampling rate, in Hz.
    power : ndarray of shape (n_filters, n_frequencies)
    """
    # Zeros behind the filter sample its continuous spectrum: bins of a 64th of a cycle per window or finer.
    n_fft = 1 << int(np.ceil(np.log2(max(8192, 64 * filters.shape[-1]))))
    power = [np.sum(np.abs(np.fft.rfft(one, n_fft)) ** 2, axis=0) for one in filters]
    return np.fft.rfftfreq(n_fft, 1 / sfreq), np.array(power)


def peak_and_width(frequencies, power):
    """Frequency of the largest response and its -3 dB width, both in the unit of ``frequencies``.

    The width is the contiguous range around the peak with at least half of the peak's power; it ends at 0 and at half
    the sampling rate. Without any response both are NaN.
    """
    peak = int(np.argmax(power))
    if power[peak] == 0:
        return np.nan, np.nan
    below = power < power[peak] / 2
    left = np.flatnonzero(below[:peak])
    right = np.flatnonzero(below[peak:])
    low = _crossing(frequencies, power, left[-1], left[-1] + 1, power[peak] / 2) if left.size else frequencies[0]
    high = frequencies[-1]
    if right.size:
        high = _crossing(frequencies, power, peak + right[0], peak + right[0] - 1, power[peak] / 2)
    return frequencies[peak], high - low


def _crossing(frequencies, power, outside, inside, level):
    """Interpolate where the response crosses ``level`` between two neighbouring bins."""
    share = (level - power[outside]) / (power[inside] - power[outside])
    return frequencies[outside] + share * (frequencies[inside] - frequencies[outside])


def canonical_waves(amplitude, phase, omega, tau):
    """Rewrite ``amplitude cos(omega tau + phase)`` with amplitude >= 0, phase in (-pi, pi] and omega in [0, pi].

    Parameters
    ----------
    amplitude, phase : ndarray of shape (n_filters, n_channels)
    omega : ndarray of shape (n_filters,)
        Radians per sample.
    tau : ndarray of shape (width,)
        Times in samples; only on whole samples are frequencies beyond half the sampling rate the same as one below.

    Returns
    -------
    amplitude, phase, omega : ndarray
        Waves that are equal on ``tau``.
    """
    # cos((omega + 2 pi) tau) = cos(omega tau) on whole samples, cos(-x) = cos(x), and -cos(x) = cos(x + pi)
    if np.array_equal(tau, np.round(tau)):
        omega = np.mod(omega + np.pi, 2 * np.pi) - np.pi
    phase = np.where(omega[:, None] < 0, -phase, phase)
    phase = np.where(amplitude < 0, phase + np.pi, phase)
    phase = np.pi - np.mod(np.pi - phase, 2 * np.pi)
    return np.abs(amplitude), np.where(amplitude == 0, 0.0, phase), np.abs(omega)


def describe_filters(filters, waves, decay, sfreq, ch_names, patterns=None):
    """Tabulate filters: one row each.

    Parameters
    ----------
    filters : ndarray of shape (n_filters, n_channels, width)
    waves : tuple of ndarray
        ``amplitude, phase, omega`` in canonical form.
    decay : ndarray of shape (n_filters,)
        Per squared sample.
    sfreq : float
        Sampling rate in Hz.
    ch_names : list of str
    patterns : complex ndarray of shape (n_filters, n_channels), optional

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    amplitude, phase, omega = waves
    frequencies, power = truncated_response(filters, sfreq)
    peaks, widths = np.transpose([peak_and_width(frequencies, one) for one in power])
    cycles = peaks * filters.shape[-1] / sfreq
    columns = {
        "peak_frequency": peaks,
        "bandwidth": widths,
        "cycles": cycles,
        "few_cycles": ~(cycles >= FEW_CYCLES),
        "carrier_frequency": omega * sfreq / (2 * np.pi),
        "decay": decay * sfreq**2,
    }
    columns |= {f"amplitude_{name}": amplitude[:, c] for c, name in enumerate(ch_names)}
    columns |= {f"phase_{name}": phase[:, c] for c, name in enumerate(ch_names)}
    if patterns is not None:
        columns |= {f"pattern_amplitude_{name}": np.abs(patterns[:, c]) for c, name in enumerate(ch_names)}
        columns |= {f"pattern_phase_{name}": np.angle(patterns[:, c]) for c, name in enumerate(ch_names)}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(filters), name="filter"))
