"""Checkpoints: folders that keep finished units of work, so that a long call goes on where it was interrupted.

One file per unit, written beside, synced and renamed, and a manifest that tells which call the folder belongs to. What
was half written when a process died has no name yet, or is shorter than it says, and is done again. Processes that work
on one checkpoint write the same files whole; none can spoil another's.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import pickle
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np

import eegexplain
from eegexplain._digest import Digests
from eegexplain._io import atomic_write

MANIFEST = "manifest.json"
ENDING = ".unit"
_HEAD = struct.Struct("<8sQ32s")  # what it is, bytes that follow, their SHA-256
_MAGIC = b"eegexpl1"
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "skorch")  # whose versions enter the last digits


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Where one loop keeps its units.

    Parameters
    ----------
    folder : pathlib.Path
    digests : Digests
    """

    folder: pathlib.Path
    digests: Digests = field(default_factory=Digests)

    def key(self, unit: Any) -> str:
        """Name of a unit: the digest of its function and its arguments, with data, parameters and seeds.

        Parameters
        ----------
        unit : Unit

        Returns
        -------
        str
        """
        return self.digests((unit.function, unit.arguments))

    def holds(self, key: str) -> bool:
        """Whether a unit is there in full length.

        Parameters
        ----------
        key : str

        Returns
        -------
        bool

        Raises
        ------
        ValueError
            For a file that is no unit.
        """
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                head = file.read(_HEAD.size)
                size = os.fstat(file.fileno()).st_size - _HEAD.size
        except FileNotFoundError:
            return False
        if size < 0:
            return False
        magic, length, _ = _HEAD.unpack(head)
        if magic != _MAGIC:
            raise self._damaged(path)
        return size >= length

    def load(self, key: str) -> Any:
        """What was kept of a unit.

        Parameters
        ----------
        key : str

        Returns
        -------
        object

        Raises
        ------
        ValueError
            For a damaged file.
        """
        path = self._path(key)
        content = path.read_bytes()
        _, length, digest = _HEAD.unpack(content[: _HEAD.size])
        body = content[_HEAD.size :]
        if len(body) != length or hashlib.sha256(body).digest() != digest:
            raise self._damaged(path)
        return pickle.loads(body)

    def keep(self, key: str, found: Any) -> Any:
        """Write what a unit gave.

        Parameters
        ----------
        key : str
        found : object

        Returns
        -------
        object
            As it will be read: what follows is the same after an interruption.
        """
        body = pickle.dumps(found, protocol=5)
        head = _HEAD.pack(_MAGIC, len(body), hashlib.sha256(body).digest())
        _write(self._path(key), head + body)
        return pickle.loads(body)

    def clear(self) -> None:
        """Remove what checkpoints wrote here and below, and folders that are empty then."""
        folders = [self.folder, *(path for path in self.folder.rglob("*") if path.is_dir())]
        for folder in sorted(folders, reverse=True):
            for path in [*folder.glob(f"*{ENDING}"), folder / MANIFEST]:
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # holds files of the user's
                folder.rmdir()

    def _path(self, key):
        return self.folder / f"{key}{ENDING}"

    def _damaged(self, path):
        return ValueError(f"{path} is damaged: delete this file, and its unit will be done again.")


def open_checkpoint(checkpoint: Any, loop: str, described: Mapping[str, Any], random_state: Any = 0) -> Any:
    """Open the part of a checkpoint that belongs to a loop, and refuse that of another call.

    Parameters
    ----------
    checkpoint : str, path-like, Checkpoint or None
        An open one is that of the loop around.
    loop : str
        Name of the folder in it.
    described : mapping of str to object
        What the results depend on; estimators are told parameter by parameter.
    random_state : int, RandomState or None
        Of the call: without one, nothing could be the same again.

    Returns
    -------
    Checkpoint or None

    Raises
    ------
    ValueError
        For the checkpoint of another call, naming what differs, a damaged one, and no random_state.
    OSError
        Where the folder cannot be made.
    """
    if checkpoint is None or isinstance(checkpoint, Checkpoint):
        return checkpoint
    if random_state is None or random_state is np.random.mtrand._rand:
        raise ValueError("A checkpoint is of one random_state: give an int, so that the call can be made again.")
    found = Checkpoint(pathlib.Path(checkpoint) / loop)
    found.folder.mkdir(parents=True, exist_ok=True)
    path = found.folder / MANIFEST
    own = {"made_by": "eegexplain", "versions": _versions(), "arguments": _told(described, found.digests)}
    if not path.exists():
        if any(found.folder.glob(f"*{ENDING}")):
            raise ValueError(f"{found.folder} holds units, but its {MANIFEST} is gone: give another folder.")
        _write(path, json.dumps(own, indent=2).encode())
    _compare(_read(path), own, found.folder)
    return found


def _read(path):
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {part: dict(found[part]) for part in ("versions", "arguments")}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged, or no manifest of a checkpoint: give another folder.") from error


def _compare(before, now, folder):
    """Refuse what another call, or other versions, left."""
    differences = [
        f"{name} was {before[part].get(name, 'not given')}, is {now[part].get(name, 'not given')}"
        for part in ("versions", "arguments")
        for name in {**before[part], **now[part]}
        if before[part].get(name) != now[part].get(name)
    ]
    if differences:
        raise ValueError(
            f"The checkpoint {folder} is of another call: {'; '.join(differences)}. Give the same, or another folder."
        )


def _versions():
    found = {name: version(name) for name in _LIBRARIES}
    return {"eegexplain": eegexplain.__version__, "python": platform.python_version()} | found


def _told(described, digests):
    """Each argument as text: numbers as they are, data by shape and digest, estimators parameter by parameter."""
    told = {}
    for name, value in described.items():
        told[name] = _as_text(value, digests)
        if hasattr(value, "get_params"):
            inner = value.get_params(deep=True)
            told |= {f"{name}__{key}": _as_text(inner[key], digests) for key in sorted(inner)}
    return told


def _as_text(value, digests):
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if hasattr(value, "get_params"):
        return type(value).__name__
    kind = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
    return f"{kind} {digests(value)[:12]}"


def _write(path, content):
    """Write a file whole, on the disk when it has its name."""
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if os.name == "posix":
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
