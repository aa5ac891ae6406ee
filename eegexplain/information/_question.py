"""Which outputs of which trials are explained, and who judges them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._judge import Judge
from eegexplain.information._asked import Asked


@dataclass(frozen=True, eq=False)
class Question:
    """Trials in an order, and what they are asked by.

    Parameters
    ----------
    asked : Asked
        Features of trials, and outputs of features.
    X : ndarray of shape (n_trials, n_channels, n_times)
        Perhaps on disk.
    order : ndarray of int
        Trials to take.
    batch_size : int
        Changed trials per forward pass.
    dtype : type, default=float
        In which trials are changed: single precision is enough for those who answer in it.
    """

    asked: Asked
    X: NDArray
    order: NDArray
    batch_size: int
    dtype: Any = float

    def trials(self, places: slice) -> NDArray:
        """Some of the trials.

        Parameters
        ----------
        places : slice
            Of the order.

        Returns
        -------
        ndarray of shape (n, n_channels, n_times)
        """
        return np.asarray(self.X[self.order[places]], dtype=self.dtype)

    def outputs(self, change: Any = None) -> NDArray:
        """Outputs of all trials, perhaps of something made of them.

        Parameters
        ----------
        change : callable, optional
            From trials to trials.

        Returns
        -------
        ndarray of shape (n_trials, n_outputs)
        """
        found = []
        for start in range(0, len(self.order), self.batch_size):
            block = self.trials(slice(start, start + self.batch_size))
            found.append(self.asked.outputs(self.asked.features(block if change is None else change(block))))
        return np.concatenate(found).astype(float)

    def of(self, places: NDArray) -> "Question":
        """The same of some trials.

        Parameters
        ----------
        places : ndarray of int

        Returns
        -------
        Question
        """
        return replace(self, order=self.order[places])


@dataclass(frozen=True, eq=False)
class Judged:
    """A question of held-out trials.

    Parameters
    ----------
    question : Question
    whole : ndarray of shape (n_trials, n_outputs)
        Outputs of the trials as they are.
    judge : Judge
    testable : bool
        Whether there are enough of them for p values.
    """

    question: Question
    whole: NDArray
    judge: Judge
    testable: bool
