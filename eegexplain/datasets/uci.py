"""The UCI EEG database: its text format, and the download."""

import os
import pathlib
import re
import warnings
from collections.abc import Iterable

import numpy as np
from sklearn.utils import Bunch

from eegexplain._reading import MAX_BYTES, check_unpacked, gunzip, reading
from eegexplain._validation import check_sfreq
from eegexplain.datasets._trials import check_samples, make_trials

URL = "https://archive.ics.uci.edu/static/public/121/eeg+database.zip"
MAX_TRIAL = 2**23  # bytes of text; a trial of the database has 0.3 million
_SUBJECT = re.compile(r"co\d([ac])\d{7}")
_SIZES = re.compile(r"#\s*([\d.]+)\s*msecs")
_CONDITION = re.compile(r"#\s*(S\d.*?)\s*,\s*trial\s+(\d+)")
_CHANNEL = re.compile(r"#\s*(\S+)\s+chan\s+(\d+)")
_NAME = re.compile(r"\.rd(\.\d+)?(\.gz)?$")


def read_uci_trial(path: str | os.PathLike) -> Bunch:
    """Read one trial in the text format of the UCI EEG database.

    Parameters
    ----------
    path : str or path-like
        A ``.rd`` file, with or without ``.gz``.

    Returns
    -------
    Bunch
        ``X`` (n_channels, n_times) in microvolts, ``y`` (1 alcoholic, 0 control), ``subject``, ``condition``,
        ``trial``, ``ch_names``, ``sfreq``.

    Raises
    ------
    ValueError
        Naming file and line, for a truncated, damaged, mislabelled or non-finite file, or one above 8 MiB of text.
    """
    path = pathlib.Path(path)
    with reading(path, ""):
        return _parse_trial(path)


def _parse_trial(path):
    """Read one trial; errors may be of any kind."""
    lines = _read_lines(path)
    subject = _search(_SUBJECT, lines[:1], path, "a subject such as co2a0000364 in line 1")
    named = _SUBJECT.search(path.name)
    if named and named.group() != subject.group():
        raise ValueError(f"{path}, line 1: the file holds subject {subject.group()}, but its name says {named.group()}")
    period = float(_search(_SIZES, lines[:8], path, "a sampling period in msecs").group(1))
    condition = _search(_CONDITION, lines[:8], path, "a condition and trial number")
    rows = _number_rows(lines, path)
    X, ch_names = _channels(rows, lines, path, trial=int(condition.group(2)))
    check_samples(X[None])
    if not 1e-6 < period < 1e6:
        raise ValueError(f"its sampling period is {period:g} msecs")
    return Bunch(
        X=X,
        y=int(subject.group(1) == "a"),
        subject=subject.group(),
        condition=condition.group(1),
        trial=int(condition.group(2)),
        ch_names=ch_names,
        sfreq=check_sfreq(float(round(1000 / period))),
    )


def _read_lines(path):
    """Lines of a text file, unpacked where its name ends in ``.gz``."""
    with reading(path, "is damaged or not gzip-compressed" if path.suffix == ".gz" else "cannot be read"):
        if path.suffix != ".gz":
            check_unpacked(path.stat().st_size, path.stat().st_size, MAX_TRIAL)
        raw = gunzip(path, MAX_TRIAL) if path.suffix == ".gz" else path.read_bytes()
    with reading(path, "is not a text file of the UCI EEG database"):
        lines = raw.decode("ascii").splitlines()
    if not lines:
        raise ValueError(f"{path} is empty")
    if not raw.endswith(b"\n"):
        raise ValueError(f"{path}, line {len(lines)}: the last line has no end: the file is truncated")
    return lines


def _search(pattern, lines, path, what):
    """First match in the lines, or an error that says what is missing."""
    match = next(filter(None, map(pattern.search, lines)), None)
    if match is None:
        raise ValueError(f"{path} lacks {what}: it is not a trial of the UCI EEG database")
    return match


