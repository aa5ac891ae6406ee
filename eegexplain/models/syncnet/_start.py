"""Where SyncNet's training starts and how fast its parameters move, in hertz and seconds at any sampling rate."""

import numpy as np

from eegexplain.models._training import REFERENCE_SFREQ
from eegexplain.models.syncnet._sizes import frequency_range_in


def physical_rates(lr, sfreq):
    """Learning rates per parameter such that a step moves Hz, 1/s^2 and filter gain alike at any sampling rate.

    Adam's step is about its learning rate in the parameter's unit, whatever the gradient. A frequency in rad/sample is
    ``1 / sfreq`` of one in rad/s, a decay per sample^2 ``1 / sfreq^2`` of one per s^2, and filters of the same length
    in seconds have taps in proportion to ``sfreq``, so that the same gain takes amplitudes of ``1 / sfreq``.

    Parameters
    ----------
    lr : float
        Learning rate at 128 Hz.
    sfreq : float
        Sampling rate in Hz.

    Returns
    -------
    groups : list of (str, dict)
        As skorch's ``optimizer__param_groups``.
    """
    ratio = REFERENCE_SFREQ / sfreq
    return [  # a square of the ratio for what is per sample^2
        ("amplitude", {"lr": lr * ratio}),
        ("omega", {"lr": 3 * lr * ratio}),  # found the planted rhythm on more development seeds than 1
        ("beta", {"lr": 0.1 * lr * ratio**2}),
    ]


def stratified_frequencies(frequency_range, n_filters, sfreq, rng):
    """Draw one frequency (rad per sample) in each of `n_filters` equal strata of a range in Hz, below Nyquist."""
    edges = np.linspace(*frequency_range_in(frequency_range, sfreq), n_filters + 1)
    return 2 * np.pi * rng.uniform(edges[:-1], edges[1:]) / sfreq
