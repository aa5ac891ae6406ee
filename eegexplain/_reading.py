"""The one door for files: every failure is a ValueError that names the file, and sizes are compared before reading.

A damaged or hostile file makes the libraries that parse it raise whatever they meet, and allocate whatever it declares.
"""

import contextlib
import gzip
import hashlib
import math
import pathlib
import re
import warnings
import zipfile

import numpy as np

MAX_BYTES = 2**34  # of numbers in memory: 16 GiB
ALWAYS_ALLOWED = 2**26  # 64 MiB may come out of a file of any size ...
MAX_RATIO = 100  # ... and more only if it is packed at most a hundredfold: recordings are packed two- to fourfold
_SEAL = b"\n# eegexplain sha256 %s\n"
_SEALED = re.compile(rb"\n# eegexplain sha256 ([0-9a-f]{64})\n")
_SEAL_BYTES = len(_SEAL % (b"0" * 64))


@contextlib.contextmanager
def reading(path, complaint):
    """Turn whatever goes wrong with a file into a ValueError that names it.

    Parameters
    ----------
    path : path-like
        The file. That it is missing, or not ours to read, stays the OSError that it is.
    complaint : str
        What is said about the file, for example "is not a readable archive"; the reason follows in brackets. Empty
        where the errors inside are whole sentences.

    Raises
    ------
    ValueError
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a library about what it reads: the file is good, or refused
            yield
    except Exception as error:
        if isinstance(error, OSError) and str(error.filename) == str(path):
            raise
        if isinstance(error, ValueError) and str(error).startswith(str(path)):
            raise
        reason = " ".join(str(error).split())
        if not isinstance(error, (ValueError, OSError, zipfile.BadZipFile)) or not reason:
            reason = f"{type(error).__name__}{reason and ': '}{reason}"
        text = f"{path} {complaint} ({reason})" if complaint else f"{path}: {reason}"
        raise ValueError(text) from error


def check_unpacked(n_bytes, n_packed, limit):
    """Refuse to unpack what is larger than a limit, or packed as no recording is.

    Parameters
    ----------
    n_bytes, n_packed : int
        Size in memory and on the disk.
    limit : int
        In bytes.

    Raises
    ------
    ValueError
    """
    if n_bytes > limit:
        raise ValueError(f"it declares {n_bytes:.3g} bytes, more than the limit of {limit:.3g}")
    if n_bytes > max(ALWAYS_ALLOWED, MAX_RATIO * n_packed):
        raise ValueError(
            f"{n_packed:.3g} bytes declare {n_bytes:.3g}: more than {MAX_RATIO} times their size, as no recording does"
        )


def gunzip(path, limit):
    """Bytes of a file packed with gzip, read no further than a limit.

    Raises
    ------
    ValueError
        When there is more.
    """
    with gzip.open(path) as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise ValueError(f"it holds more than the limit of {limit:.3g} bytes")
    return raw


def read_npz(path, choose, limit=MAX_BYTES):
    """Arrays of a NumPy archive, read after their shapes are known to be right.

    Parameters
    ----------
    path : pathlib.Path
    choose : callable
        Takes a dict from name to `numpy.dtype` and shape of every array in the archive, and returns the names to read;
        raises ValueError where they contradict each other.
    limit : int
        In bytes of memory.

    Returns
    -------
    dict
        From name to array.

    Raises
    ------
    Exception
        Of any kind: to be called inside of `reading`.
    """
    with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        members = {info.filename.removesuffix(".npy"): info for info in infos}
        if len(members) < len(infos):
            raise ValueError("two of its entries have the same name")
        check_unpacked(sum(info.file_size for info in members.values()), path.stat().st_size, limit)
        headers = {name: _read_header(archive, info, limit) for name, info in members.items()}
        arrays = {}
        for name in choose(headers):
            with archive.open(members[name]) as member:
                arrays[name] = np.lib.format.read_array(member, allow_pickle=False)
        return arrays


def _read_header(archive, info, limit):
    """Type and shape of an array in an archive, compared with the size of its entry."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} is packed in a way that NumPy never uses")
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read = {(1, 0): np.lib.format.read_array_header_1_0}.get(version, np.lib.format.read_array_header_2_0)
        shape, _, dtype = read(member)
        if dtype.hasobject:
            raise ValueError("it holds pickled Python objects: save plain arrays")
        n_values = math.prod(shape)
        declared = member.tell() + n_values * dtype.itemsize
    if min(shape, default=0) < 0 or n_values > limit or declared != info.file_size:
        raise ValueError(f"{info.filename} declares {shape} values of {dtype}, but holds {info.file_size} bytes")
    return dtype, shape


def seal(path):
    """Write a checksum of all bytes of a file at its end, where readers of archives and of NetCDF look for nothing."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = bytes(_SEAL_BYTES)
    else:
        with open(path, "ab") as file:
            file.write(bytes(_SEAL_BYTES))
    with open(path, "r+b") as file:
        digest = _digest_before_seal(file)
        file.seek(-_SEAL_BYTES, 2)
        file.write(_SEAL % digest)


def check_seal(path):
    """Compare a file with its checksum, if it has one: files that others wrote have none.

    Raises
    ------
    ValueError
        When they differ.
    """
    with open(path, "rb") as file:
        if pathlib.Path(path).stat().st_size < _SEAL_BYTES:
            return
        file.seek(-_SEAL_BYTES, 2)
        found = _SEALED.fullmatch(file.read())
        if found and found.group(1) != _digest_before_seal(file):
            raise ValueError("its bytes are not those that were written: the checksum differs")


def _digest_before_seal(file):
    """SHA-256, in hexadecimal digits, of an open file without its last bytes."""
    left, digest = file.seek(-_SEAL_BYTES, 2), hashlib.sha256()
    file.seek(0)
    while left and (block := file.read(min(left, 2**20))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest().encode()
