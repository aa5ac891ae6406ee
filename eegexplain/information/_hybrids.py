"""Outputs of hybrids: trials with the cell of another, or with everything but the cell."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eegexplain.information._cells import Cell, Part
from eegexplain.information._partners import Effects, fit_effects

ROWS_AT_ONCE = 64
KEPT = 2**28  # bytes of a part of all trials that may be kept; beyond, it is computed anew for each block


@dataclass(eq=False)
class Parts:
    """Parts of trials by their places in an order; the last part is kept where memory allows.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
        Perhaps on disk.
    order : ndarray of int of shape (n_trials,)
    """

    X: NDArray
    order: NDArray
    part: Part | None = None
    values: NDArray | None = None

    def of(self, part: Part | None, places: NDArray) -> NDArray:
        """The part of some trials.

        Parameters
        ----------
        part : Part or None
            None is the whole trial.
        places : ndarray of int

        Returns
        -------
        ndarray of shape (*places.shape, n_channels, n_times)
        """
        places = self.order[places]
        if part is None or self.X.nbytes > KEPT:  # each trial is read once
            unique, back = np.unique(places, return_inverse=True)
            found = np.asarray(self.X[unique])
            return (found if part is None else part.of(found))[back.reshape(places.shape)]
        if self.part is not part:
            self.part, self.values = part, part.of(np.asarray(self.X))
        return self.values[places]


def cell_difference(parts: Parts, cell: Cell, one: NDArray, other: NDArray) -> NDArray:
    """The cell of some trials less that of others.

    Parameters
    ----------
    parts : Parts
    cell : Cell
    one, other : ndarray of int of the same shape

    Returns
    -------
    ndarray of shape (*one.shape, n_channels, n_times)
    """
    found = parts.of(cell.part, one) - parts.of(cell.part, other)
    return found if cell.pair is None else cell.pair.of(found)


def exchange(
    ask: Callable[[NDArray], NDArray], parts: Parts, partners: NDArray, cells: list[Cell], *, alone: bool = False
) -> Effects:
    """Cross every trial with its partners in some cells, and take the outputs apart.

    Parameters
    ----------
    ask : callable
        Gives outputs (n_trials, n_outputs) of trials.
    parts : Parts
    partners : ndarray of int of shape (n_trials, n_partners)
    cells : list of Cell
        All exchanged with the same partner; parts that they share are exchanged as often.
    alone : bool, default=False
        Exchange everything but these cells.

    Returns
    -------
    Effects
        Rows are the trials whose cells (with `alone`: whose rest) are averaged out.
    """
    outputs = []
    for start in range(0, len(partners), ROWS_AT_ONCE):
        whom = partners[start : start + ROWS_AT_ONCE]
        own = np.broadcast_to(np.arange(start, start + len(whom))[:, None], whom.shape)
        stay, come = (whom, own) if alone else (own, whom)
        hybrids = parts.of(None, stay) + sum(cell_difference(parts, cell, come, stay) for cell in cells)
        found = ask(hybrids.reshape(-1, *hybrids.shape[2:]).astype(parts.X.dtype, copy=False))
        outputs.append(found.reshape(*whom.shape, -1))
    return fit_effects(np.concatenate(outputs), partners)
