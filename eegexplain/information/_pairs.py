"""What phase relations are worth: information lost without them, and the tables they stand in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eegexplain._judge import one_sided_p
from eegexplain.information._judging import Lost, lost_information
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


NOTHING_SHOWN, UNKNOWN = Worth(0.0, 0.0, 1.0), Worth(np.nan, np.nan, np.nan)


def lost_without(trials: Judged, added: NDArray) -> Lost:
    """Information that outputs have more than outputs without what something adds to them.

    Parameters
    ----------
    trials : Judged
    added : ndarray of shape (n_cells, n_trials, n_outputs)

    Returns
    -------
    Lost
        Exactly 0, also its evidence, where nothing but rounding is added.
    """
    return lost_information(trials.judge, trials.whole, Effects(trials.whole - added, added, np.zeros(len(added))))


def worth(trials: Judged, without: NDArray) -> Worth:
    """What outputs know more than outputs without something.

    Parameters
    ----------
    trials : Judged
    without : ndarray of shape (n_trials, n_outputs)

    Returns
    -------
    Worth
    """
    values = lost_without(trials, (trials.whole - without)[None]).values[0]
    value, error = float(values.mean()), trials.judge.error(values)
    return Worth(value, error, one_sided_p(value, error, trials.judge.degrees_of_freedom))


def pairs_lost(trials: Judged, found: Relations) -> Lost:
    """What is lost without each pair.

    Parameters
    ----------
    trials : Judged
    found : Relations

    Returns
    -------
    Lost
    """
    if not found.values.shape[1]:
        nothing = np.zeros((0, *trials.whole.shape))
        return Lost(nothing[..., 0], Effects(nothing, nothing, np.zeros(0)))
    return lost_without(trials, found.values.swapaxes(0, 1))


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
