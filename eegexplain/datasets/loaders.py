"""Trials from disk: NumPy archives, MNE epochs, recordings, the UCI EEG database."""

import math
import pathlib
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from eegexplain._containers import read_trials
from eegexplain._reading import MAX_BYTES, check_unpacked, read_npz, reading
from eegexplain._validation import suggest
from eegexplain.datasets._recording_files import FORMATS, Cut, cut_recordings, is_recording
from eegexplain.datasets._trials import check_classes, check_fif, make_trials
from eegexplain.datasets.uci import load_uci_eeg

REQUIRED = ("X", "y", "ch_names", "sfreq")
TAKEN = {"X", "y", "sfreq", "ch_names", "classes", "info", "highpass", "lowpass"}  # no metadata under these names
FILTER_LIMITS = ("highpass", "lowpass")
EPOCH_READERS = {".fif": "read_epochs", ".gz": "read_epochs", ".set": "read_epochs_eeglab"}
EITHER = (".fif", ".fif.gz", ".set")  # files of epochs, or of a recording
BIDS_SUFFIXES = ("_eeg.vhdr", "_eeg.edf", "_eeg.bdf", "_eeg.set")


def load_trials(
    path: Any,
    *,
    events: Any = None,
    event_id: Any = None,
    tmin: float = 0.0,
    tmax: float | None = None,
    max_bytes: int = MAX_BYTES,
) -> Bunch:
    """Load EEG trials from a file, a folder or a list of files.

    Parameters
    ----------
    path : str, path-like or list of them
        - ``.npz`` with ``X`` (n_trials, n_channels, n_times), ``y`` (n_trials,), ``ch_names``, ``sfreq`` and, if known,
          ``subject`` (n_trials,), ``highpass`` and ``lowpass`` (Hz, of the filter the trials went through);
        - epochs that MNE reads: ``-epo.fif``, EEGLAB's ``.set``;
        - continuous recordings, one or a list: EDF, BDF, GDF, BrainVision (``.vhdr``), EEGLAB, FIF and what else of
          EEG `mne.io.read_raw` reads; a `mne_bids.BIDSPath`, or the folder of a BIDS data set (with mne-bids). Trials
          are cut around their events; channels whose names begin with EOG, ECG or EMG are not taken for EEG;
        - a folder or a list of ``.rd`` or ``.rd.gz`` files of the UCI EEG database.
    events : "annotations", str or array-like of shape (n_events, 3), optional
        Of a recording: its annotations, the name of its trigger channel, or what `mne.find_events` gives. None takes
        the annotations, where there are any, else the trigger channel. What is annotated as bad, and seams, cut
        nothing and are in no trial.
    event_id : dict of label to event, or list of events, optional
        The events to take, by description or code, and how to call them; None takes all as they are called.
    tmin, tmax : float
        Of a recording: where trials begin and end, in seconds from their events; both samples are in them, as in those
        of `mne.Epochs`. `tmax` must be given.
    max_bytes : int, default=2**34
        Files that declare more than this in memory are refused before they are read.

    Returns
    -------
    Bunch
        ``X`` float (n_trials, n_channels, n_times), ``y``, ``sfreq``, ``ch_names``, ``classes``, ``subject`` (None
        where unknown) and what else the file holds about each trial. Of recordings (in microvolts) ``recording`` and
        ``onset`` of each trial, ``dropped``, how many events gave none, ``info`` with the positions of the file, and
        ``notes`` on what was left out; ``subject`` where files are named as BIDS has it.

    Raises
    ------
    ValueError
        Naming the file and what is wrong in it, whatever it is: truncation, damage, a missing entry, sizes that
        contradict each other or `max_bytes`, NaN, infinite or absurdly large samples. For recordings without events or
        those of `event_id`, and with two events at one sample.
    FileNotFoundError

    Warns
    -----
    UserWarning
        For trials of recordings that share samples, and events that gave no trial.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from eegexplain.datasets import load_trials
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     trials = {"X": np.eye(6).reshape(4, 3, 3), "y": [0, 1, 0, 1], "ch_names": ["C3", "Cz", "C4"]}
    ...     np.savez(f"{folder}/eeg.npz", **trials, sfreq=100.0)
    ...     load_trials(f"{folder}/eeg.npz").X.shape
    (4, 3, 3)
    """
    cut = Cut(events, event_id, tmin, tmax)
    if isinstance(path, (list, tuple)):
        recorded = path and all(is_recording(one) or str(one).endswith(EITHER) for one in path)
        return _load_recordings(list(path), cut, max_bytes) if recorded else load_uci_eeg(path)
    if is_recording(path):
        return _load_recordings([path], cut, max_bytes)
    path = pathlib.Path(path)
    if not path.exists():
        return _missing(path)
    if (path / "dataset_description.json").exists():
        files = sorted(file for end in BIDS_SUFFIXES for file in path.glob(f"sub-*/**/*{end}"))
        return _load_recordings(files or [path], cut, max_bytes)
    if path.is_dir() or ".rd" in path.suffixes:
        return load_uci_eeg(path)
    if path.suffix == ".npz":
        return _load_npz(path, max_bytes)
    if path.suffix in EPOCH_READERS:
        return _load_epochs(path, cut, max_bytes)
    raise ValueError(
        f"{path} ends in {path.suffix!r}: trials are read from .npz, -epo.fif, .set and .rd[.gz] files, a folder of "
        f"the latter, and recordings ({', '.join(FORMATS)}, .set, .fif)"
    )


