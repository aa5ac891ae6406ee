"""What a network cannot use: bands in which the data of the classes differ and no filter of it passes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eegexplain._bands import band_masks
from eegexplain._containers import trials_of
from eegexplain._validation import check_array_like, check_bands, check_sfreq
from eegexplain.inspection._errors import beyond_zero
from eegexplain.inspection.contrast import power_contrast


@dataclass(frozen=True)
class UncoveredBand:
    """A band in which the classes differ, where they differ most clearly in it, and that no filter passes it.

    Parameters
    ----------
    band : str
    frequency : float
        In Hz.
    channel : str
    """

    band: str
    frequency: float
    channel: str


def uncovered_bands(
    filter_table: Any,
    X: Any,
    y: Any = None,
    *,
    sfreq: float | None = None,
    ch_names: Sequence[str] | None = None,
    bands: Any = "eeg",
    groups: Any = None,
) -> list[UncoveredBand]:
    """Name the bands in which the classes differ but which no filter of a SyncNet passes: it cannot use them.

    Parameters
    ----------
    filter_table : pandas.DataFrame
        ``filter_table_`` of a fitted facade: columns ``peak_frequency`` and ``bandwidth`` (-3 dB), both in Hz and of
        the filters as they are, cut off by their window.
    X : array-like of shape (n_trials, n_channels, n_times)
    y : array-like of shape (n_trials,)
    sfreq : float, optional
        Sampling rate in Hz; needed for arrays.
    ch_names : sequence of str or None
    bands : "eeg" or dict of str to (float, float)
    groups : array-like of shape (n_trials,) or None
        Trials of one group are not independent.

    Returns
    -------
    list of UncoveredBand
        Bands with a class difference beyond zero (familywise over channels and bands, see `power_contrast`) whose
        clearest frequency is a peak of its own - not the flank of a neighboring rhythm - and passes every filter with
        less than half of its power.

    Raises
    ------
    ValueError
        As `power_contrast`.

    Examples
    --------
    >>> import pandas as pd
    >>> from eegexplain.datasets import make_oscillatory_eeg
    >>> from eegexplain.inspection import uncovered_bands
    >>> eeg = make_oscillatory_eeg(300, random_state=0)
    >>> filters = pd.DataFrame({"peak_frequency": [22.0], "bandwidth": [4.0]})
    >>> [(found.band, found.frequency) for found in uncovered_bands(filters, eeg.X, eeg.y, sfreq=eeg.sfreq)]
    [('alpha', 10.0)]
    """
    rhythms = class_rhythms(X, y, sfreq=sfreq, ch_names=ch_names, bands=bands, groups=groups)
    return [rhythm for rhythm in rhythms if not passes(filter_table, rhythm.frequency)]


def passes(filter_table: Any, frequency: float) -> bool:
    """Whether any filter of a table passes a frequency with half of its power or more.

    Parameters
    ----------
    filter_table : pandas.DataFrame
        As of `uncovered_bands`.
    frequency : float
        In Hz.

    Returns
    -------
    bool
    """
    peaks, widths = (np.asarray(filter_table[name], dtype=float) for name in ("peak_frequency", "bandwidth"))
    return bool((np.abs(frequency - peaks) <= widths / 2).any())


def class_rhythms(
    X: Any,
    y: Any = None,
    *,
    sfreq: float | None = None,
    ch_names: Sequence[str] | None = None,
    bands: Any = "eeg",
    groups: Any = None,
) -> list[UncoveredBand]:
    """Bands in which the classes differ, with the frequency of their own peak.

    Parameters
    ----------
    X : array-like of shape (n_trials, n_channels, n_times)
    y : array-like of shape (n_trials,)
    sfreq : float, optional
        In Hz; needed for arrays.
    ch_names : sequence of str or None
    bands : "eeg" or dict of str to (float, float)
    groups : array-like of shape (n_trials,) or None

    Returns
    -------
    list of UncoveredBand

    Raises
    ------
    ValueError
        As `power_contrast`.
    """
    X, y, groups = read = trials_of(X, y, groups, sfreq=sfreq, ch_names=ch_names)
    X, sfreq, given = check_array_like("X", X, ndim="n_trials, n_channels, n_times"), check_sfreq(read.sfreq), bands
    bands = check_bands(bands, sfreq, X.shape[-1])
    options: dict[str, Any] = {"sfreq": sfreq, "ch_names": read.ch_names, "groups": groups}
    by_band, by_bin = (power_contrast(X, y, bands=each, **options) for each in (given, None))
    differs = beyond_zero(by_band["value"], by_band["standard_error"], by_band.attrs["degrees_of_freedom"])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(np.abs(by_bin["value"].values) / by_bin["standard_error"].values).max(axis=0)
    frequencies, clear = by_bin["frequency"].values, ratio.max(axis=0)
    found = []
    for place, (name, mask) in enumerate(zip(bands, band_masks(frequencies, bands), strict=True)):
        inside = np.flatnonzero(mask)
        best = inside[clear[inside].argmax()]
        own_peak = clear[best] >= clear[max(best - 1, 0) : best + 2].max()  # else it is a neighbor's flank
        if differs[..., place].any() and own_peak:
            channel = str(by_bin["channel"].values[ratio[:, best].argmax()])
            found.append(UncoveredBand(name, float(frequencies[best]), channel))
    return found
