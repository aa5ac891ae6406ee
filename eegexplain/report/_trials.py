"""What the report makes of the data it is given: trials, their groups, and what is left out of them."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from eegexplain._text import readable
from eegexplain._validation import check_array_like, check_bands, lookup, refuse_masked
from eegexplain.plotting.scalp.positions import have_places
from eegexplain.report.explorer import MOST_OUTPUTS

# Columns that say who or what a trial comes from; stimuli and conditions may well belong to one class.
_IDENTITY = re.compile(r"(^|_)(subject|participant|patient|recording|session|run|block|day|site)s?(_id)?$", re.I)


@dataclass(frozen=True, eq=False)
class Trials:
    """Trials as the report uses them; all names can be written to files and terminals.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
    y : ndarray of shape (n_trials,)
    sfreq : float
        In Hz.
    ch_names : list of str
    groups : ndarray of shape (n_trials,) or None
        What is never split between training and test parts.
    identities : dict of str to ndarray of shape (n_trials,)
        Who or what trials come from, whether that is split or not: subject, recording, session.
    bands : dict of str to (float, float)
        In Hz.
    passband : tuple of (float or None, float or None)
        Limits of the filter that the data went through, in Hz; None where there is none.
    left_out, bands_left_out : list of str
        Channels that are no electrodes of the scalp, and bands outside the passband.
    simulation : Bunch or None
        The whole simulation, where the trials were simulated and nothing is left out of them.
    montage : mne.Info or None
        Where the channels lie whose names are in no montage; None where the names say it, or nobody does.
    """

    X: np.ndarray
    y: np.ndarray
    sfreq: float
    ch_names: list
    groups: np.ndarray | None
    identities: dict
    bands: dict
    passband: tuple
    left_out: list
    bands_left_out: list
    simulation: Bunch | None
    montage: Any = None

    @property
    def on_scalp(self) -> bool:
        """Whether every channel has a place on the scalp, so that maps can be drawn."""
        return have_places(self.ch_names, self.montage)

    @property
    def axes(self) -> dict[str, Any]:
        """Sampling rate and names of the channels, as every analysis takes them."""
        return {"sfreq": self.sfreq, "ch_names": self.ch_names}

    def inside_passband(self, explanation: Any) -> Any:
        """Leave the frequencies out of a map that a filter took from the data.

        Parameters
        ----------
        explanation : xarray.Dataset
            With the dim ``frequency``, in Hz.

        Returns
        -------
        xarray.Dataset
        """
        low, high = self.passband
        frequencies = explanation["frequency"]
        return explanation.sel(frequency=(frequencies >= (low or 0.0)) & (frequencies <= (high or np.inf)))


def prepare_trials(data, bands="eeg", group_by=None):
    """Check trials and make their names readable.

    Parameters
    ----------
    data : Bunch
        With ``X, y, sfreq, ch_names``, and columns of metadata.
    bands : "eeg" or dict of str to (float, float)
        In Hz.
    group_by : str or None
        Name of the column with the groups.

    Returns
    -------
    Trials

    Raises
    ------
    ValueError
        For trials that are not finite or not 3-D, more than 64 classes, unknown or empty bands, and an unknown column
        or one with gaps.
    """
    X = check_array_like("X", data.X, ndim="n_trials, n_channels, n_times")
    refuse_masked("y", data.y)
    y = np.asarray(data.y)
    n_classes = len(set(y.ravel().tolist()))
    if n_classes > MOST_OUTPUTS:
        raise ValueError(
            f"A report shows at most {MOST_OUTPUTS} classes, these trials have {n_classes} labels: merge or choose "
            "some, or analyze them in Python, PerturbationCorrelator(...).fit(X, y)."
        )
    ch_names = [readable(name) for name in data.ch_names]
    passband = data.get("highpass"), data.get("lowpass")
    bands, bands_left_out = inside_passband(check_bands(bands, data.sfreq, X.shape[2]), *passband)
    montage = own_montage(ch_names, data.get("info"))
    kept = scalp_channels(ch_names, montage)
    whole = kept.all() and not bands_left_out and not any(passband)
    return Trials(
        X=X if kept.all() else X[:, kept],
        y=_readable_labels(y),
        sfreq=data.sfreq,
        ch_names=[name for name, inside in zip(ch_names, kept, strict=True) if inside],
        groups=_readable_labels(pick_groups(data, group_by)),
        identities=find_identities(data),
        bands=bands,
        passband=passband,
        left_out=[name for name, inside in zip(ch_names, kept, strict=True) if not inside],
        bands_left_out=bands_left_out,
        simulation=data if whole and "truth" in data else None,
        montage=montage,
    )


def pick_groups(data, group_by):
    """Groups of the trials.

    Parameters
    ----------
    data : Bunch
        With ``y`` and one entry per column of metadata.
    group_by : str or None
        Name of a column.

    Returns
    -------
    ndarray of shape (n_trials,) or None

    Raises
    ------
    ValueError
        For a name that is no column, and a column with gaps.
    """
    import pandas as pd

    if group_by is None:
        return None
    known = {name: column for name, column in data.items() if np.shape(column) == np.shape(data.y)}
    known.pop("y")
    groups = lookup(known, group_by, "group_by")
    refuse_masked(group_by, groups)
    groups = np.asarray(groups)
    missing = np.flatnonzero(pd.isna(groups))
    if len(missing):
        raise ValueError(f"trial {missing[0]} has no group, it is NaN: give every trial a {group_by}")
    return groups.astype(str) if groups.dtype == object else groups


def find_identities(data):
    """Columns of the data that say who or what each trial comes from.

    Parameters
    ----------
    data : Bunch
        With ``y`` and one entry per column of metadata.

    Returns
    -------
    dict of str to ndarray of shape (n_trials,)
        "subject" first; columns with missing entries are left out.
    """
    import pandas as pd

    found = {
        readable(name): np.asarray(column).astype(str)
        for name, column in data.items()
        if _IDENTITY.search(name) and np.shape(column) == np.shape(data.y) and not pd.isna(column).any()
    }
    return dict(sorted(found.items(), key=lambda item: item[0] != "subject"))


def inside_passband(bands, highpass, lowpass):
    """Keep the bands of which a filter left at least half.

    Parameters
    ----------
    bands : dict of str to (float, float)
        In Hz.
    highpass, lowpass : float or None
        Limits of the filter that the data went through, in Hz; None where there is no such limit.

    Returns
    -------
    kept : dict of str to (float, float)
    left_out : list of str

    Raises
    ------
    ValueError
        When no band is left.
    """
    low, high = highpass or 0.0, lowpass or np.inf
    shares = {name: (min(stop, high) - max(start, low)) / (stop - start) for name, (start, stop) in bands.items()}
    kept = {name: limits for name, limits in bands.items() if shares[name] >= 0.5}
    if not kept:
        raise ValueError(f"The data were filtered to {low:g}-{high:g} Hz, which leaves none of the bands {bands}")
    return kept, [name for name in bands if name not in kept]


def own_montage(ch_names, info):
    """Where the channels lie by the file that they come from, when fewer of them have a place by their names.

    Parameters
    ----------
    ch_names : list of str
    info : mne.Info or None

    Returns
    -------
    mne.Info or None
    """
    if info is None:
        return None
    by_name, by_file = (sum(have_places([name], places) for name in ch_names) for places in (None, info))
    return info if by_file > by_name else None


def scalp_channels(ch_names, montage=None):
    """Which channels are electrodes of the 10-05 system, or of a montage; all, where most are none.

    Parameters
    ----------
    ch_names : list of str
    montage : mne.Info or None

    Returns
    -------
    ndarray of bool of shape (n_channels,)
    """
    located = np.array([have_places([name], montage) for name in ch_names])
    return located if located.mean() >= 0.5 else np.ones(len(ch_names), bool)


def _readable_labels(labels):
    """Classes or groups with names that files and terminals can take."""
    if labels is None or labels.dtype.kind not in "UO":
        return labels
    return np.array([readable(name) for name in labels])