def _missing(path):
    """Say that there is no such file, and which it may be."""
    path = pathlib.Path(path)
    near = suggest(path.name, [file.name for file in path.parent.glob("*")] if path.parent.is_dir() else [])
    raise FileNotFoundError(f"There is no file or folder {path}.{near}")


def _load_recordings(paths, cut, max_bytes):
    """Trials around the events of recordings."""
    missing = [one for one in paths if not hasattr(one, "fpath") and not pathlib.Path(one).exists()]
    if missing:
        return _missing(missing[0])
    found = cut_recordings(paths, cut, max_bytes)
    with reading(getattr(paths[0], "fpath", paths[0]), ""):
        limits = _filter_limits({key: found.info[key] for key in FILTER_LIMITS}, found.sfreq)
        extras = {name: value for name, value in found.items() if name not in TAKEN | {"block"}}
        return make_trials(found.X, found.y, found.sfreq, found.ch_names, **extras, **limits, info=found.info)


def _load_npz(path, max_bytes):
    """Trials from a NumPy archive; every array as long as ``y`` comes along."""

    def choose(found):
        """Arrays to read, once names and shapes in the headers are in order."""
        with reading(path, ""):
            return _check_headers(found)

    with reading(path, "is not a readable .npz archive: it may be truncated or damaged"):
        arrays = read_npz(path, choose, max_bytes)
    with reading(path, ""):
        X, y = arrays.pop("X"), check_classes(arrays.pop("y"))
        sfreq, ch_names = float(arrays.pop("sfreq").item()), arrays.pop("ch_names").tolist()
        limits = _filter_limits({key: arrays.pop(key) for key in FILTER_LIMITS if key in arrays}, sfreq)
        columns = {key: array for key, array in arrays.items() if key not in TAKEN}
        return make_trials(X, y, sfreq, ch_names, **{"subject": None, **columns}, **limits)


def _check_headers(found):
    """Names of the arrays that belong to trials, once their types and shapes fit each other."""
    missing = [key for key in REQUIRED if key not in found]
    if missing:
        raise ValueError(
            f"it lacks {', '.join(missing)} (it holds {', '.join(sorted(found)) or 'nothing'}): save it with "
            "np.savez(path, X=X, y=y, ch_names=ch_names, sfreq=sfreq, subject=subject)"
        )
    dtype, shape = found["X"]
    if len(shape) != 3 or 0 in shape or dtype.kind not in "fiu":
        raise ValueError(f"X must be real numbers (n_trials, n_channels, n_times), got {dtype} {shape}")
    for key in {"y", "subject"} & set(found):
        if found[key][1] != shape[:1]:
            raise ValueError(f"{key} has shape {found[key][1]}, but X has {shape[0]} trials")
    if found["ch_names"][1] != shape[1:2]:
        raise ValueError(f"ch_names has {math.prod(found['ch_names'][1])} names, but X has {shape[1]} channels")
    if math.prod(found["sfreq"][1]) != 1 or found["sfreq"][0].kind not in "fiu":
        raise ValueError(f"sfreq must be one number in Hz, got {found['sfreq'][0]} {found['sfreq'][1]}")
    for key in set(FILTER_LIMITS) & set(found):
        if math.prod(found[key][1]) != 1 or found[key][0].kind not in "fiu":
            raise ValueError(f"{key} must be one number in Hz, got {found[key][0]} {found[key][1]}")
    kept = {*REQUIRED, *FILTER_LIMITS}
    return [key for key, (_, other) in found.items() if key in kept or other[:1] == shape[:1]]


