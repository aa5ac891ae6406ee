"""The data-only map: how the classes differ in log power, without any network."""

import numpy as np

from eegexplain._explanation import make_explanation, population_error


def log_power(X, sfreq, bands=None):
    """Log power of each trial in each frequency bin or band.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
    sfreq : float
    bands : dict of str to (float, float) or None
        None keeps single bins.

    Returns
    -------
    ndarray of shape (n_trials, n_channels, n_frequencies or n_bands)
        A channel without signal has the log of a billionth of the largest power.
    """
    power = np.abs(np.fft.rfft(X - X.mean(axis=-1, keepdims=True))) ** 2
    if bands is not None:
        frequencies = np.fft.rfftfreq(X.shape[-1], 1 / sfreq)
        inside = [(frequencies >= low) & (frequencies < high) for low, high in bands.values()]
        power = np.stack([power[..., band].sum(axis=-1) for band in inside], axis=-1)
    return np.log(np.maximum(power, 1e-9 * power.max()))


def class_contrast(X, y, sfreq, ch_names, *, bands=None, groups=None):
    """Mean log power of each class minus the mean over the other classes, with its standard error.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
    y : ndarray of shape (n_trials,)
    sfreq : float
    ch_names : list of str
    bands : dict of str to (float, float) or None
    groups : ndarray of shape (n_trials,) or None
        Trials of one group are not independent.

    Returns
    -------
    xarray.Dataset
        ``value`` and ``standard_error`` over ``output``, ``channel`` and ``frequency`` or ``band``.
    """
    logs = log_power(X, sfreq, bands)
    classes, codes = np.unique(y, return_inverse=True)
    shares = np.bincount(codes) / len(y)
    means = np.array([logs[codes == k].mean(axis=0) for k in range(len(classes))])
    influences = np.zeros((len(classes), *logs.shape))
    for k in range(len(classes)):
        influences[k, codes == k] = (logs[codes == k] - means[k]) / shares[k]
    others = (len(classes) - 1) ** -1
    value = (1 + others) * means - others * means.sum(axis=0)
    total = influences.sum(axis=0)
    error = np.array([population_error((1 + others) * part - others * total, groups) for part in influences])
    axis = {"frequency": np.fft.rfftfreq(X.shape[-1], 1 / sfreq)} if bands is None else {"band": list(bands)}
    coords = {"output": [str(name) for name in classes], "channel": ch_names, **axis}
    return make_explanation(value, tuple(coords), coords, standard_error=error, method="class difference of log power")
