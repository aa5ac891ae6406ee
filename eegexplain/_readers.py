"""One reader for each library whose objects hold trials; `read_trials` is the door."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from eegexplain._lazy import EpochsTrials, ItemTrials, LazyTrials
from eegexplain._validation import suggest

_AXES = {  # names of dimensions, in lower case
    "trial": ("trial", "trials", "epoch", "epochs", "sample", "window", "windows"),
    "channel": ("channel", "channels", "ch", "electrode", "sensor", "sensors"),
    "time": ("time", "times", "t"),
}
_LABELS = ("y", "label", "labels", "target", "targets", "condition", "event", "class")
_OF_ALL = {"X", "ch_names", "classes", "info", "truth", "sfreq"}  # what of a Bunch belongs to no single trial
_TYPES = ("eeg", "seeg", "ecog", "dbs", "mag", "grad")  # of channels that hold brain signals; EEG where there is any


@dataclass(frozen=True, eq=False)
class TrialSet:
    """Trials, and what their container knows of them; ``X, y, groups = trials`` unpacks it.

    Parameters
    ----------
    X : array-like of shape (n_trials, n_channels, n_times)
        An array, or `LazyTrials` where the container reads on demand.
    y : ndarray of shape (n_trials,) or None
    groups : ndarray of shape (n_trials,) or None
    sfreq : float or None
        In Hz.
    ch_names : list of str or None
    info : mne.Info or None
        Of the channels in `X`.
    unit : str or None
        Of the numbers in `X`: "V", "mV" or "uV" where it is known.
    metadata : dict of str to ndarray
        What else is known of each trial, by name.
    notes : tuple of str
        What was left out.
    """

    X: Any
    y: Any = None
    groups: Any = None
    sfreq: float | None = None
    ch_names: list[str] | None = None
    info: Any = None
    unit: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Any]:
        return iter((self.X, self.y, self.groups))

    @property
    def positions(self) -> dict[str, np.ndarray]:
        """Places of channels in meters ``(3,)`` by name, in MNE's head frame; only of those that have one."""
        if self.info is None:
            return {}
        places = {channel["ch_name"]: np.array(channel["loc"][:3]) for channel in self.info["chs"]}
        return {name: at for name, at in places.items() if np.isfinite(at).all() and at.any()}

    @property
    def info_text(self) -> str | None:
        """``info`` as JSON, which every kind of storage keeps; None where there is none, and before MNE 1.11."""
        return json.dumps(self.info.to_json_dict()) if hasattr(self.info, "to_json_dict") else None


@dataclass(frozen=True)
class Reader:
    """How objects of one library are recognized and read.

    Attributes
    ----------
    name : str
    holds : callable
        Whether an object is one of these.
    read : callable (data, channels, labelled) -> TrialSet
        `channels` are the names of those to take, or None; without `labelled` nobody asks for the container's labels.
    """

    name: str
    holds: Callable[[Any], bool]
    read: Callable[[Any, Any, bool], TrialSet]


def picked(trials: TrialSet, channels: Sequence[str] | None) -> TrialSet:
    """Trials of some channels by name, as lazy as before; of all for None.

    Raises
    ------
    ValueError
        For names that are not there, and trials without any.
    """
    if channels is None or list(channels) == trials.ch_names:
        return trials
    if trials.ch_names is None:
        raise ValueError("channels are picked by name, and these trials have no names: pick them yourself.")
    places, info = _places(channels, trials.ch_names), trials.info
    if info is not None:
        import mne

        info = mne.pick_info(info, places)
    X = trials.X.changed(picks=places) if isinstance(trials.X, LazyTrials) else np.asarray(trials.X)[:, places]
    return replace(trials, X=X, ch_names=list(channels), info=info)


def _places(channels, known):
    """Where channels are among those that are known."""
    missing = [name for name in channels if name not in known]
    if missing:
        raise ValueError(f"The trials lack the channels {', '.join(missing)}.{suggest(missing[0], known)}")
    return np.array([known.index(name) for name in channels])


# ---------------------------------------------------------------------- MNE
def _is_of(data, *modules):
    """Whether the class of `data`, or one it comes from, is of these modules: no library is imported to ask."""
    return any(base.__module__.startswith(modules) for base in type(data).__mro__)


def _is_mne(data):
    return _is_of(data, "mne.")


