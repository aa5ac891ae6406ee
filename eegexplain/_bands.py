"""Bins of real spectra and the bands they belong to: the only copy."""

import numpy as np

from eegexplain._validation import in_band


def frozen_bins(n_times):
    """Mark the bins without a phase: DC and, for an even length, Nyquist.

    Parameters
    ----------
    n_times : int
        Samples of the signal.

    Returns
    -------
    ndarray of bool, shape (n_times // 2 + 1,)
    """
    bins = np.arange(n_times // 2 + 1)
    return (bins == 0) | (2 * bins == n_times)


def bin_weights(n_times):
    """Count how often each bin of the one-sided spectrum stands in the two-sided one.

    Parseval for real signals is ``sum(x * g) = sum(weights * Re(conj(X) * G)) / n_times`` over the bins of `rfft`.

    Parameters
    ----------
    n_times : int
        Samples of the signal.

    Returns
    -------
    ndarray of shape (n_times // 2 + 1,)
        1 for DC and Nyquist, 2 for bins with a mirror image.
    """
    return np.where(frozen_bins(n_times), 1.0, 2.0)


def band_masks(frequencies, bands):
    """Say which frequencies belong to which band; the lower edge belongs to it, the upper one does not.

    Parameters
    ----------
    frequencies : array-like of shape (n_frequencies,)
        In Hz.
    bands : dict of str to (float, float)
        Limits in Hz, as `eegexplain._validation.check_bands` returns them.

    Returns
    -------
    ndarray of bool, shape (n_bands, n_frequencies)
    """
    frequencies = np.asarray(frequencies)
    masks = [in_band(frequencies, limits) for limits in bands.values()]
    return np.array(masks, dtype=bool).reshape(len(masks), len(frequencies))