def _number_rows(lines, path):
    """Line number, trial, sample and value of each sample, and its channel, as (n, 4) numbers and n names."""
    fields = [(number, line.split()) for number, line in enumerate(lines, start=1) if line and line[0] != "#"]
    try:
        values = np.array([(number, int(f[0]), int(f[2]), float(f[3])) for number, f in fields if f[4:] == []])
        if len(values) != len(fields) or not np.isfinite(values).all():
            raise ValueError
    except (IndexError, ValueError):
        for number, row in fields:
            if not _is_sample(row):
                raise ValueError(
                    f"{path}, line {number}: expected 'trial channel sample value', got {' '.join(row)!r}: "
                    "the file is truncated or damaged"
                ) from None
    return values, [row[1] for _, row in fields]


def _is_sample(row):
    """Whether a row reads 'trial channel sample value' with a finite value."""
    try:
        return len(row) == 4 and int(row[0]) >= 0 and int(row[2]) >= 0 and bool(np.isfinite(float(row[3])))
    except ValueError:
        return False


def _channels(rows, lines, path, trial):
    """Arrange samples as (n_channels, n_times), in the order of the channel headers."""
    values, owners = rows
    headers = [(number, match.group(1)) for number, line in enumerate(lines, 1) if (match := _CHANNEL.match(line))]
    ch_names = [name for _, name in headers]
    if not len(values) or len(values) % max(1, len(headers)) or len(set(ch_names)) < len(ch_names):
        raise ValueError(
            f"{path}, line {len(lines)}: {len(values)} samples of {len(set(ch_names))} channels under "
            f"{len(headers)} channel headers: the file is truncated or damaged"
        )
    n_times = len(values) // len(headers)
    wrong = (
        (values[:, 1] != trial)
        | (values[:, 2] != np.tile(np.arange(n_times), len(headers)))
        | (np.array(owners) != np.repeat(ch_names, n_times))
    )
    if wrong.any():
        number = int(values[wrong.argmax(), 0])
        raise ValueError(
            f"{path}, line {number}: {lines[number - 1]!r} is out of order (another trial, channel or sample is due): "
            "the file is truncated or damaged"
        )
    return values[:, 3].reshape(len(headers), n_times), ch_names


def load_uci_eeg(paths: str | os.PathLike | Iterable) -> Bunch:
    """Load trials of the UCI EEG database from a folder or a list of files.

    Parameters
    ----------
    paths : str, path-like or list of them
        A folder (searched with its subfolders) or ``.rd`` files, with or without ``.gz``.

    Returns
    -------
    Bunch
        ``X`` (n_trials, n_channels, n_times) float32 in microvolts, ``y`` (1 alcoholic, 0 control), ``subject``,
        ``condition``, ``trial``, ``sfreq``, ``ch_names``, ``classes``, and ``flat``, the names of trial-channels
        without signal.

    Raises
    ------
    ValueError
        Naming the file (and line) that is truncated, mislabelled, non-finite or unlike the others.

    Warns
    -----
    UserWarning
        Naming flat trial-channels.
    """
    files = _files_of(paths)
    trials = [read_uci_trial(file) for file in files]
    first = trials[0]
    for file, trial in zip(files, trials, strict=True):
        if (trial.ch_names, trial.sfreq, trial.X.shape) != (first.ch_names, first.sfreq, first.X.shape):
            raise ValueError(f"{file} has other channels, another length or sampling rate than {files[0]}")
    X = np.array([trial.X for trial in trials], dtype=np.float32)
    flat = [f"{files[i].name} {first.ch_names[c]}" for i, c in np.argwhere(np.ptp(X, axis=2) == 0)]
    if flat:
        warnings.warn(f"{len(flat)} trial-channels are flat: {', '.join(flat[:10])}", stacklevel=2)
    fields = {key: np.array([trial[key] for trial in trials]) for key in ("y", "subject", "condition", "trial")}
    with reading(files[0], ""):
        return make_trials(X, sfreq=first.sfreq, ch_names=first.ch_names, flat=flat, **fields)