def _from_mne(data, channels, labelled):
    """Trials of `mne.Epochs`."""
    import mne

    if not isinstance(data, mne.BaseEpochs):
        raise TypeError(
            f"{type(data).__name__} holds no trials: cut them with mne.Epochs, or eegexplain.datasets.windows."
        )
    if not data.preload:
        data.drop_bad(verbose="error")  # how many trials there are is known only then
    picks, notes = pick_channels(data.info, channels)
    every = np.array_equal(picks, np.arange(len(data.ch_names)))
    info = data.info if every else mne.pick_info(data.info, picks)
    names = {code: name for name, code in data.event_id.items()}
    y = np.array([names.get(code, str(code)) for code in data.events[:, 2]], dtype=str)
    metadata = {"event": y}
    if data.metadata is not None:
        metadata |= {str(name): data.metadata[name].to_numpy() for name in data.metadata}
    source = EpochsTrials(data, picks)
    places = np.arange(len(data.events))
    if not data.preload:
        X = LazyTrials([source], places)
    else:
        X = data.get_data(copy=False, verbose="error")  # a view, as a run of neighboring channels is
        first, last = int(picks[0]), int(picks[-1])
        X = X[:, first : last + 1] if np.array_equal(picks, np.arange(first, last + 1)) else X[:, picks]
    return TrialSet(X, y, None, float(info["sfreq"]), list(info["ch_names"]), info, "V", metadata, notes)


