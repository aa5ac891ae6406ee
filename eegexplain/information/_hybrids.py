"""Outputs of hybrids: trials with the cell of another, or with everything but the cell."""

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._units import STACK, Unit, run_units
from eegexplain.information._asked import Asked
from eegexplain.information._cells import Cell, Part

KEPT = 2**27  # bytes of cells of all trials that may be kept; beyond, they are computed anew for each block
AT_ONCE = 2**23  # bytes of hybrids that are asked at once: they stay in the cache
MOST_AT_ONCE = 512
BLOCK_SIZE = 256
_KEEPING = threading.RLock()  # threads share what is kept


@dataclass(eq=False)
class Parts:
    """Features of cells of trials by their places in an order, computed once each where memory allows.

    Parameters
    ----------
    X : ndarray of shape (n_trials, n_channels, n_times)
        Perhaps on disk.
    order : ndarray of int of shape (n_trials,)
    asked : Asked
    """

    X: NDArray
    order: NDArray
    asked: Asked
    _kept: dict = field(default_factory=dict, repr=False)
    _part: tuple[Part | None, Any] = (None, None)

    def __getstate__(self):
        """Without what is kept: a worker computes its part of it sooner than it would receive all."""
        return {"X": self.X, "order": self.order, "asked": self.asked}

    def __setstate__(self, state):
        self.__dict__.update(state, _kept={}, _part=(None, None))

    @cached_property
    def n_bytes(self) -> int:
        """Of the features of all trials."""
        one = self._features(np.asarray(self.X[self.order[:1]]))
        return int(np.prod(one.shape)) * one.dtype.itemsize * len(self.order)

    @cached_property
    def n_at_once(self) -> int:
        """How many hybrids are asked at once: a function of shapes, so that results are of no machine."""
        return max(1, min(MOST_AT_ONCE, AT_ONCE * len(self.order) // self.n_bytes))

    def of(self, cell: Cell | None, places: NDArray) -> Any:
        """Features of a cell of some trials.

        Parameters
        ----------
        cell : Cell or None
            None is the whole trial.
        places : ndarray of int

        Returns
        -------
        array or tensor of shape (*places.shape, ...)
        """
        if 2 * self.n_bytes <= KEPT:
            with _KEEPING:
                if cell not in self._kept:
                    self._keep(cell)
                return self._kept[cell][places]
        unique, back = np.unique(places, return_inverse=True)  # each trial is read once
        found = np.asarray(self.X[self.order[unique]])
        return self._features(found if cell is None else cell.of(found))[back.reshape(places.shape)]

    def whole(self) -> NDArray:
        """Outputs of whole trials.

        Returns
        -------
        ndarray of shape (n_trials, n_outputs)
        """
        blocks = np.split(np.arange(len(self.order)), range(self.n_at_once, len(self.order), self.n_at_once))
        return np.concatenate([self.asked.outputs(self.of(None, block)) for block in blocks])

    def _keep(self, cell):
        """Compute a cell of all trials; the oldest makes room, whole trials stay."""
        while (len(self._kept) + 1) * self.n_bytes > KEPT:
            del self._kept[next(one for one in self._kept if one is not None)]
        n_bytes = np.dtype(float).itemsize * len(self.order) * int(np.prod(self.X.shape[1:]))
        shared = cell is not None and cell.pair is not None and n_bytes <= KEPT
        if shared and self._part[0] is not cell.part:  # what cells of several channels share is computed once
            parts = [cell.part.of(np.asarray(self.X[block])) for block in self._blocks()]
            self._part = cell.part, np.concatenate(parts)
        found = []
        for start, block in zip(range(0, len(self.order), BLOCK_SIZE), self._blocks(), strict=True):
            if shared:
                own = cell.pair.of(self._part[1][start : start + BLOCK_SIZE])
            else:
                own = np.asarray(self.X[block]) if cell is None else cell.of(np.asarray(self.X[block]))
            found.append(self._features(own))
        self._kept[cell] = np.concatenate(found) if isinstance(found[0], np.ndarray) else _joined(found)

    def _blocks(self):
        """Places of trials in the data, some at a time: spectra and filtered trials are larger than what is kept."""
        return (self.order[start : start + BLOCK_SIZE] for start in range(0, len(self.order), BLOCK_SIZE))

    def _features(self, X):
        return self.asked.features(X.astype(self.X.dtype, copy=False))


def _joined(tensors):
    import torch

    return torch.cat(tensors)


def cross(parts: Parts, partners: NDArray, cells: list[Cell], *, alone: bool = False) -> NDArray:
    """Outputs of every trial with some cells of each of its partners.

    Parameters
    ----------
    parts : Parts
    partners : ndarray of int of shape (n_trials, n_partners)
    cells : list of Cell
        All exchanged with the same partner; parts that they share are exchanged as often.
    alone : bool, default=False
        Exchange everything but these cells.

    Returns
    -------
    ndarray of shape (n_trials, n_partners, n_outputs)
    """
    outputs, n_rows = [], max(1, parts.n_at_once // partners.shape[1])
    for start in range(0, len(partners), n_rows):
        whom = partners[start : start + n_rows]
        own = np.arange(start, start + len(whom))
        hybrids = sum(parts.of(cell, whom) for cell in cells)
        if alone:
            hybrids = parts.of(None, whom) - hybrids
            hybrids += sum(parts.of(cell, own) for cell in cells)[:, None]
        else:
            hybrids += (parts.of(None, own) - sum(parts.of(cell, own) for cell in cells))[:, None]
        found = parts.asked.outputs(hybrids.reshape(-1, *hybrids.shape[2:]))
        outputs.append(found.reshape(*whom.shape, -1))
    return np.concatenate(outputs)


@dataclass(frozen=True, eq=False)
class Exchange:
    """What is exchanged between trials: an argument of `cross`.

    Parameters
    ----------
    cells : list of Cell
    alone : bool, default=False
    """

    cells: list[Cell]
    alone: bool = False


def stacks_of_parts(exchanges: list[Exchange]) -> list[list[int]]:
    """Numbers of exchanges of single cells that one unit does: some that share a part, which is computed once.

    Parameters
    ----------
    exchanges : list of Exchange

    Returns
    -------
    list of list of int
    """
    shared: dict[int, list[int]] = {}
    for number, one in enumerate(exchanges):
        shared.setdefault(id(one.cells[0].part), []).append(number)
    return [own[start : start + STACK] for own in shared.values() for start in range(0, len(own), STACK)]


def cross_all(
    parts: Parts, partners: NDArray, exchanges: list[Exchange], stacks: list[list[int]], **run: Any
) -> NDArray:
    """Outputs of all hybrids, in units that run wherever the active backend says.

    Parameters
    ----------
    parts : Parts
    partners : ndarray of int of shape (n_trials, n_partners)
    exchanges : list of Exchange
    stacks : list of list of int
        Which exchanges are one unit, every number once.
    **run : dict
        ``n_jobs, verbose`` of `run_units`.

    Returns
    -------
    ndarray of shape (n_exchanges, n_trials, n_partners, n_outputs)
    """
    units = [Unit(_crossed, (parts, partners, [exchanges[number] for number in stack])) for stack in stacks]
    found: dict[int, NDArray] = {}
    for stack, outputs in zip(stacks, run_units(units, desc="information", **run), strict=True):
        found |= dict(zip(stack, outputs, strict=True))
    return np.stack([found[number] for number in range(len(exchanges))])


def _crossed(parts, partners, exchanges):
    return [cross(parts, partners, one.cells, alone=one.alone) for one in exchanges]
