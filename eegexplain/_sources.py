"""Trials that live in other libraries' objects, read when they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


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
