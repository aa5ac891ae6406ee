"""Trials cut from files of continuous recordings, in every format that MNE reads."""

import importlib.util
import pathlib
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from eegexplain._arrays import check_number
from eegexplain._readers import pick_channels
from eegexplain._reading import check_unpacked, reading
from eegexplain._validation import suggest
from eegexplain.datasets._recordings import as_events, as_recording
from eegexplain.datasets._trials import check_fif
from eegexplain.datasets.continuous import windows

FORMATS = (".edf", ".bdf", ".gdf", ".vhdr", ".ahdr", ".vmrk", ".eeg", ".cnt", ".mff", ".nxe", ".cdt", ".lay", ".nedf")
_BESIDE = {".eeg": ".vhdr", ".vmrk": ".vhdr"}  # files of BrainVision that name no other: the header does
# Formats without types of channels call all of them EEG; what these names begin with is none.
_OTHER = {"eog": r"(EOG|[HV]EOG)", "ecg": r"(ECG|EKG)", "emg": "EMG", "resp": "RESP", "stim": "(STI|STATUS|TRIG)"}
_BIDS_ENTITY = re.compile(r"(?:^|[/\\])sub-([a-zA-Z0-9]+)_")


@dataclass(frozen=True)
class Cut:
    """Where trials of a recording are, see `load_trials`."""

    events: Any = None
    event_id: Any = None
    tmin: float = 0.0
    tmax: float | None = None

    @property
    def given(self) -> bool:
        """Whether anything was said."""
        return self != Cut()


def is_recording(path: Any) -> bool:
    """Whether this is the file of a continuous recording by its name; .fif and .set may hold epochs, too."""
    return hasattr(path, "fpath") or pathlib.Path(path).name.lower().endswith(FORMATS)


def cut_recordings(paths: Any, cut: Cut, max_bytes: int) -> Any:
    """Cut trials around the events of recordings.

    Parameters
    ----------
    paths : list of path or BIDSPath
    cut : Cut
    max_bytes : int
        Of all trials in memory.

    Returns
    -------
    Bunch
        As of `windows`, with the trials in memory.

    Raises
    ------
    ValueError
        That names the file.
    """
    if cut.tmax is None:
        raise ValueError(
            f"{_path_of(paths[0])} is a continuous recording: say where trials end, tmax=... in seconds from their "
            "events (and where they begin, tmin=...)."
        )
    if check_number("tmax", cut.tmax) <= check_number("tmin", cut.tmin):
        raise ValueError(f"Trials begin at tmin={cut.tmin:g} s and end at tmax={cut.tmax:g} s: they end before.")
    raws = [read_recording(path, max_bytes) for path in paths]
    onsets, labels = [], []
    for path, raw in zip(paths, raws, strict=True):
        with reading(_path_of(path), ""):
            happened = _events(raw, cut)
        onsets.append(happened.onsets / raw.info["sfreq"])
        labels.append(happened.labels)
    sfreq = float(raws[0].info["sfreq"])
    length = (round(cut.tmax * sfreq) - round(cut.tmin * sfreq) + 1) / sfreq  # both ends are in, as of mne.Epochs
    with reading(_path_of(paths[0]), ""):
        found = windows(raws, length, events=onsets, y=labels, tmin=cut.tmin)
        check_unpacked(found.X.size * 8, found.X.size * 8, max_bytes)
        found.X = np.asarray(found.X)
    names = [_BIDS_ENTITY.search(str(_path_of(path))) for path in paths]
    if all(names):
        found.subject = np.array([name.group(1) for name in names])[found.recording]
    found.notes = tuple(dict.fromkeys(note for raw in raws for note in pick_channels(raw.info, None)[1]))
    _warn_of_what_is_lost(found)
    _warn_of_overlap(found)
    return found


def read_recording(path: Any, max_bytes: int) -> Any:
    """Open a recording without reading its samples.

    Parameters
    ----------
    path : path or BIDSPath
    max_bytes : int
        Of files that MNE reads at once.

    Returns
    -------
    mne.io.BaseRaw
        With types for the channels whose name tells that they are none of the brain.

    Raises
    ------
    ValueError
        For files that cannot be read, and those of a BIDS data set without mne-bids.
    """
    import mne

    file = _path_of(path)
    with reading(file, "cannot be read as a recording"):
        if _in_bids(path):
            raw = _read_bids(path)
        elif file.name.endswith((".fif", ".fif.gz")):
            check_fif(file, max_bytes)
            raw = mne.io.read_raw_fif(file, verbose="error")
        elif file.suffix.lower() in (".edf", ".bdf"):
            reader = mne.io.read_raw_edf if file.suffix.lower() == ".edf" else mne.io.read_raw_bdf
            raw = reader(file, infer_types=True, verbose="error")
        else:
            if file.suffix == ".set":
                check_unpacked(file.stat().st_size, file.stat().st_size, max_bytes)
            header = file.with_suffix(_BESIDE.get(file.suffix, file.suffix))
            raw = mne.io.read_raw(header if header.exists() else file, verbose="error")
        kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
        told = {name: kind for kind, pattern in _OTHER.items() for name in raw.ch_names
                if kinds[name] == "eeg" and re.match(pattern, name, re.IGNORECASE)}  # fmt: skip
        return raw.set_channel_types(told, on_unit_change="ignore", verbose="error") if told else raw


