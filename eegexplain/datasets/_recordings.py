"""Continuous recordings of every kind as one record: where their samples are, what is marked in them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from eegexplain._arrays import check_array_like, refuse_masked, refuse_text
from eegexplain._lazy import Source, StoredRecording
from eegexplain._readers import pick_channels
from eegexplain._validation import check_ch_names, check_sfreq

_SPAN_VALUES = 2**22  # samples of all channels that are read from a file at a time
# how descriptions begin of what MNE leaves out, and of the seams of recordings that were interrupted or concatenated
_BAD = ("BAD", "EDGE", "BOUNDARY", "NEW SEGMENT/")


@dataclass(frozen=True, eq=False)
class RawWindows:
    """Windows of an `mne.io.Raw` by their first sample, in microvolts; a file is read once for those that overlap."""

    raw: Any
    picks: np.ndarray
    n_times: int
    dtype: Any = np.float64

    @property
    def trial_shape(self):
        """Shape of a window."""
        return len(self.picks), self.n_times

    def read(self, places):
        """Windows by first sample."""
        found = np.empty((len(places), *self.trial_shape))
        order, widest = np.argsort(places, kind="stable"), max(self.n_times, _SPAN_VALUES // len(self.picks))
        while len(order):
            starts = places[order]
            first, ends = starts[0], starts + self.n_times
            # on while the next begins before all so far have ended, and all fit
            apart = np.flatnonzero((starts[1:] > ends[:-1]) | (ends[1:] - first > widest))
            n = int(apart[0]) + 1 if len(apart) else len(order)
            span = 1e6 * self.raw.get_data(self.picks, start=int(first), stop=int(ends[n - 1]), verbose="error")
            for place, start in zip(order[:n], starts[:n] - first, strict=True):
                found[place] = span[:, start : start + self.n_times]
            order = order[n:]
        return found


@dataclass(frozen=True, eq=False)
class Events:
    """What happened in a recording: ``onsets`` in samples from its first, one ``label`` and ``duration`` each, or None.

    ``durations`` are in samples.
    """

    onsets: np.ndarray
    labels: np.ndarray | None = None
    durations: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Recording:
    """A continuous recording.

    ``source(n_times)`` gives its windows; ``bad`` ``(n_spans, 2)`` first and last borders, in samples, of what windows
    must not touch; ``marks`` are the good annotations, ``offset`` the number that MNE gives the first sample.
    """

    name: str
    source: Callable[[int], Source]
    n_samples: int
    sfreq: float
    ch_names: list[str]
    bad: np.ndarray
    marks: Events | None = None
    offset: int = 0
    info: Any = None


def as_recording(given: Any, name: str, sfreq: Any, ch_names: Any) -> Recording:
    """Check a recording without reading it.

    Parameters
    ----------
    given : ndarray of shape (n_channels, n_samples), or mne.io.BaseRaw
    name : str
        For errors.
    sfreq : float or None
        In Hz; needed for arrays, compared with that of a Raw.
    ch_names : list of str or None

    Returns
    -------
    Recording

    Raises
    ------
    ValueError
        For arrays of other shapes or numbers, without `sfreq`, and a Raw without EEG.
    TypeError
        For epochs, and what is neither an array nor a Raw.
    """
    if hasattr(given, "get_data") and hasattr(given, "annotations") and hasattr(given, "first_samp"):
        return _from_raw(given, name, sfreq, ch_names)
    if hasattr(given, "get_data"):
        raise TypeError(f"{name} is {type(given).__name__}, not continuous: take trials out with from_epochs.")
    refuse_masked(name, given)
    refuse_text(name, given)
    if not hasattr(given, "shape") or not hasattr(given, "dtype"):
        raise TypeError(
            f"{name} must be an array (n_channels, n_samples) or an mne.io.Raw, got {type(given).__name__}: a list "
            "holds several recordings."
        )
    array = np.asarray(given)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name} must be (n_channels, n_samples), got shape {array.shape}; one channel is X[None].")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers, got {array.dtype}.")
    if sfreq is None:
        raise ValueError(f"sfreq is None, but {name} is an array, which has no sampling rate: give sfreq in Hz.")
    names = check_ch_names(ch_names, len(array))
    none = np.empty((0, 2))
    return Recording(name, lambda n: StoredRecording(array, n), array.shape[1], check_sfreq(sfreq), names, none)


def _from_raw(raw, name, sfreq, ch_names):
    """Good EEG channels of a Raw, in memory or not."""
    import mne

    try:
        picks, _ = pick_channels(raw.info, None)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    rate = float(raw.info["sfreq"])
    if sfreq is not None and check_sfreq(sfreq) != rate:
        raise ValueError(f"sfreq is {sfreq:g} Hz, but {name} was sampled at {rate:g} Hz: leave sfreq out.")
    info = mne.pick_info(raw.info, picks)
    names = info["ch_names"] if ch_names is None else check_ch_names(ch_names, len(picks))
    marks, text = raw.annotations, np.array([str(one) for one in raw.annotations.description], dtype=str)
    # exact to the sample: onsets are decimal fractions of a second
    onsets = np.round((np.asarray(marks.onset) - raw.first_time) * rate).astype(int)
    durations = np.round(np.asarray(marks.duration) * rate).astype(int)
    ugly = np.array([one.upper().startswith(_BAD) for one in text], dtype=bool)
    bad = np.column_stack([onsets, onsets + durations])[ugly].reshape(-1, 2)
    good = Events(onsets[~ugly], text[~ugly], durations[~ugly])
    source = lambda n: RawWindows(raw, picks, n)  # noqa: E731
    return Recording(name, source, raw.n_times, rate, list(names), bad, good, raw.first_samp, info)


def as_events(given: Any, recording: Recording, labels: Any) -> Events:
    """Check the events of a recording.

    Parameters
    ----------
    given : "annotations", or array-like of shape (n_events,) or (n_events, 3)
        In seconds from the first sample, or as MNE has them.
    recording : Recording
    labels : array-like of shape (n_events,) or None
        In the place of those that events have.

    Returns
    -------
    Events

    Raises
    ------
    ValueError
        For NaN, other shapes, no events, and labels of another number.
    """
    if isinstance(given, str):
        if given != "annotations" or recording.marks is None:
            raise ValueError(
                f"events={given!r} with {recording.name}: 'annotations' are those of an mne.io.Raw; give the onsets in "
                "seconds, or an array (n_events, 3) of MNE."
            )
        events = recording.marks
    else:
        array = check_array_like("events", given, ndim=(1, 2), dtype=float)
        if array.ndim == 2 and (array.shape[1] != 3 or (array != np.round(array)).any()):
            raise ValueError(f"events must be onsets (n_events,) or whole numbers (n_events, 3), got {array.shape}.")
        if array.ndim == 2:
            codes = array[:, 2].astype(int)
            events = Events(array[:, 0].astype(int) - recording.offset, codes)
        else:
            events = Events(np.round(array * recording.sfreq).astype(int))
    if not len(events.onsets):
        raise ValueError(f"{recording.name} has no events: leave it out, or cut windows of the whole recording.")
    if labels is None:
        return events
    refuse_masked("y", labels)
    if np.shape(labels)[:1] != events.onsets.shape:
        raise ValueError(f"y has shape {np.shape(labels)}, but {recording.name} has {len(events.onsets)} events.")
    return Events(events.onsets, np.asarray(labels), events.durations)
