"""What trials of every source must be, and the FIF files that hold some."""

import gzip
import struct

import numpy as np
from sklearn.utils import Bunch

from eegexplain._reading import check_unpacked
from eegexplain._validation import check_ch_names, check_sfreq

LARGEST = 1e15  # the power of anything larger leaves single precision
FIRST_SAMPLE, LAST_SAMPLE = 208, 209  # kinds of tags in a FIF file
_TAG = struct.Struct(">iIii")  # kind, type, size of the data, place of the next tag


def make_trials(X, y, sfreq, ch_names, **extras):
    """Check what all sources have in common.

    Parameters
    ----------
    X : array of shape (n_trials, n_channels, n_times)
    y : array of shape (n_trials,)
    sfreq : float
        In Hz.
    ch_names : list of str
    **extras
        Whatever else the source holds.

    Returns
    -------
    Bunch
        ``X`` in single precision, unless it came in double, and the rest, with ``classes``.

    Raises
    ------
    ValueError
        Without trials or signal, with NaN, infinite or absurdly large samples, and for names and rates that cannot be.
    """
    if not len(X):
        raise ValueError("there are no trials")
    check_samples(X)
    low, high = X.min(axis=2), X.max(axis=2)
    if (low == high).all():
        raise ValueError("every trial is flat in every channel: there is no signal")
    if not 1e-3 <= check_sfreq(sfreq) <= 1e7:
        raise ValueError(f"sfreq is {sfreq:g} Hz, at which no EEG is recorded")
    sfreq, ch_names = float(sfreq), check_ch_names(list(ch_names), X.shape[1])
    X = X if X.dtype == np.float64 else X.astype(np.float32, copy=False)
    return Bunch(X=X, y=y, sfreq=sfreq, ch_names=ch_names, classes=np.unique(y), **extras)


def check_samples(X):
    """Refuse samples that are NaN, infinite, or larger than EEG is in any unit.

    Raises
    ------
    ValueError
    """
    broken = np.flatnonzero(~np.isfinite(X).all(axis=(1, 2)))
    if len(broken):
        raise ValueError(f"trial {broken[0]} holds NaN or infinite samples ({len(broken)} such trials): drop them")
    largest = max(float(X.max()), -float(X.min()))
    if largest > LARGEST:
        raise ValueError(f"samples reach {largest:.2g}, which is no EEG in any unit")


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
    broken = np.flatnonzero(~np.isfinite(y) | (y != np.round(y))) if y.dtype.kind == "f" else []
    if len(broken):
        raise ValueError(f"y must hold classes as integers or strings, but trial {broken[0]} has {y[broken[0]]}")
    return y


def check_fif(path, limit):
    """Compare what the tags of a FIF file declare with the size of the file.

    Parameters
    ----------
    path : pathlib.Path
        Ending in ``.fif`` or ``.fif.gz``.
    limit : int
        Of the file when unpacked, in bytes.

    Raises
    ------
    ValueError
        For tags that are longer than the file, lead back, or announce more samples than it can hold.
    """
    packed = path.suffix == ".gz"
    with (gzip.open if packed else open)(path, "rb") as file:
        size = path.stat().st_size
        if packed:
            packed_size, size = size, 0
            while block := file.read(2**20):
                size += len(block)
                check_unpacked(size, packed_size, limit)
        samples = {FIRST_SAMPLE: 0, LAST_SAMPLE: 0}
        position = 0
        while 0 <= position < size:
            file.seek(position)
            kind, _, n_bytes, after = _TAG.unpack(file.read(_TAG.size))
            end = position + _TAG.size + n_bytes
            if n_bytes < 0 or end > size:
                raise ValueError(f"the tag at byte {position} declares {n_bytes} bytes, the file has {size}")
            if kind in samples and n_bytes == 4:
                samples[kind] = int.from_bytes(file.read(4), "big", signed=True)
            if 0 < after < end:
                raise ValueError(f"the tag at byte {position} leads back to byte {after}")
            position = end if after == 0 else after
        if samples[LAST_SAMPLE] - samples[FIRST_SAMPLE] > size:
            raise ValueError(f"it declares samples {samples[FIRST_SAMPLE]} to {samples[LAST_SAMPLE]} in {size} bytes")