def _files_of(paths):
    """The files meant by a folder, a file or a list."""
    if isinstance(paths, (str, pathlib.Path)):
        paths = pathlib.Path(paths)
        paths = sorted(paths.rglob("*.rd*")) if paths.is_dir() else [paths]
        paths = [path for path in paths if _NAME.search(path.name)]
    files = [pathlib.Path(path) for path in paths]
    if not files:
        raise ValueError("No .rd or .rd.gz files of the UCI EEG database were given or found")
    return files


def fetch_uci_eeg(
    data_home: str | os.PathLike | None = None, *, known_hash: str | None = None, verbose: int = 0
) -> Bunch:
    """Download and load the whole UCI EEG database (122 subjects, about 700 MB packed).

    Parameters
    ----------
    data_home : str, path-like or None
        Where to keep the download; None is the user's cache folder.
    known_hash : str or None
        SHA-256 of the archive, ``"sha256:..."``. None accepts the first download, writes its checksum beside it and
        holds every later use to that checksum: the database publishes none.
    verbose : int, default=0
        1 shows a progress bar of the download.

    Returns
    -------
    Bunch
        As of `load_uci_eeg`.

    Raises
    ------
    ValueError
        When the file does not have the expected checksum, or cannot be unpacked.

    Notes
    -----
    H. Begleiter, Neurodynamics Laboratory, State University of New York. Licence: Creative Commons Attribution 4.0.
    Whether a subject is alcoholic is a property of the subject: split by ``subject`` for honest accuracy.

    References
    ----------
    UCI Machine Learning Repository, EEG Database. doi:10.24432/C5TS3D
    """
    import pooch

    folder = pathlib.Path(data_home) if data_home is not None else pooch.os_cache("eegexplain")
    note = folder / "uci_eeg.zip.sha256"
    if known_hash is None and note.exists():
        with reading(note, "holds no checksum"):
            known_hash = note.read_text(encoding="ascii").strip()
    archive = pathlib.Path(pooch.retrieve(URL, known_hash, "uci_eeg.zip", folder, progressbar=bool(verbose)))
    unpacked = folder / "uci_eeg"
    if not unpacked.exists():
        with reading(archive, "is no archive of the UCI EEG database: delete it, to have it downloaded again"):
            unpack_archive(archive, unpacked)
    if not note.exists():  # not before the archive has proved to be one
        note.write_text(f"sha256:{pooch.file_hash(archive)}\n", encoding="ascii")
    return load_uci_eeg(unpacked)


def unpack_archive(archive: pathlib.Path, folder: pathlib.Path) -> None:
    """Unpack an archive of archives, whole or not at all.

    Parameters
    ----------
    archive : pathlib.Path
        A ``.zip`` or ``.tar`` file that may hold others.
    folder : pathlib.Path
        Where to; it must not be there yet.

    Raises
    ------
    ValueError
        For an archive that unpacks to much more than its own size.
    """
    import shutil
    import tempfile

    endings = (".tar.gz", ".tgz", ".tar", ".zip")
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        work = pathlib.Path(made) / folder.name
        _check_archive(archive)
        shutil.unpack_archive(archive, work)
        while packed := [file for file in work.rglob("*") if file.name.endswith(endings) and file.is_file()]:
            for file in packed:
                _check_archive(file)
                shutil.unpack_archive(file, file.parent, filter=None if file.name.endswith(".zip") else "data")
                file.unlink()
        work.rename(folder)


def _check_archive(path):
    """Compare the declared sizes of what an archive holds with its own."""
    import tarfile
    import zipfile

    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(info.file_size for info in archive.infolist())
    else:
        with tarfile.open(path) as archive:
            n_bytes = sum(member.size for member in archive)
    check_unpacked(n_bytes, path.stat().st_size, MAX_BYTES)