def _filter_limits(given, sfreq):
    """Highpass and lowpass in Hz, None where nothing is cut: MNE writes 0 and the Nyquist frequency for that."""
    limits = {}
    for key in FILTER_LIMITS:
        value = given.get(key)
        value = 0.0 if value is None else float(np.asarray(value).item())
        if not np.isfinite(value) or value < 0:
            raise ValueError(f"{key} must be one number in Hz, got {value}")
        limits[key] = value or None
    if limits["lowpass"] is not None and limits["lowpass"] >= sfreq / 2:
        limits["lowpass"] = None
    return limits


def _load_epochs(path, cut, max_bytes):
    """Trials from any epochs file that MNE reads, or those of a recording that has such a name."""
    import mne

    with reading(path, "cannot be read as MNE epochs"):
        if path.suffix == ".set":
            check_unpacked(path.stat().st_size, path.stat().st_size, max_bytes)
        else:
            check_fif(path, max_bytes)
        continuous = _is_continuous(path)
        epochs = None if continuous else getattr(mne, EPOCH_READERS[path.suffix])(path, verbose="error")
    if continuous:
        return _load_recordings([path], cut, max_bytes)
    if cut.given:
        raise ValueError(f"{path} holds epochs, which are cut already: leave events, event_id, tmin and tmax out.")
    with reading(path, "cannot be read as MNE epochs"):
        return from_epochs(epochs)


def _is_continuous(path):
    """Whether a file holds one recording, not epochs."""
    import mne

    try:
        (mne.io.read_raw_eeglab if path.suffix == ".set" else mne.io.read_raw_fif)(path, verbose="error")
    except (ValueError, TypeError) as error:  # "No raw data in", "The number of trials is"
        if "raw" not in str(error):
            raise
        return False
    return True


def from_epochs(epochs: Any) -> Bunch:
    """Take trials out of MNE epochs, as `read_trials` does in microvolts, and check them as files are checked.

    Parameters
    ----------
    epochs : mne.BaseEpochs
        Of its channels those are taken that `read_trials` takes: the good EEG channels.

    Returns
    -------
    Bunch
        ``X`` (n_trials, n_channels, n_times) in microvolts, ``y`` (and ``event``) the names of the events,
        ``sfreq``, ``ch_names``, ``classes``, every column of ``epochs.metadata`` by its name (``subject`` is None
        where there is none),
        ``highpass`` and ``lowpass`` (Hz, None where nothing was filtered) and ``info``, an `mne.Info` of the channels
        kept.

    Raises
    ------
    TypeError
        When ``epochs`` are not MNE epochs.
    ValueError
        Without EEG channels or trials, or with NaN or infinite samples.

    Examples
    --------
    >>> import mne, numpy as np
    >>> from eegexplain.datasets import from_epochs
    >>> info = mne.create_info(["C3", "C4"], 100.0, "eeg")
    >>> events = np.array([[0, 0, 1], [100, 0, 2]])
    >>> codes = {"left": 1, "right": 2}
    >>> epochs = mne.EpochsArray(np.full((2, 2, 50), 1e-6), info, events, event_id=codes, verbose=False)
    >>> data = from_epochs(epochs)
    >>> data.y.tolist(), data.X.max().item()
    (['left', 'right'], 1.0)
    """
    import mne

    if not isinstance(epochs, mne.BaseEpochs):
        raise TypeError(f"epochs must be mne.BaseEpochs, got {type(epochs).__name__}: cut a Raw with mne.Epochs first")
    found = read_trials(epochs, units="uV")
    sfreq, info = found.sfreq, found.info
    columns = {"subject": None} | {name: column for name, column in found.metadata.items() if name not in TAKEN}
    try:
        limits = _filter_limits({key: info[key] for key in FILTER_LIMITS}, sfreq)
        return make_trials(np.asarray(found.X), found.y, sfreq, found.ch_names, **columns, **limits, info=info)
    except ValueError as error:
        raise ValueError(f"The epochs: {error}") from error
