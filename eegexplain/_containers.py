"""Whatever holds trials as trials, labels, groups and what is known of them: the one door is `read_trials`."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone

from eegexplain._arrays import check_array_like, check_labels
from eegexplain._lazy import LazyTrials
from eegexplain._readers import READERS, TrialSet, picked
from eegexplain._validation import check_ch_names, check_group_names, suggest

_CAP = 64  # electrodes, from which on trials with fewer samples than channels are unusual
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
    found = _in_units(_read(data, channels, labelled=y is None), units)
    n = len(found.X)
    labels = found.y if y is None else _column("y", y, found.metadata, n)
    whose = found.groups if groups is None else check_group_names(_column("groups", groups, found.metadata, n), n)
    return replace(found, y=labels, groups=whose)


def _read(data, channels, labelled):
    """What a container holds; its labels only where somebody asks for them."""
    if isinstance(data, TrialSet):
        return picked(data, channels)
    reader = next((reader for reader in READERS if reader.holds(data)), None)
    if reader is not None:
        return reader.read(data, channels, labelled)
    return picked(TrialSet(check_array_like("data", data, ndim=(2, 3))), channels)


def is_container(data: Any) -> bool:
    """Whether `data` is more than an array: something that knows labels, channels or rates of its trials."""
    return isinstance(data, TrialSet) or any(reader.holds(data) for reader in READERS)


# -------------------------------------------------- what doors make of them
def trials_of(X: Any, y: Any = None, groups: Any = None, *, sfreq: Any = None, ch_names: Any = None) -> TrialSet:
    """Read what a door is given: a container by what the door's parameters say; arrays stay.

    Parameters
    ----------
    X, y, groups : object
    sfreq : float or None
        In Hz, where the user says it.
    ch_names : sequence of str or None
        Channels to take, where the user names them.

    Returns
    -------
    TrialSet
        With the ``sfreq`` and ``ch_names`` of the container in the place of None.

    Raises
    ------
    ValueError
        Where a parameter contradicts the container.
    """
    if not is_container(X):
        return TrialSet(X, y, groups, sfreq, ch_names)
    found = read_trials(X, y, groups=groups)
    if ch_names is not None and found.ch_names is not None and list(ch_names) != found.ch_names:
        found = read_trials(X, y, groups=groups, channels=list(ch_names))
    if sfreq is not None and found.sfreq is not None and not np.isclose(sfreq, found.sfreq):
        raise ValueError(
            f"sfreq={sfreq:g} Hz, but these trials were sampled at {found.sfreq:g} Hz: leave sfreq=None to take theirs."
        )
    return replace(found, sfreq=sfreq if found.sfreq is None else found.sfreq, ch_names=found.ch_names or ch_names)


def trials_to_fit(estimator: Any, X: Any, y: Any, groups: Any) -> TrialSet:
    """Read what ``fit`` of an estimator is given; see `trials_of`.

    Channels are those of its ``ch_names``, or those that the trained model knows that it holds.
    """
    names, known = getattr(estimator, "ch_names", None), _trained_names(getattr(estimator, "estimator", estimator))
    if names is not None and known is not None and sorted(names) == sorted(known) and list(names) != known:
        raise ValueError(
            f"ch_names are {', '.join(map(str, names))}, but the trained model takes {', '.join(known)}: bring the "
            "channels of the trials into its order."
        )
    if not is_container(X):
        if names is None and known is None:
            _ask_whether_swapped(X)
        return TrialSet(X, y, groups, getattr(estimator, "sfreq", None), names)
    return trials_of(X, y, groups, sfreq=getattr(estimator, "sfreq", None), ch_names=known if names is None else names)


def _ask_whether_swapped(X):
    """Warn of trials with more channels than samples, and more than a common cap has: who names channels knows them."""
    shape = np.shape(X) if hasattr(X, "shape") else ()
    if len(shape) == 3 and shape[1] > max(shape[2], _CAP):
        warnings.warn(
            f"X has {shape[1]} channels of {shape[2]} samples: are times and channels swapped? Then give "
            "X.transpose(0, 2, 1); if not, name the channels (ch_names) and this is not asked.",
            stacklevel=4,
        )


def _trained_names(model):
    """Names of the channels that a trained model takes; None where it does not know them."""
    members = getattr(model, "estimators", None)
    if isinstance(members, (list, tuple)):
        each = {tuple(names) for names in map(_trained_names, members) if names}
        return list(each.pop()) if len(each) == 1 else None
    frozen = type(model).__name__ == "FrozenEstimator"
    names = getattr(model, "ch_names_", None) if frozen else None
    if names is None:
        module = getattr(model, "module_" if frozen else "module", model)
        try:  # braindecode's networks raise where they were not told
            names = [channel["ch_name"] for channel in module.chs_info]
        except (AttributeError, ValueError, TypeError, KeyError):
            return None
    return _unless_default(list(names))


def _unless_default(names):
    """None for the names that channels get where nobody names them."""
    return None if names is None or names == check_ch_names(None, len(names)) else names


def trials_to_ask(estimator: Any, X: Any, y: Any = None, groups: Any = None) -> TrialSet:
    """Read what a fitted estimator is asked about: of a container the channels that ``fit`` saw; arrays stay.

    Parameters
    ----------
    estimator : estimator instance
        Fitted.
    X, y, groups : object

    Returns
    -------
    TrialSet

    Raises
    ------
    ValueError
        For trials of another sampling rate than those of ``fit``, and without a channel that these had.
    """
    if not is_container(X):
        return TrialSet(X, y, groups)
    found = read_trials(X, y, groups=groups)
    names = _names_of_fit(estimator, found)
    return found if names is None else read_trials(X, y, groups=groups, channels=names)


def trials_alone(estimator: Any, X: Any) -> Any:
    """Trials as those of `trials_to_ask`, for what needs no labels: those of a dataset are read one by one."""
    if not is_container(X):
        return X
    found = _read(X, None, labelled=False)
    names = _names_of_fit(estimator, found)
    return (found if names is None else _read(X, names, labelled=False)).X


def _names_of_fit(estimator, found):
    """Channels to pick, None for all as they are; trials of another rate are refused."""
    names = _unless_default(getattr(estimator, "ch_names_", None))
    names = _trained_names(estimator) if names is None else names
    seen = getattr(estimator, "sfreq_", 1.0)
    if seen != 1.0 and found.sfreq is not None and not np.isclose(seen, found.sfreq):  # 1 where nobody said
        raise ValueError(
            f"These trials were sampled at {found.sfreq:g} Hz, those of fit at {seen:g} Hz: resample them to one rate."
        )
    return None if found.ch_names is None or found.ch_names == names else names


def trials_to_study(estimator: Any, X: Any, y: Any = None, groups: Any = None) -> tuple[Any, TrialSet]:
    """Read what a procedure around an estimator is given.

    Parameters
    ----------
    estimator : estimator instance
    X, y, groups : object

    Returns
    -------
    estimator : estimator instance
        A clone that is told what the container knows; the same object where there is nothing to tell.
    trials : TrialSet
    """
    found = trials_to_fit(estimator, X, y, groups)
    own = estimator.get_params(deep=False) if is_container(X) and hasattr(estimator, "get_params") else {}
    known = {"sfreq": found.sfreq, "ch_names": found.ch_names}
    told = {name: value for name, value in known.items() if value is not None and own.get(name, value) is None}
    if not told:
        return estimator, found
    estimator = clone(estimator).set_params(**told)
    estimator._read_info = found.info_text  # for `to_mne`
    return estimator, found


class ScoresTrials:
    """``score`` of whatever holds trials; before scikit-learn's mixin among the bases."""

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy of a classifier, or a regressor's coefficient of determination.

        Parameters
        ----------
        X : array-like of shape (n_trials, n_channels, n_times) or (n_trials, n_times), or a container
            Trials, or what `datasets.read_trials` takes.
        y : array-like of shape (n_trials,) or (n_trials, n_targets), or str, optional
            Targets. Of a container None takes its own, and a name one of its columns.
        sample_weight : array-like of shape (n_trials,), optional
            Weights of the trials.

        Returns
        -------
        score : float
        """
        read = trials_to_ask(self, X, y)
        return super().score(read.X, read.y, sample_weight)  # type: ignore[misc]


# ------------------------------------------------------------------- columns
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
    X = trials.X.changed(factor=factor) if isinstance(trials.X, LazyTrials) else factor * np.asarray(trials.X)
    return replace(trials, X=X, unit=units)
