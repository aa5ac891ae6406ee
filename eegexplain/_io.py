"""Write files whole or not at all; save and load explanations without pickle."""

import contextlib
import io
import json
import os
import pathlib
import re
import tempfile
import time
import warnings

import numpy as np

from eegexplain._folders import LOCK, PREFIX, try_lock
from eegexplain._reading import check_seal, check_unpacked, read_npz, reading, seal
from eegexplain._validation import check_option

FRESH = 60  # seconds in which a temporary file may be without its lock yet
MAX_EXPLANATION = 2**30  # bytes in memory: a thousand outputs, channels and frequencies each are less


@contextlib.contextmanager
def atomic_write(path):
    """Give a temporary path beside `path` that becomes `path` on success and vanishes on failure.

    Parameters
    ----------
    path : str or path-like
        The file to write; its folder must exist.

    Yields
    ------
    temporary : pathlib.Path
        With the same ending as `path`, so that writers that choose a format by the ending work.

    Raises
    ------
    OSError
        When the folder is missing or cannot be written, naming it.
    """
    path = pathlib.Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"The folder {path.parent} does not exist: create it first.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file.")
    _remove_leftovers(path.parent)
    handle, name = tempfile.mkstemp(suffix=path.suffix, prefix=PREFIX, dir=path.parent)
    temporary = pathlib.Path(name)
    try:
        try_lock(handle)  # as long as this process lives, others know that the file is in use
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes private files; give what open() would have given
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _remove_leftovers(folder):
    """Remove temporary files of processes that were killed while they wrote."""
    for path in folder.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.name == LOCK or not path.is_file() or time.time() - path.stat().st_mtime < FRESH:
                continue
            handle = os.open(path, os.O_RDWR)
            try:
                if try_lock(handle):
                    path.unlink()
            finally:
                os.close(handle)


def save_explanation(dataset, path):
    """Save an ``explanation_`` as NetCDF (``.nc``) or as NumPy archive (``.npz``), with a checksum.

    Parameters
    ----------
    dataset : xarray.Dataset
        As every explainer stores it in ``explanation_``.
    path : str or path-like
        Ending in ``.nc`` or ``.npz``.

    Raises
    ------
    ValueError
        For another ending.
    OSError
        When the folder cannot be written.
    """
    path = pathlib.Path(path)
    check_option("the ending of path", path.suffix, (".nc", ".npz"))
    with atomic_write(path) as temporary:
        if path.suffix == ".nc":
            dataset.to_netcdf(temporary)
            seal(temporary)
            return
        header = {"attrs": {key: _plain(value) for key, value in dataset.attrs.items()}, "dims": {}, "coords": []}
        arrays = {}
        for name, variable in dataset.variables.items():
            header["dims"][name] = list(variable.dims)
            values = np.asarray(variable.values)
            arrays[f"v/{name}"] = values.astype(str) if values.dtype.kind == "O" else values
        header["coords"] = list(dataset.coords)
        with open(temporary, "wb") as file:
            np.savez_compressed(file, header=np.asarray(json.dumps(header)), **arrays)
        seal(temporary)


def _plain(value):
    """Numbers as Python's own, which JSON keeps; everything else as text."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, (int, float)) else str(value)


def load_explanation(path):
    """Load what `save_explanation` wrote.

    Parameters
    ----------
    path : str or path-like
        A ``.nc`` or ``.npz`` file.

    Returns
    -------
    dataset : xarray.Dataset

    Raises
    ------
    ValueError
        When the file is not an explanation, is damaged, contradicts itself or needs more than 1 GiB of memory.
    FileNotFoundError

    Warns
    -----
    UserWarning
        When a later version of this package wrote it.
    """
    path = pathlib.Path(path)
    check_option("the ending of path", path.suffix, (".nc", ".npz"))
    with reading(path, "is not an explanation saved by eegexplain"):
        check_seal(path)
        found = _load_netcdf(path) if path.suffix == ".nc" else _load_archive(path)
    _tell_later(path, str(found.attrs.get("version", "0")))
    return found


def _tell_later(path, version):
    """Warn of what a later version of this package wrote: it may mean something else by the same names."""
    from eegexplain import __version__

    theirs, ours = ([int(part) for part in re.findall(r"\d+", one)[:3]] for one in (version, __version__))
    if theirs > ours:
        warnings.warn(
            f"{path.name} was written by eegexplain {version}, later than this {__version__}: what it holds may be "
            "meant differently; pip install --upgrade eegexplain",
            stacklevel=3,
        )


def _load_netcdf(path):
    """A dataset, once its declared sizes are known to be small enough."""
    import xarray as xr

    check_unpacked(path.stat().st_size, path.stat().st_size, MAX_EXPLANATION)
    with open(path, "rb") as file:
        # Buffers give what they hold, where files are asked for as much room as a damaged header declares.
        classic = io.BytesIO(file.read()) if file.read(3) == b"CDF" and not file.seek(0) else None
    with xr.open_dataset(path if classic is None else classic) as dataset:
        check_unpacked(dataset.nbytes, path.stat().st_size, MAX_EXPLANATION)
        return dataset.load()


def _load_archive(path):
    """A dataset from arrays and the header that names their dimensions."""
    import xarray as xr

    header = json.loads(str(read_npz(path, lambda found: ["header"], MAX_EXPLANATION)["header"]))
    names = [f"v/{name}" for name in header["dims"]]

    def choose(found):
        """Names to read, once their shapes, which the headers tell, agree on the length of each dimension."""
        sizes = {}
        for name, dims in zip(names, header["dims"].values(), strict=True):
            for dim, size in zip(dims, found[name][1], strict=True):
                if sizes.setdefault(dim, size) != size:
                    raise ValueError(f"{dim} has sizes {sizes[dim]} and {size}")
        return names

    arrays = read_npz(path, choose, MAX_EXPLANATION)
    variables = {name: (dims, arrays[f"v/{name}"]) for name, dims in header["dims"].items()}
    coords = {name: variables.pop(name) for name in header["coords"]}
    return xr.Dataset(variables, coords=coords, attrs=header["attrs"])
