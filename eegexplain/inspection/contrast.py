"""What the data say without any network: how the power of the classes differs, and how their means do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from eegexplain._bands import band_masks
from eegexplain._containers import trials_of
from eegexplain._explanation import make_explanation, population_error
from eegexplain._validation import (
    check_array_like,
    check_bands,
    check_ch_names,
    check_groups,
    check_sfreq,
    refuse_masked,
)

SMALLEST = 1e-9  # share of the largest mean power that counts as no signal


def power(X: Any, sfreq: float = 1.0, bands: Any = None) -> NDArray:
    """Power of each trial in each frequency bin or band, about each trial's mean.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
    sfreq : float, default=1.0
        Sampling rate in Hz.
    bands : dict of str to (float, float) or None
        None keeps single bins; else the bins of a band are added up.

    Returns
    -------
    ndarray of shape (n_trials, n_channels, n_frequencies or n_bands)
    """
    bins = np.abs(np.fft.rfft(X - X.mean(axis=-1, keepdims=True))) ** 2
    if bands is None:
        return bins
    frequencies = np.fft.rfftfreq(X.shape[-1], 1 / sfreq)
    return np.stack([bins[..., inside].sum(axis=-1) for inside in band_masks(frequencies, bands)], axis=-1)


def contrast_weights(n_classes: int) -> NDArray:
    """Each class less the mean of the others.

    Parameters
    ----------
    n_classes : int

    Returns
    -------
    ndarray of shape (n_classes, n_classes)
    """
    others = 1 / (n_classes - 1)
    return (1 + others) * np.eye(n_classes) - others


def contrasts_without(powers: NDArray, codes: NDArray, blocks: NDArray) -> NDArray:
    """The difference of `power_contrast` without each block of trials.

    Parameters
    ----------
    powers : ndarray of shape (n_trials, n_channels, n_frequencies)
        Of `power`.
    codes, blocks : ndarray of int of shape (n_trials,)
        Class and block of each trial.

    Returns
    -------
    ndarray of shape (n_blocks, n_classes, n_channels, n_frequencies)
        Blocks without which a class has no trial are not among them.
    """
    n_classes = codes.max() + 1
    total, count = sums_by_class(powers, codes, n_classes), np.bincount(codes, minlength=n_classes)
    found = []
    for block in np.unique(blocks):
        inside = blocks == block
        left = count - np.bincount(codes[inside], minlength=n_classes)
        if left.all():
            means = (total - sums_by_class(powers[inside], codes[inside], n_classes)) / left[:, None, None]
            floored = np.maximum(means, max(SMALLEST * means.max(), np.finfo(float).tiny))
            found.append(np.tensordot(contrast_weights(n_classes), np.log(floored), 1))
    return np.array(found)


def sums_by_class(powers: NDArray, codes: NDArray, n_classes: int) -> NDArray:
    """Sum over the trials of each class.

    Parameters
    ----------
    powers : ndarray of shape (n_trials, ...)
    codes : ndarray of int of shape (n_trials,)
    n_classes : int

    Returns
    -------
    ndarray of shape (n_classes, ...)
    """
    return np.array([powers[codes == k].sum(axis=0) for k in range(n_classes)])


def power_contrast(
    X: Any,
    y: Any = None,
    *,
    sfreq: float | None = None,
    ch_names: Sequence[str] | None = None,
    bands: Any = None,
    groups: Any = None,
) -> Any:
    r"""Log of each class's mean power less the mean of the other classes' logs, with its standard error.

    The mean is taken before the logarithm: the log of a single trial's power has a long tail towards silence, and a
    difference of means of logs has errors that are 28 % larger (single bins of Gaussian signals).

    Parameters
    ----------
    X : array-like of shape (n_trials, n_channels, n_times)
        In any unit: the contrast does not depend on it.
    y : array-like of shape (n_trials,)
        Class of each trial; at least two classes.
    sfreq : float, optional
        Sampling rate in Hz. None is the container's, of an array 1: cycles per sample.
    ch_names : sequence of str or None
        None are the container's, of an array ``ch0, ch1, ...``.
    bands : "eeg", dict of str to (float, float) or None
        None keeps the single bins of the discrete Fourier transform.
    groups : array-like of shape (n_trials,) or None
        Trials of one group (a subject) are not independent.

    Returns
    -------
    xarray.Dataset
        ``value`` and ``standard_error`` over ``output``, ``channel`` and ``frequency`` or ``band``. The attribute
        ``degrees_of_freedom`` is what a t distribution of their ratio has: groups less one, or trials less classes.
        Cells without signal in any class are 0, with an error of 0.

    Raises
    ------
    ValueError
        For trials that are not 3-D and finite, classes that are not discrete, one class, lengths that do not fit.
    TypeError
        For text instead of trials.

    Notes
    -----
    Trial :math:`i` of class :math:`k`, with power :math:`p_i`, moves :math:`\log m_k` by
    :math:`(p_i - m_k) / (\pi_k m_k n)`, where :math:`\pi_k` is the share of the class (the delta method); squares of
    these influences, summed within groups first, give the error.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.inspection import power_contrast
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((200, 1, 64)), np.arange(200) % 2
    >>> X[y == 1] *= 2
    >>> found = power_contrast(X, y, sfreq=64, bands={"beta": (13, 30)})
    >>> bool(abs(found["value"].sel(output="1").item() - np.log(4)) < 3 * found["standard_error"].max())
    True
    """
    data = _checked(X, y, groups, sfreq, ch_names)
    bands = None if bands is None else check_bands(bands, data.sfreq, data.X.shape[-1])
    powers = power(data.X, data.sfreq, bands)
    means, shares = data.means(powers), np.bincount(data.codes) / len(data.codes)
    floored = np.maximum(means, max(SMALLEST * means.max(), np.finfo(float).tiny))
    influence = (powers - means[data.codes]) / (floored * shares[:, None, None])[data.codes]
    axis = {"frequency": np.fft.rfftfreq(data.X.shape[-1], 1 / data.sfreq)} if bands is None else {"band": list(bands)}
    kind = {"method": "class difference of log mean power", "label": "difference of log power"}
    return data.contrasted(np.log(floored), influence, axis, **kind)


def evoked_contrast(
    X: Any,
    y: Any = None,
    *,
    sfreq: float | None = None,
    ch_names: Sequence[str] | None = None,
    groups: Any = None,
) -> Any:
    """Each class's mean over trials less the mean of the other classes' means, with its standard error.

    What a network can read that decodes the polarity of signals: `power_contrast` and maps of amplitude do not show it.

    Parameters
    ----------
    X : array-like of shape (n_trials, n_channels, n_times)
        In any unit, which is that of the contrast.
    y : array-like of shape (n_trials,)
        Class of each trial; at least two classes.
    sfreq : float, optional
        Sampling rate in Hz. None is the container's, of an array 1: samples.
    ch_names : sequence of str or None
        None are the container's, of an array ``ch0, ch1, ...``.
    groups : array-like of shape (n_trials,) or None
        Trials of one group (a subject) are not independent.

    Returns
    -------
    xarray.Dataset
        ``value`` and ``standard_error`` over ``output``, ``channel`` and ``time`` (seconds from the first sample). The
        attribute ``degrees_of_freedom`` is as of `power_contrast`.

    Raises
    ------
    ValueError
        For trials that are not 3-D and finite, classes that are not discrete, one class, lengths that do not fit.
    TypeError
        For text instead of trials.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.inspection import evoked_contrast
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((200, 1, 64)), np.arange(200) % 2
    >>> X[y == 1, :, 32] += 3
    >>> found = evoked_contrast(X, y, sfreq=64)
    >>> float(found["time"][abs(found["value"]).sel(output="1", channel="ch0").argmax()])
    0.5
    """
    data = _checked(X, y, groups, sfreq, ch_names)
    means, shares = data.means(data.X), np.bincount(data.codes) / len(data.codes)
    influence = (data.X - means[data.codes]) / shares[data.codes][:, None, None]
    axis = {"time": np.arange(data.X.shape[-1]) / data.sfreq}
    kind = {"method": "class difference of means over trials", "label": "difference of means"}
    found = data.contrasted(means, influence, axis, **kind)
    for name in ("value", "standard_error"):
        found[name] = found[name] * data.unit
    return found


@dataclass(frozen=True, eq=False)
class _Labeled:
    """Finite trials as float64 of at most 1, their classes and groups as numbers."""

    X: np.ndarray
    unit: float  # what 1 stands for
    classes: np.ndarray
    codes: np.ndarray  # class of each trial, by its position in `classes`
    groups: np.ndarray | None
    sfreq: float
    ch_names: list[str]

    def means(self, values):
        """Means over the trials of each class."""
        return np.array([values[self.codes == k].mean(axis=0) for k in range(len(self.classes))])

    def contrasted(self, means, influence, axis, **kind):
        """Each class less the others, labelled; `influence` is that of each trial on the value of its own class."""
        weights, codes, groups = contrast_weights(len(self.classes)), self.codes, self.groups
        error = np.array([population_error(row[codes][:, None, None] * influence, groups) for row in weights])
        coords = {"output": [str(name) for name in self.classes], "channel": self.ch_names, **axis}
        degrees = len(codes) - len(self.classes) if groups is None else int(groups.max())
        return make_explanation(
            np.tensordot(weights, means, 1),
            tuple(coords),
            coords,
            standard_error=error,
            degrees_of_freedom=degrees,
            error_over="trials" if groups is None else "groups",
            **kind,
        )


def _checked(X, y, groups, sfreq, ch_names):
    """Refuse what holds no two classes; scale trials to at most 1."""
    read = trials_of(X, y, groups, sfreq=sfreq, ch_names=ch_names)
    X = check_array_like("X", read.X, ndim=3, dtype=np.float64)
    refuse_masked("y", read.y)
    y = column_or_1d(read.y)
    if len(y) != len(X) or (y.dtype.kind == "f" and not np.isfinite(y).all()):
        raise ValueError(f"y must hold one class for each of the {len(X)} trials, got {len(y)}, or NaN among them.")
    check_classification_targets(y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"A contrast needs at least 2 classes, but all {len(y)} trials are of one.")
    unit = float(np.abs(X).max()) or 1.0  # logs of ratios do not depend on the unit, but squares may overflow
    groups = None if read.groups is None else check_groups(read.groups, len(X))
    sfreq = check_sfreq(1.0 if read.sfreq is None else read.sfreq)
    return _Labeled(X / unit, unit, classes, codes, groups, sfreq, check_ch_names(read.ch_names, X.shape[1]))
