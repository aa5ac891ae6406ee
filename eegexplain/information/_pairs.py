"""What phase relations are worth: information lost without them, and the tables they stand in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eegexplain._judge import Judge, one_sided_p
from eegexplain.information._judging import NOTHING, lost_information
from eegexplain.information._partners import Effects
from eegexplain.information._question import Judged
from eegexplain.information._rotations import Relations


@dataclass(frozen=True, eq=False)
class Worth:
    """Information lost without something, with errors given the network.

    Parameters
    ----------
    value, error, p_value : float
        Over trials or groups; the p value is one-sided.
    """

    value: float
    error: float
    p_value: float

    @property
    def z(self) -> float:
        """In units of its error; 0 for nothing."""
        return self.value / self.error if self.error > 0 else self.value * self.error


UNKNOWN = Worth(np.nan, np.nan, np.nan)


def lost_without(trials: Judged, added: NDArray) -> NDArray:
    """Information that outputs have more than outputs without what something adds to them.

    Parameters
    ----------
    trials : Judged
    added : ndarray of shape (n_cells, n_trials, n_outputs)
        All at once: they are calibrated together.

    Returns
    -------
    ndarray of shape (n_cells, n_trials)
        Exactly 0 where nothing but rounding is added.
    """
    return lost_information(
        trials.judge, trials.whole, Effects(trials.whole - added, added, np.zeros(len(added)))
    ).values


def worth(judge: Judge, values: NDArray) -> Worth:
    """Mean over trials, with its error.

    Parameters
    ----------
    judge : Judge
    values : ndarray of shape (n_trials,)

    Returns
    -------
    Worth
    """
    value, error = float(values.mean()), judge.error(values)
    return Worth(value, error, one_sided_p(value, error, judge.degrees_of_freedom))


def evidence_columns(trials: Judged, found: Relations) -> NDArray:
    """What each pair says of each trial; exactly 0 for pairs that say nothing but rounding.

    Parameters
    ----------
    trials : Judged
    found : Relations

    Returns
    -------
    ndarray of shape (n_pairs, n_trials, n_outputs)
    """
    columns = found.values.swapaxes(0, 1)
    speaks = np.abs(columns).max(axis=(1, 2), initial=0.0) > NOTHING * trials.whole.std()
    return columns * speaks[:, None, None]


def square(of_pairs: NDArray, n_units: int, diagonal: float = 0.0) -> NDArray:
    """Numbers of pairs as symmetric tables.

    Parameters
    ----------
    of_pairs : ndarray of shape (..., n_pairs)
    n_units : int
    diagonal : float
        Of a unit with itself.

    Returns
    -------
    ndarray of shape (..., n_units, n_units)
    """
    table = np.full((*of_pairs.shape[:-1], n_units, n_units), diagonal)
    i, j = np.triu_indices(n_units, 1)
    table[..., i, j] = table[..., j, i] = of_pairs
    return table
