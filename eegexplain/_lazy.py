"""Trials that are read when they are asked for: mapped trials, windows of recordings, other libraries' objects."""

from __future__ import annotations

import mmap
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

_BLOCK = 256  # trials of which a part is taken at a time


class Source(Protocol):
    """What trials are read from, by their places in it."""

    @property
    def trial_shape(self) -> tuple[int, ...]:
        """Channels and samples."""

    @property
    def dtype(self) -> Any:
        """Data type as stored."""

    def read(self, places: NDArray[np.intp]) -> NDArray[Any]:
        """Trials ``(len(places), *trial_shape)``."""


@dataclass(frozen=True, eq=False)
class StoredTrials:
    """Trials ``(n_trials, n_channels, n_times)`` of an array, by number; most often one that a file holds."""

    array: NDArray[Any]

    @property
    def trial_shape(self):
        """Shape of a trial."""
        return self.array.shape[1:]

    @property
    def dtype(self):
        """Data type as stored."""
        return self.array.dtype

    def read(self, places):
        """Trials by number: a view where these are evenly spaced."""
        return _rows(self.array, places)


@dataclass(frozen=True, eq=False)
class StoredRecording:
    """Windows of a recording ``(n_channels, n_samples)`` by their first sample, none of which is held twice."""

    array: NDArray[Any]
    n_times: int

    @property
    def trial_shape(self):
        """Shape of a window."""
        return self.array.shape[0], self.n_times

    @property
    def dtype(self):
        """Data type as stored."""
        return self.array.dtype

    def read(self, places):
        """Windows by first sample: a view where these are evenly spaced."""
        return _rows(sliding_window_view(self.array, self.n_times, axis=1).swapaxes(0, 1), places)


@dataclass(frozen=True, eq=False)
class ChangedTrials:
    """Trials of another source, of some channels (None: all), times a factor (None: as they are)."""

    source: Source
    picks: NDArray[np.intp] | None = None
    factor: float | None = None

    @property
    def trial_shape(self):
        """Shape of a trial."""
        n_channels, *rest = self.source.trial_shape
        return (n_channels if self.picks is None else len(self.picks), *rest)

    @property
    def dtype(self):
        """Data type as stored."""
        return self.source.dtype

    def read(self, places):
        """Trials by place."""
        found = self.source.read(places)
        found = found if self.picks is None else found[:, self.picks]
        return found if self.factor is None else self.factor * found


@dataclass(frozen=True, eq=False)
class EpochsTrials:
    """Trials of `mne.Epochs` by number, of some channels."""

    epochs: Any
    picks: np.ndarray

    @property
    def trial_shape(self):
        """Shape of a trial."""
        return len(self.picks), len(self.epochs.times)

    @property
    def dtype(self):
        """Precision that MNE reads in."""
        return np.dtype(np.float64)

    def read(self, places):
        """Trials by number."""
        return self.epochs[places].get_data(picks=self.picks, copy=False, verbose="error")


@dataclass(frozen=True, eq=False)
class ItemTrials:
    """Trials of a dataset by number: ``trial(item)`` is an array ``(n_channels, n_times)``, of which `picks` are taken.

    Attributes
    ----------
    items : object
        With a length and ``[number]``.
    trial : callable
        From an item to its array.
    trial_shape : tuple of int
    dtype : dtype
    picks : ndarray of int, optional
        Channels; None is all.
    """

    items: Any
    trial: Callable[[Any], Any]
    trial_shape: tuple[int, ...]
    dtype: Any
    picks: np.ndarray | None = None

    def read(self, places):
        """Trials by number.

        Raises
        ------
        ValueError
            For trials of different shapes.
        """
        found = np.empty((len(places), *self.trial_shape), self.dtype)
        for row, place in enumerate(places):
            trial = np.asarray(self.trial(self.items[int(place)]))
            trial = trial if self.picks is None else trial[self.picks]
            if trial.shape != self.trial_shape:
                raise ValueError(
                    f"Trial {place} of the dataset has shape {trial.shape}, the first has {self.trial_shape}: cut all "
                    "to one length first."
                )
            found[row] = trial
        return found


def _rows(array, places):
    """Rows of an array; evenly spaced ones are a view."""
    if not len(places):
        return array[:0]
    step = int(places[1] - places[0]) if len(places) > 1 else 1
    if step == 0 or (len(places) > 2 and (np.diff(places) != step).any()):
        return array[places]
    stop = int(places[-1]) + (1 if step > 0 else -1)
    return array[int(places[0]) : None if stop < 0 else stop : step]