def _path_of(path):
    """The file of a path, or of a BIDSPath."""
    return pathlib.Path(getattr(path, "fpath", path))


def _in_bids(path):
    """Whether channels and events of a recording are described in tables beside it."""
    file = _path_of(path)
    stem = file.name.rsplit("_", 1)[0]
    named = file.name.startswith("sub-") and "_" in file.name
    return hasattr(path, "fpath") or (named and any(file.parent.glob(f"{stem}_*s.tsv")))


def _read_bids(path):
    """Read a recording with its tables."""
    if importlib.util.find_spec("mne_bids") is None:
        raise ValueError(
            "its events and channels are in tables of the BIDS data set, which mne-bids reads: pip install mne-bids. "
            "Without these tables, open the file with mne.io.read_raw and use eegexplain.datasets.windows"
        )
    import mne_bids

    if not hasattr(path, "fpath"):
        path = mne_bids.get_bids_path_from_fname(path, check=False, verbose="error")
    return mne_bids.read_raw_bids(path, verbose="error")


# -------------------------------------------------------------------- events
def _events(raw, cut):
    """Onsets and labels of the events that trials are cut around."""
    import mne

    recording = as_recording(raw, "the recording", None, None)
    given = cut.events
    stim = [name for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True) if kind == "stim"]
    if given is None and len(recording.marks.onsets):
        given = "annotations"
    elif given is None:
        given = stim[0] if stim else None
    if given is None:
        raise ValueError(
            "it has no events, neither annotations nor a trigger channel: give events=, an array (n_events, 3) as of "
            "mne.find_events or onsets in seconds; without events use eegexplain.datasets.windows"
        )
    if isinstance(given, str) and given != "annotations":
        if given not in raw.ch_names:
            raise ValueError(f"events={given!r} is neither 'annotations' nor a channel.{suggest(given, raw.ch_names)}")
        given = mne.find_events(raw, given, shortest_event=1, verbose="error")
        if not len(given):
            raise ValueError(f"the trigger channel {cut.events or stim[0]} holds no event")
    happened = as_events(given, recording, None)
    labels = happened.labels
    if labels is None:
        raise ValueError("events in seconds have no labels: give an array (n_events, 3), whose last column tells them")
    happened = type(happened)(happened.onsets, np.array([str(label) for label in labels]))
    return _distinct(_chosen(happened, cut.event_id))


def _chosen(happened, event_id):
    """The events that were asked for, under the names that were given to them."""
    if event_id is None:
        return happened
    asked = dict(event_id) if hasattr(event_id, "items") else {str(one): one for one in event_id}
    there = Counter(happened.labels.tolist())
    missing = [str(one) for one in asked.values() if str(one) not in there]
    if missing:
        told = ", ".join(f"{name} ({count})" for name, count in sorted(there.items())[:30])
        raise ValueError(f"event_id asks for {', '.join(missing)}, the events are: {told}.{suggest(missing[0], there)}")
    names = {str(one): str(name) for name, one in asked.items()}
    kept = np.isin(happened.labels, list(names))
    return type(happened)(happened.onsets[kept], np.array([names[label] for label in happened.labels[kept]]))


def _distinct(happened):
    """Refuse two events at one sample: a trial has one label."""
    order = np.argsort(happened.onsets, kind="stable")
    same = np.flatnonzero(np.diff(happened.onsets[order]) == 0)
    if len(same):
        pair = [str(happened.labels[order[place]]) for place in (same[0], same[0] + 1)]
        raise ValueError(
            f"the events {pair[0]!r} and {pair[1]!r} are at one sample ({len(same)} such pairs): choose with event_id"
        )
    return happened


# ------------------------------------------------------------------ warnings
def _warn_of_what_is_lost(found):
    """Say how many events gave no trial."""
    lost = found.dropped.bad + found.dropped.outside
    if lost:
        warnings.warn(
            f"{lost} of {lost + len(found.X)} events gave no trial: {found.dropped.bad} touch what is marked as bad, "
            f"{found.dropped.outside} reach beyond the recording.",
            stacklevel=4,
        )


def _warn_of_overlap(found):
    """Say that trials share samples: folds of single trials would know what they are tested on."""
    n_times = found.X.shape[-1]
    starts = np.round(found.onset * found.sfreq)
    shared = sum(int((np.diff(np.sort(starts[found.recording == one])) < n_times).sum())
                 for one in np.unique(found.recording))  # fmt: skip
    if shared:
        warnings.warn(
            f"{shared} of {len(starts)} trials share samples with the one before: of two neighbors one would train the "
            "network that the other tests. End trials earlier (tmax), or keep neighbors in one fold by groups.",
            stacklevel=4,
        )
