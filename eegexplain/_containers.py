"""Whatever holds trials as trials, labels, groups and what is known of them: the one door is `read_trials`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from eegexplain._arrays import check_array_like, check_labels
from eegexplain._lazy import LazyTrials
from eegexplain._readers import READERS, TrialSet
from eegexplain._validation import check_group_names, suggest

UNITS = {"V": 1.0, "mV": 1e3, "uV": 1e6}  # how many of them a volt has


def read_trials(
    data: Any,
    y: Any = None,
    *,
    groups: Any = None,
    units: str | None = None,
    channels: Sequence[str] | None = None,
) -> TrialSet:
    """Take trials, labels and groups out of whatever holds them.

    Parameters
    ----------
    data : object
        - an array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times), also mapped from a file;
        - `mne.Epochs` of any kind, in memory or not;
        - a braindecode ``WindowsDataset``, ``EEGWindowsDataset`` or ``BaseConcatDataset`` of them;
        - a torch ``Dataset`` with a length whose items are ``(trial, target, ...)``, or skorch's ``SliceDataset``;
        - an `xarray.DataArray` with the dims trial, channel and time (or epoch, electrode, ...).

        Of Epochs and braindecode's datasets the good EEG channels are taken (of other recordings: the channels of
        their one type); what that leaves out is said in ``notes``. What is read lazily stays lazy.
    y : array-like of shape (n_trials,) or str, optional
        Labels, or the name of a column that holds them. None takes those of the container: names of events, targets.
    groups : array-like of shape (n_trials,) or str, optional
        Subjects, sessions or recordings, or the name of their column; None is none.
    units : {"V", "mV", "uV"}, optional
        What the numbers shall be in; None leaves them as the container yields them (MNE: volts).
    channels : sequence of str, optional
        Names of the channels to take, in this order.

    Returns
    -------
    trials : TrialSet
        ``X, y, groups = read_trials(...)`` unpacks it; ``sfreq``, ``ch_names``, ``info``, ``positions``, ``unit``,
        ``metadata`` and ``notes`` are its attributes.

    Raises
    ------
    ValueError
        For columns and channels that are not there, units that are not known, labels of another number than trials,
        and recordings that differ in sampling rate or channels.
    TypeError
        For continuous recordings and streams, which hold no trials.

    Examples
    --------
    >>> import mne, numpy as np
    >>> from eegexplain.datasets import read_trials
    >>> info = mne.create_info(["C3", "C4", "STI"], 100.0, ["eeg", "eeg", "stim"])
    >>> events = np.array([[0, 0, 1], [100, 0, 2]])
    >>> epochs = mne.EpochsArray(np.zeros((2, 3, 50)), info, events, event_id={"left": 1, "right": 2}, verbose=False)
    >>> X, y, groups = read_trials(epochs)
    >>> X.shape, y.tolist(), groups
    ((2, 2, 50), ['left', 'right'], None)
    >>> read_trials(epochs).notes
    ('left out: STI (stim)',)
    """
    if isinstance(data, TrialSet):
        found = data if channels is None else _picked(data, list(channels))
    else:
        reader = next((reader for reader in READERS if reader.holds(data)), None)
        found = _from_array(data, channels) if reader is None else reader.read(data, channels, y is None)
    found = _in_units(found, units)
    n = len(found.X)
    labels = found.y if y is None else _column("y", y, found.metadata, n)
    whose = found.groups if groups is None else check_group_names(_column("groups", groups, found.metadata, n), n)
    return replace(found, y=labels, groups=whose)


def is_container(data: Any) -> bool:
    """Whether `data` is more than an array: something that knows labels, channels or rates of its trials."""
    return isinstance(data, TrialSet) or any(reader.holds(data) for reader in READERS)


# ------------------------------------------------------------------- columns
def trials_to_fit(estimator: Any, X: Any, y: Any, groups: Any) -> TrialSet:
    """Read what ``fit`` of an estimator is given: a container by what the estimator's parameters say; arrays stay.

    Parameters
    ----------
    estimator : estimator instance
        With ``sfreq`` and ``ch_names`` or without.
    X, y, groups : object
        As given to ``fit``.

    Returns
    -------
    TrialSet

    Raises
    ------
    ValueError
        Where a parameter contradicts the container.
    """
    if not is_container(X):
        return TrialSet(X, y, groups)
    found = read_trials(X, y, groups=groups)
    names, sfreq = getattr(estimator, "ch_names", None), getattr(estimator, "sfreq", None)
    if names is not None and found.ch_names is not None and list(names) != found.ch_names:
        found = read_trials(X, y, groups=groups, channels=list(names))
    if sfreq is not None and found.sfreq is not None and not np.isclose(sfreq, found.sfreq):
        raise ValueError(
            f"sfreq={sfreq:g} Hz, but these trials were sampled at {found.sfreq:g} Hz: leave sfreq=None to take theirs."
        )
    return found


def trials_to_ask(estimator: Any, X: Any) -> Any:
    """Read what a fitted estimator is asked about: of a container the channels that ``fit`` saw; arrays stay.

    Parameters
    ----------
    estimator : estimator instance
        Fitted.
    X : object

    Returns
    -------
    X : array-like
    """
    if not is_container(X):
        return X
    first = read_trials(X)
    names = getattr(estimator, "ch_names_", None)
    return first.X if first.ch_names is None or first.ch_names == names else read_trials(X, channels=names).X


def _column(name, given, metadata, n_trials):
    """An array as it is given, or the column of that name."""
    if isinstance(given, str):
        if given not in metadata:
            known = ", ".join(metadata) or "none"
            raise ValueError(
                f"{name}={given!r} is no column of these trials (they have: {known}).{suggest(given, metadata)}"
            )
        return metadata[given]
    several = np.asarray(given, dtype=object).ndim == 2
    column = check_array_like(name, given, dtype="same") if several else check_labels(name, given)
    if len(column) != n_trials:
        raise ValueError(f"{name} has shape {column.shape}, but there are {n_trials} trials.")
    return column


def _picked(trials, channels):
    """Trials of some channels, by name."""
    names = trials.ch_names
    if names is None:
        raise ValueError("channels are picked by name, and these trials have no names: pick them yourself.")
    missing = [name for name in channels if name not in names]
    if missing:
        raise ValueError(f"The trials lack the channels {', '.join(missing)}.{suggest(missing[0], names)}")
    places = [names.index(name) for name in channels]
    info = None
    if trials.info is not None:
        import mne

        info = mne.pick_info(trials.info, places)
    return replace(trials, X=np.asarray(trials.X)[:, places], ch_names=channels, info=info)


def _in_units(trials, units):
    """Numbers in the unit that was asked for."""
    if units is None or units == trials.unit:
        return trials
    if units not in UNITS:
        raise ValueError(
            f"units={units!r} is not known: choose one of {', '.join(UNITS)}, or None.{suggest(units, UNITS)}"
        )
    if trials.unit is None:
        raise ValueError(f"units={units!r} was asked for, but this container does not say what its numbers are in.")
    factor = UNITS[units] / UNITS[trials.unit]
    X = trials.X.scaled(factor) if isinstance(trials.X, LazyTrials) else factor * np.asarray(trials.X)
    return replace(trials, X=X, unit=units)


def _from_array(data, channels):
    """An array-like: nothing is known of its trials."""
    if channels is not None:
        raise ValueError("channels are picked by name, and an array has no names: pick them yourself.")
    return TrialSet(check_array_like("data", data, ndim=(2, 3)))