class LazyTrials(NDArrayOperatorsMixin):
    """Trials of shape ``(n_trials, n_channels, n_times)`` that stay where they are until a part of them is used.

    A number or a slice reads (``X[3]``, ``X[:64]``: plain arrays, without a copy where the trials lie in an array at
    even distances); an array of numbers or a mask selects (``X[train]``: lazy again), so that folds and subsets hold
    nothing. NumPy, and code that asks for the methods of an array, get all trials at once.

    Parameters
    ----------
    sources : sequence of Source
        With trials of one shape.
    places : ndarray of int of shape (n_trials,)
        Of each trial in its source.
    which : ndarray of int of shape (n_trials,), optional
        Number of the source of each trial; None is the first.
    """

    def __init__(self, sources, places, which=None):
        self._sources = tuple(sources)
        self._places = np.asarray(places, dtype=np.intp)
        self._which = None if which is None or len(self._sources) == 1 else np.asarray(which, dtype=np.intp)
        single = all(np.dtype(source.dtype) == np.float32 for source in self._sources)
        self.dtype = np.dtype(np.float32 if single else np.float64)

    @property
    def shape(self):
        """Number of trials, channels and samples."""
        return (len(self._places), *self._sources[0].trial_shape)

    @property
    def device(self):
        """Where arrays of them are, as array libraries ask before they take anything."""
        return "cpu"

    @property
    def ndim(self):
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self):
        """Number of samples in all trials."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self):
        """What all trials at once would take."""
        return self.size * self.dtype.itemsize

    def __len__(self):
        return len(self._places)

    def __repr__(self):
        return f"LazyTrials(shape={self.shape}, dtype={self.dtype.name})"

    def __getitem__(self, key: Any) -> Any:
        """Read trials by a number or a slice, select them by an array; see the class."""
        if isinstance(key, tuple):
            return self._part(*key)
        if isinstance(key, numbers.Integral):
            return self._read(np.array([range(len(self))[key]]))[0]
        if isinstance(key, slice):
            return self._read(np.arange(*key.indices(len(self))))
        if key is None or key is Ellipsis:
            return np.asarray(self)[key]
        chosen = np.asarray(key)
        if chosen.ndim != 1 or (chosen.dtype.kind not in "iub" and chosen.size):
            return np.asarray(self)[key]
        rows = np.arange(len(self))[chosen if chosen.size else slice(0)]
        return LazyTrials(self._sources, self._places[rows], None if self._which is None else self._which[rows])

    def _part(self, *key):
        """Read what a key of several axes names: of the chosen trials only."""
        first, *rest = key or (slice(None),)
        plain = all(isinstance(own, (numbers.Integral, slice, type(Ellipsis))) for own in rest)
        if first is None or first is Ellipsis or not plain:
            return np.asarray(self)[key]
        if isinstance(first, numbers.Integral):
            return self[first][tuple(rest)]
        rows = np.arange(len(self))[first]
        parts = (self._read(rows[start : start + _BLOCK]) for start in range(0, len(rows) or 1, _BLOCK))
        return np.concatenate([part[(slice(None), *rest)] for part in parts])

    def _read(self, rows):
        """Trials as an array that cannot be written to, in the precision of all."""
        if self._which is None:
            found = self._sources[0].read(self._places[rows])
        else:
            which, found = self._which[rows], np.empty((len(rows), *self.shape[1:]), self.dtype)
            for number in np.unique(which):
                own = np.flatnonzero(which == number)
                found[own] = self._sources[number].read(self._places[rows[own]])
        found = np.asarray(found.astype(self.dtype, copy=False)).view()
        found.flags.writeable = False
        return found

    def changed(self, *, picks: Any = None, factor: float | None = None) -> LazyTrials:
        """Trials of some channels, times a factor, read when they are asked for as well."""
        sources = [ChangedTrials(source, picks, factor) for source in self._sources]
        return LazyTrials(sources, self._places, self._which)

    def __array__(self, dtype=None, copy=None):
        """All trials: a view where they lie in one array at even distances."""
        found = self._read(np.arange(len(self)))
        if dtype is not None and np.dtype(dtype) != found.dtype:
            return found.astype(dtype)
        return found.copy() if copy else found

    def __array_ufunc__(self, ufunc, method, *inputs, **settings):
        """Arithmetic, of all trials at once."""
        arrays = [np.asarray(one) if isinstance(one, LazyTrials) else one for one in inputs]
        return getattr(ufunc, method)(*arrays, **settings)

    def __getattr__(self, name):
        """Methods of an array, of all trials at once."""
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        if callable(getattr(np.ndarray, name)):  # asked whether it is there: nothing is read yet
            return lambda *given, **settings: getattr(np.asarray(self), name)(*given, **settings)
        return getattr(np.asarray(self), name)


def lies_in_file(array: Any) -> bool:
    """Whether an array is a file's, or a view of one."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):
            return True
        array = array.base
    return isinstance(array, mmap.mmap)


def kept_lazy(X: Any) -> Any:
    """Trials that a file holds as `LazyTrials`: their subsets are then not copied; anything else as it is."""
    mapped = isinstance(X, np.ndarray) and X.ndim == 3 and X.dtype.kind in "iuf" and lies_in_file(X)
    return LazyTrials([StoredTrials(np.asarray(X))], np.arange(len(X))) if mapped else X


def as_trials(X: Any) -> Any:
    """View `X` as ``(n_trials, n_channels, n_times)``; 2-D trials get a channel axis of length 1."""
    return X if isinstance(X, LazyTrials) else X.reshape(X.shape[0], -1, X.shape[-1])


def mean_trial(X: Any) -> NDArray[np.float64]:
    """Mean over trials; of those that are lazy some at a time."""
    if not isinstance(X, LazyTrials):
        return X.mean(axis=0, dtype=np.float64)
    parts = (X[start : start + _BLOCK].sum(axis=0, dtype=np.float64) for start in range(0, len(X), _BLOCK))
    return sum(parts) / len(X)
