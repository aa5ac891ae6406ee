"""Trials from disk: NumPy archives, MNE epochs, the UCI EEG database."""

import pathlib
import zipfile
import zlib

import numpy as np
from sklearn.utils import Bunch

from eegexplain._validation import check_ch_names, check_sfreq, suggest
from eegexplain.datasets.uci import load_uci_eeg

REQUIRED = ("X", "y", "ch_names", "sfreq")
LARGEST = 1e15  # the power of anything larger leaves single precision
EPOCH_READERS = {".fif": "read_epochs", ".gz": "read_epochs", ".set": "read_epochs_eeglab"}


def load_trials(path):
    """Load EEG trials from a file, a folder or a list of files.

    Parameters
    ----------
    path : str, path-like or list of them
        - ``.npz`` with ``X`` (n_trials, n_channels, n_times), ``y`` (n_trials,), ``ch_names``, ``sfreq`` and, if known,
          ``subject`` (n_trials,);
        - epochs that MNE reads: ``-epo.fif``, EEGLAB's ``.set``;
        - a folder or a list of ``.rd`` or ``.rd.gz`` files of the UCI EEG database.

    Returns
    -------
    Bunch
        ``X`` float (n_trials, n_channels, n_times), ``y``, ``sfreq``, ``ch_names``, ``classes``, ``subject`` (None
        where unknown) and what else the file holds about each trial.

    Raises
    ------
    ValueError
        Naming the file and what is wrong in it: a truncated file, a missing entry, sizes that contradict each other,
        NaN or infinite samples.
    FileNotFoundError

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
    if isinstance(path, (list, tuple)):
        return load_uci_eeg(path)
    path = pathlib.Path(path)
    if not path.exists():
        near = suggest(path.name, [file.name for file in path.parent.glob("*")] if path.parent.is_dir() else [])
        raise FileNotFoundError(f"There is no file or folder {path}.{near}")
    if path.is_dir() or ".rd" in path.suffixes:
        return load_uci_eeg(path)
    if path.suffix == ".npz":
        return _load_npz(path)
    if path.suffix in EPOCH_READERS:
        return _load_epochs(path)
    raise ValueError(
        f"{path} ends in {path.suffix!r}: trials are read from .npz, -epo.fif, .set and .rd[.gz] files, or a folder of "
        "the latter"
    )


def _load_npz(path):
    """Trials from a NumPy archive; every array as long as ``y`` comes along."""
    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise zipfile.BadZipFile("it is no zip file")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, KeyError, AttributeError, zlib.error) as error:
        pickled = "Object arrays" in str(error)
        why = "it holds pickled Python objects: save plain arrays" if pickled else f"it may be truncated ({error})"
        raise ValueError(f"{path} is not a readable .npz archive, {why}") from error
    missing = [key for key in REQUIRED if key not in arrays]
    if missing:
        raise ValueError(
            f"{path} lacks {', '.join(missing)} (it holds {', '.join(sorted(arrays)) or 'nothing'}): save it with "
            "np.savez(path, X=X, y=y, ch_names=ch_names, sfreq=sfreq, subject=subject)"
        )
    X, y = arrays["X"], arrays["y"]
    if X.ndim != 3 or 0 in X.shape or X.dtype.kind not in "fiu":
        raise ValueError(f"{path}: X must be real numbers (n_trials, n_channels, n_times), got {X.dtype} {X.shape}")
    if y.shape != X.shape[:1]:
        raise ValueError(f"{path}: y has shape {y.shape}, but X has {len(X)} trials")
    if arrays["sfreq"].size != 1 or arrays["sfreq"].dtype.kind not in "fiu":
        raise ValueError(f"{path}: sfreq must be one number in Hz, got {arrays['sfreq']!r}")
    extras = {key: value for key, value in arrays.items() if key not in REQUIRED and value.shape[:1] == y.shape}
    if "subject" in arrays and arrays["subject"].shape != y.shape:
        raise ValueError(f"{path}: subject has shape {arrays['subject'].shape}, but X has {len(X)} trials")
    try:
        y = check_classes(y)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    dtype = np.float64 if X.dtype == np.float64 else np.float32
    try:
        ch_names = check_ch_names(arrays["ch_names"].tolist(), X.shape[1])
        sfreq = check_sfreq(float(arrays["sfreq"].item()))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return _bunch(path, X.astype(dtype, copy=False), y, sfreq, ch_names, **{"subject": None, **extras})


def _load_epochs(path):
    """Trials from any epochs file that MNE reads."""
    import mne

    try:
        epochs = getattr(mne, EPOCH_READERS[path.suffix])(path, verbose="error")
        data = from_epochs(epochs)
    except Exception as error:  # MNE raises whatever its parsers meet in a foreign or damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} cannot be read as MNE epochs ({reason})") from error
    return data


def from_epochs(epochs):
    """Take trials out of MNE epochs.

    Parameters
    ----------
    epochs : mne.BaseEpochs
        With at least one EEG channel. Bad channels are left out.

    Returns
    -------
    Bunch
        ``X`` (n_trials, n_channels, n_times) in microvolts, ``y`` the names of the events, ``sfreq``, ``ch_names``,
        ``classes``, ``subject`` (the column of that name in ``epochs.metadata``, else None) and ``info``, an
        `mne.Info` of the channels kept.

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
    picks = mne.pick_types(epochs.info, eeg=True, exclude="bads")
    if not len(picks):
        raise ValueError("The epochs have no good EEG channel: set their types with epochs.set_channel_types")
    X = 1e6 * epochs.get_data(picks=picks, copy=True)
    names = {code: name for name, code in epochs.event_id.items()}
    y = np.array([names[code] for code in epochs.events[:, 2]], dtype=str)
    metadata = epochs.metadata
    subject = None if metadata is None or "subject" not in metadata else metadata["subject"].to_numpy()
    info = mne.pick_info(epochs.info, picks)
    return _bunch("The epochs", X, y, float(info["sfreq"]), info["ch_names"], subject=subject, info=info)


def check_classes(y):
    """Classes as integers, truth values or strings; bytes are decoded.

    Raises
    ------
    ValueError
        For anything else: dates, complex numbers, or measurements.
    """
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8", "replace")
    if y.dtype.kind not in "biufU":
        raise ValueError(f"y must hold classes as integers or strings, got {y.dtype}")
    broken = np.flatnonzero(y != np.round(y)) if y.dtype.kind == "f" else []
    if len(broken):
        raise ValueError(f"y must hold classes as integers or strings, but trial {broken[0]} has {y[broken[0]]}")
    return y


def _bunch(source, X, y, sfreq, ch_names, **extras):
    """Check what all sources have in common."""
    if not len(X):
        raise ValueError(f"{source}: there are no trials")
    broken = np.flatnonzero(~np.isfinite(X).all(axis=(1, 2)))
    if len(broken):
        raise ValueError(
            f"{source}: trial {broken[0]} holds NaN or infinite samples ({len(broken)} such trials): drop them"
        )
    low, high = X.min(axis=2), X.max(axis=2)
    if (low == high).all():
        raise ValueError(f"{source}: every trial is flat in every channel: there is no signal")
    if max(high.max(), -low.min()) > LARGEST:
        raise ValueError(f"{source}: samples reach {max(high.max(), -low.min()):.2g}, which is no EEG in any unit")
    return Bunch(X=X, y=y, sfreq=sfreq, ch_names=list(ch_names), classes=np.unique(y), **extras)