def pick_channels(info: Any, channels: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Choose channels of a recording.

    Parameters
    ----------
    info : mne.Info
    channels : sequence of str or None
        Names; None takes the good EEG channels, or the good ones of the one type of brain signal that there is.

    Returns
    -------
    picks : ndarray of int
    notes : tuple of str
        What is left out.

    Raises
    ------
    ValueError
        For names that are not there, and without a channel to take.
    """
    known = list(info["ch_names"])
    if channels is not None:
        return _places(channels, known), ()
    types = info.get_channel_types()
    present = [kind for kind in _TYPES if kind in types]
    if not present:
        raise ValueError(f"No channel holds brain signals (types: {', '.join(sorted(set(types)))}): set them with "
                         "set_channel_types({'C3': 'eeg', ...}).")
    if present[0] != "eeg" and len(present) > 1:
        raise ValueError(f"The channels are of the types {', '.join(present)}: pick those of one type first.")
    bad = set(info["bads"])
    picks = [place for place, kind in enumerate(types) if kind == present[0] and known[place] not in bad]
    if not picks:
        raise ValueError(f"All {present[0]} channels are marked as bad.")
    left = [f"{known[k]} ({'bad' if known[k] in bad else types[k]})" for k in sorted({*range(len(known))} - {*picks})]
    return np.array(picks), (f"left out: {', '.join(left)}",) if left else ()


# --------------------------------------------------------------- braindecode
def _is_braindecode(data):
    return _is_of(data, "braindecode.")


def _from_braindecode(data, channels, labelled):
    """Windows of braindecode's datasets, as they yield them: after their transforms, in their unit."""
    parts = list(getattr(data, "datasets", [data]))
    infos = [_info_of(part) for part in parts]
    for info in infos[1:]:
        _check_alike(infos[0], info)
    picks, notes = pick_channels(infos[0], channels)
    import mne

    info = mne.pick_info(infos[0], picks)
    n_times = np.shape(parts[0][0][0])[-1]
    sources = [ItemTrials(part, _trial_of, (len(picks), n_times), np.dtype(np.float32), picks) for part in parts]
    lengths = [len(part) for part in parts]
    X = LazyTrials(sources, np.concatenate([np.arange(n) for n in lengths]), np.repeat(np.arange(len(parts)), lengths))
    metadata = _metadata_of(parts)
    y = metadata.get("target")
    return TrialSet(X, y, None, float(info["sfreq"]), list(info["ch_names"]), info, None, metadata, notes)


def _trial_of(item):
    """The trial of an item ``(trial, target, ...)``."""
    return item[0]


def _info_of(part):
    """What MNE knows of the recording of a dataset of windows."""
    if not hasattr(part, "crop_inds"):
        raise TypeError(
            f"{type(part).__name__} holds a continuous recording: cut windows with create_windows_from_events or "
            "create_fixed_length_windows of braindecode.preprocessing."
        )
    held = getattr(part, "windows", None)
    return (part.raw if held is None else held).info


def _check_alike(first, other):
    """Windows of several recordings are trials of one kind."""
    if other["sfreq"] != first["sfreq"]:
        raise ValueError(
            f"The recordings were sampled at {first['sfreq']:g} and {other['sfreq']:g} Hz: resample them to one rate."
        )
    if list(other["ch_names"]) != list(first["ch_names"]):
        differ = sorted({*first["ch_names"]} ^ {*other["ch_names"]})
        raise ValueError(
            f"The recordings differ in channels ({', '.join(differ) or 'their order'}): pick the same ones in each."
        )


def _metadata_of(parts):
    """Columns of all windows: their own metadata, and the description of their recording."""
    columns = []
    for part in parts:
        frame = part.metadata if hasattr(part, "metadata") else part.windows.metadata
        own = {str(name): frame[name].to_numpy() for name in frame}
        columns.append(own | {str(name): np.repeat(value, len(part)) for name, value in dict(part.description).items()})
    shared = [name for name in columns[0] if all(name in each for each in columns)]
    return {name: np.concatenate([each[name] for each in columns]) for name in shared}


# ------------------------------------------------------------- torch, skorch
def _is_torch(data):
    return _is_of(data, "torch.utils.data")


def _from_torch(data, channels, labelled):
    """Trials of a torch dataset, whose items are ``(trial, target, ...)``."""
    if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
        raise TypeError(f"{type(data).__name__} is a stream: trials are read several times, and in other orders.")
    X = _lazily(data, _first_of)
    y = None
    if labelled and isinstance(data[0], (tuple, list)) and len(data[0]) > 1:
        y = np.array([np.asarray(data[place][1]) for place in range(len(data))])
    return picked(TrialSet(X, y), channels)


def _is_skorch(data):
    return _is_of(data, "skorch.helper") and hasattr(data, "idx")


def _from_skorch(data, channels, labelled):
    """Trials of skorch's ``SliceDataset``."""
    return picked(TrialSet(_lazily(data, np.asarray)), channels)


def _first_of(item):
    """The trial of an item: its first part, or itself."""
    return item[0] if isinstance(item, (tuple, list)) else item


def _lazily(items, trial):
    """Trials that are read when they are asked for."""
    first = np.asarray(trial(items[0]))
    if first.ndim != 2:
        raise ValueError(f"Trials of {type(items).__name__} must be (n_channels, n_times), got shape {first.shape}.")
    dtype = np.dtype(np.float32 if first.dtype == np.float32 else np.float64)
    return LazyTrials([ItemTrials(items, trial, first.shape, dtype)], np.arange(len(items)))


# -------------------------------------------------------------------- xarray
def _is_xarray(data):
    return _is_of(data, "xarray.") and hasattr(data, "dims")


def _from_xarray(data, channels, labelled):
    """Trials of a DataArray with named dims."""
    if hasattr(data, "data_vars"):
        raise TypeError(f"{type(data).__name__} holds several arrays: give the one with the trials, data['...'].")
    axes = {axis: _dim(data, names) for axis, names in _AXES.items()}
    if axes["channel"] is None and data.ndim == 2 and axes["trial"] is not None and axes["time"] is not None:
        return _from_xarray(data.expand_dims("channel"), channels, labelled)
    missing = [axis for axis, name in axes.items() if name is None]
    if missing or data.ndim != len(axes):
        raise ValueError(f"The dims must be trial, channel and time, got {data.dims}: rename them, as in "
                         f"data.rename({{{data.dims[0]!r}: 'trial'}}).")
    trial, channel, time = axes.values()
    data = data.transpose(trial, channel, time)
    names = [str(name) for name in data[channel].values] if channel in data.coords else None
    metadata = {str(name): own.values for name, own in data.coords.items() if own.dims == (trial,) and name != trial}
    y = next((metadata[name] for name in metadata if name.lower() in _LABELS), None)
    unit = {"v": "V", "mv": "mV", "uv": "uV", "µv": "uV"}.get(str(data.attrs.get("units", "")).lower())
    return picked(TrialSet(data.values, y, None, _rate(data, time), names, None, unit, metadata), channels)


def _dim(data, names):
    """The dim of this meaning."""
    return next((dim for dim in data.dims if str(dim).lower() in names), None)


def _rate(data, time):
    """Sampling rate from the coordinates of time (in seconds), or attrs."""
    if time not in data.coords:
        return None if data.attrs.get("sfreq") is None else float(data.attrs["sfreq"])
    steps = np.diff(np.asarray(data[time].values, dtype=float))
    if not len(steps) or not np.allclose(steps, steps[0], rtol=1e-3) or steps[0] <= 0:
        raise ValueError(f"The coordinates of {time!r} are not evenly spaced: they must be seconds at one rate.")
    return float(np.round(1 / steps.mean(), 6))


# -------------------------------------------------- what this package loads
def _is_bunch(data):
    return _is_of(data, "sklearn.utils") and {"X", "y"} <= set(dir(data))


def _from_bunch(data, channels, labelled):
    """Trials as `load_trials`, `windows` and the simulations give them."""
    columns = {name: column for name, column in data.items() if name not in _OF_ALL}
    metadata = {name: column for name, column in columns.items() if np.shape(column) == (len(data.X),)}
    trials = TrialSet(data.X, data.y, None, data.get("sfreq"), data.get("ch_names"), data.get("info"), None, metadata)
    return picked(trials, channels)


READERS = (
    Reader("eegexplain", _is_bunch, _from_bunch),
    Reader("MNE", _is_mne, _from_mne),
    Reader("braindecode", _is_braindecode, _from_braindecode),
    Reader("skorch", _is_skorch, _from_skorch),
    Reader("xarray", _is_xarray, _from_xarray),
    Reader("torch", _is_torch, _from_torch),
)
