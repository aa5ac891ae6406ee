"""Windows of continuous recordings, none of which is copied."""

from typing import Any

import numpy as np
from sklearn.utils import Bunch

from eegexplain._arrays import check_array_like, check_labels, check_number
from eegexplain._lazy import LazyTrials
from eegexplain.datasets._recordings import Events, as_events, as_recording


def windows(
    recording: Any,
    length: float,
    *,
    step: float | None = None,
    events: Any = None,
    tmin: float = 0.0,
    y: Any = None,
    subject: Any = None,
    bad: Any = None,
    block: float | None = None,
    sfreq: float | None = None,
    ch_names: list[str] | None = None,
) -> Bunch:
    """Cut windows of equal length out of continuous recordings, without copying them.

    Every analysis, network and splitter takes the windows as trials and reads them a block at a time: memory does not
    grow with the recording, nor with the overlap of windows.

    Parameters
    ----------
    recording : ndarray of shape (n_channels, n_samples), mne.io.BaseRaw, or list of them
        An array may be an `np.memmap`; a Raw need not be preloaded: its good EEG channels are read when they are asked
        for, in microvolts. Several recordings have the same channels and sampling rate; no window crosses from one to
        the next.
    length : float
        Of a window, in seconds, rounded to whole samples; as `step`, `tmin` and `block`.
    step : float, optional
        Seconds from one window to the next; None is `length`: one begins where the other ends. What is left at the
        end is not used. With ``events="annotations"`` windows follow each other within each annotation; None is one
        window for each.
    events : "annotations", array-like of shape (n_events,) or (n_events, 3), or list of them, optional
        Cuts around events: the good annotations of a Raw, onsets in seconds from the first sample, or whole numbers as
        of `mne.find_events` (sample, previous value, code). A list has an entry for each recording.
    tmin : float, default=0.0
        Where windows begin, in seconds from their events.
    y : label, array-like, or list of them, optional
        Without events one label for each recording. With events one for each event (a list of these for several
        recordings) in the place of codes and descriptions.
    subject : label, or list of them, optional
        Whose recording it is: one label for each.
    bad : array-like of shape (n_spans, 2), or list of them, optional
        Begin and end, in seconds, of what no window may touch: artefacts, gaps. Annotations of a Raw that begin with
        "BAD" or "EDGE" count as well.
    block : float, optional
        Cuts recordings into stretches of so many seconds first; no window crosses from one to the next. Neighboring
        windows are alike, and overlapping ones share samples: folds by ``data.block`` (``GroupKFold``) keep them on one
        side.
    sfreq : float, optional
        In Hz; needed for arrays.
    ch_names : list of str, optional
        None takes those of the Raw, else ``ch0, ch1, ...``.

    Returns
    -------
    Bunch
        ``X`` (n_windows, n_channels, n_times), read when a part is asked for: numbers and slices give arrays,
        ``X[indices]`` gives windows that are again not read; ``np.asarray(X)`` is a view where windows of one array
        are evenly spaced, else a copy. ``y`` and ``classes`` (None without labels), ``sfreq``, ``ch_names``,
        ``subject`` (None where not given); per window ``recording`` and ``block`` (numbers), ``onset`` (seconds from
        the first sample of its recording); ``dropped``, how many windows were left out, as ``bad`` or ``outside`` of
        the recording; of a Raw ``info``.

    Raises
    ------
    ValueError
        For recordings that differ in channels or sampling rate or are shorter than a window, for a `step` below one
        sample, for settings out of range, and where no window is left. NaN inside of windows is refused where these
        are used: give gaps in `bad`.
    TypeError
        For what is no recording.

    Examples
    --------
    >>> import numpy as np
    >>> from eegexplain.datasets import windows
    >>> recording = np.random.default_rng(0).standard_normal((3, 10_000))
    >>> data = windows(recording, 2.0, step=0.5, sfreq=100.0)
    >>> data.X.shape, data.onset[:3].tolist()
    ((197, 3, 200), [0.0, 0.5, 1.0])
    >>> np.shares_memory(np.asarray(data.X), recording)
    True
    """
    several = isinstance(recording, (list, tuple))
    given = list(recording) if several else [recording]
    if not given:
        raise ValueError("recording is an empty list: give at least one recording.")
    names = [f"recording {place}" if several else "recording" for place in range(len(given))]
    recordings = [as_recording(one, name, sfreq, ch_names) for one, name in zip(given, names, strict=True)]
    _check_alike(recordings)
    cut = _Cut(recordings[0].sfreq, length, step, block)
    check_number("tmin", tmin)
    labels = _for_each("y", y, several, len(given))
    whose = None if subject is None else check_labels("subject", _for_each("subject", subject, several, len(given)))
    spans = _for_each("bad", bad, several, len(given))
    happened = [events] * len(given) if isinstance(events, str) else _for_each("events", events, several, len(given))
    parts = []
    for one, marked, label, span in zip(recordings, happened, labels, spans, strict=True):
        if one.n_samples < cut.n_times:
            raise ValueError(
                f"{one.name} has {one.n_samples} samples ({one.n_samples / one.sfreq:g} s), a window has {cut.n_times} "
                f"({length:g} s): shorten the windows, or leave it out (arrays are (n_channels, n_samples))."
            )
        found = cut.whole(one, label) if marked is None else cut.around(as_events(marked, one, label), tmin)
        parts.append(cut.within(found, one, span))
    return _bunch(recordings, cut, parts, whose)


class _Cut:
    """Lengths in samples, and the windows that they make."""

    def __init__(self, sfreq, length, step, block):
        self.sfreq, self.given_step = sfreq, step
        self.n_times = self._samples("length", length)
        self.step = self.n_times if step is None else self._samples("step", step)
        self.block = None if block is None else self._samples("block", block)
        if self.block is not None and self.block < self.n_times:
            raise ValueError(f"block is {block:g} s, shorter than a window of {length:g} s.")

    def _samples(self, name, seconds):
        """Whole samples, at least one."""
        n = round(check_number(name, seconds, above=0.0) * self.sfreq)
        if n < 1:
            raise ValueError(f"{name} is {seconds:g} s, less than one sample at {self.sfreq:g} Hz: make it longer.")
        return n

    def whole(self, recording, label):
        """Windows of equal distance through the recording, from the start of each block."""
        stretch = self.block or recording.n_samples
        inside = np.arange(0, stretch - self.n_times + 1, self.step)
        starts = (np.arange(0, recording.n_samples, stretch)[:, None] + inside).ravel()
        starts = starts[starts + self.n_times <= recording.n_samples]
        return Events(starts, None if label is None else np.repeat(check_labels("y", [label]), len(starts)))

    def around(self, events, tmin):
        """A window for each event, or several that follow each other while it lasts."""
        onsets, labels = events.onsets + round(tmin * self.sfreq), events.labels
        if self.given_step is None:
            return Events(onsets, labels)
        if events.durations is None:
            raise ValueError("step needs events that last, events='annotations' of an mne.io.Raw: leave step out.")
        ends = events.onsets + events.durations
        times = np.maximum(0, (ends - onsets - self.n_times) // self.step) + 1
        which = np.repeat(np.arange(len(onsets)), times)
        nth = np.arange(len(which)) - np.repeat(np.cumsum(times) - times, times)
        return Events(onsets[which] + nth * self.step, None if labels is None else labels[which])

    def within(self, found, recording, span):
        """Leave out what is outside of the recording or touches what is bad; the rest, and how many were left out."""
        starts, ends = found.onsets, found.onsets + self.n_times
        inside = (starts >= 0) & (ends <= recording.n_samples)
        bad = recording.bad
        if span is not None and not (isinstance(span, (list, tuple)) and not span):
            given = check_array_like("bad", span, ndim="n_spans, 2", dtype=float)
            if given.shape[1] != 2 or (given[:, 0] > given[:, 1]).any():
                raise ValueError(f"bad must hold a begin and a later end in seconds, got {given.tolist()[:3]}.")
            bad = np.concatenate([bad, given * self.sfreq])
        good = np.ones(len(starts), dtype=bool)
        for begin, end in bad:  # a seam has no length: windows that end or begin there do not cross it
            good &= (ends <= begin) | (starts >= end)
        if self.block is not None:
            inside &= starts // self.block == (ends - 1) // self.block
        kept = inside & good
        dropped = Bunch(bad=int((inside & ~good).sum()), outside=int((~inside).sum()))
        return Events(starts[kept], None if found.labels is None else found.labels[kept]), dropped


def _check_alike(recordings):
    """Windows of several recordings are trials of one kind."""
    first = recordings[0]
    for other in recordings[1:]:
        if other.sfreq != first.sfreq:
            raise ValueError(
                f"{first.name} was sampled at {first.sfreq:g} Hz and {other.name} at {other.sfreq:g} Hz: resample "
                "them to one rate first."
            )
        if other.ch_names != first.ch_names:
            raise ValueError(
                f"The channels of {first.name} are {first.ch_names}, those of {other.name} {other.ch_names}: pick the "
                "same ones, in the same order."
            )


def _for_each(name, value, several, n):
    """One entry for each recording; None for all where there is none."""
    if value is None:
        return [None] * n
    if not several:
        return [value]
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != n:
        raise ValueError(f"{name} must be a list with an entry for each of {n} recordings, got {value!r:.200}.")
    return list(value)


def _bunch(recordings, cut, parts, whose):
    """What all windows together are."""
    which = np.repeat(np.arange(len(parts)), [len(found.onsets) for found, _ in parts])
    starts = np.concatenate([found.onsets for found, _ in parts]).astype(int)
    dropped = Bunch(**{key: sum(lost[key] for _, lost in parts) for key in ("bad", "outside")})
    if not len(starts):
        raise ValueError(
            f"No window is left: {dropped.bad} touch what is bad, {dropped.outside} are not inside a recording"
            f"{'' if cut.block is None else ' or one block'}."
        )
    labels = [found.labels for found, _ in parts]
    y = None if any(one is None for one in labels) else check_labels("y", np.concatenate(labels))
    stretches = np.zeros_like(starts) if cut.block is None else starts // cut.block
    block = np.unique(np.column_stack([which, stretches]), axis=0, return_inverse=True)[1].ravel()
    first = recordings[0]
    X = LazyTrials([one.source(cut.n_times) for one in recordings], starts, which)
    subject = None if whose is None else whose[which]
    extras = {} if first.info is None else {"info": first.info}
    times = {"recording": which, "block": block, "onset": starts / first.sfreq}
    return Bunch(X=X, y=y, sfreq=first.sfreq, ch_names=first.ch_names, subject=subject, dropped=dropped,
                 classes=None if y is None else np.unique(y), **times, **extras)  # fmt: skip
