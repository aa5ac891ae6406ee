"""Outputs of hybrids: trials with the cell of another, or with everything but the cell."""

import threading
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._units import STACK, Unit, run_units
from eegexplain.information._asked import Asked
from eegexplain.information._cells import Cell, Part
from eegexplain.information._partners import Effects, fit_effects

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

    @cached_property
    def n_part_bytes(self) -> int:
        """Of a part of all trials, which cells of several channels share."""
        return len(self.order) * int(np.prod(self.X.shape[1:])) * np.dtype(self.X.dtype).itemsize

    def of(self, cell: Cell | None, places: NDArray, n_cells: int = 1) -> Any:
        """Features of a cell of some trials.

        Parameters
        ----------
        cell : Cell or None
            None is the whole trial.
        places : ndarray of int
        n_cells : int, default=1
            How many are asked for in turn, beside the whole trial: unless all can be kept, none is.

        Returns
        -------
        array or tensor of shape (*places.shape, ...)
        """
        if (n_cells + 1) * self.n_bytes <= KEPT:
            with _KEEPING:
                if cell not in self._kept:
                    self._keep(cell, n_cells)
                return self._kept[cell][places]
        unique, back = np.unique(places, return_inverse=True)  # each trial is read once
        blocks = (self._of(cell, block) for block in self._blocks(self.order[unique]))
        return _filled(map(self._features, blocks), len(unique))[back.reshape(places.shape)]

    def whole(self) -> NDArray:
        """Outputs of whole trials.

        Returns
        -------
        ndarray of shape (n_trials, n_outputs)
        """
        blocks = np.split(np.arange(len(self.order)), range(self.n_at_once, len(self.order), self.n_at_once))
        return np.concatenate([self.asked.outputs(self.of(None, block)) for block in blocks])

    def _keep(self, cell, n_cells):
        """Compute a cell of all trials, in the place of the oldest where there is no more room; whole trials stay."""
        room, place = KEPT, None
        if cell is not None and cell.pair is not None and self.n_part_bytes + (n_cells + 1) * self.n_bytes <= KEPT:
            if self._part[0] is not cell.part:  # what cells of several channels share is computed once
                parts = (cell.part.of(np.asarray(self.X[block])) for block in self._blocks(self.order))
                self._part = cell.part, _filled(parts, len(self.order), self._part[1])
            blocks = (cell.pair.of(block) for block in self._blocks(self._part[1]))
        else:
            self._part = None, None
            blocks = (self._of(cell, block) for block in self._blocks(self.order))
        if self._part[0] is not None:
            room -= self.n_part_bytes
        while (len(self._kept) + 1) * self.n_bytes > room:
            place = self._kept.pop(next(one for one in self._kept if one is not None))
        self._kept[cell] = _filled(map(self._features, blocks), len(self.order), place)

    def _of(self, cell, block):
        found = np.asarray(self.X[block])
        return found if cell is None else cell.of(found)

    def _blocks(self, rows):
        """Some rows at a time: spectra and filtered trials are larger than what is kept."""
        return (rows[start : start + BLOCK_SIZE] for start in range(0, len(rows), BLOCK_SIZE))

    def _features(self, X):
        return self.asked.features(X.astype(self.X.dtype, copy=False))


def _filled(blocks, n_rows, place=None):
    """Blocks of rows in one array or tensor, which is never held twice."""
    start = 0
    for block in blocks:
        if place is None:
            shape = (n_rows, *block.shape[1:])
            place = np.empty(shape, block.dtype) if isinstance(block, np.ndarray) else block.new_empty(shape)
        place[start : start + len(block)] = block
        start += len(block)
    return place


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
    of = partial(parts.of, n_cells=len(cells))
    for start in range(0, len(partners), n_rows):
        whom = partners[start : start + n_rows]
        own = np.arange(start, start + len(whom))
        hybrids = sum(of(cell, whom) for cell in cells)
        if alone:
            hybrids = of(None, whom) - hybrids
            hybrids += sum(of(cell, own) for cell in cells)[:, None]
        else:
            hybrids += (of(None, own) - sum(of(cell, own) for cell in cells))[:, None]
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
) -> Effects:
    """What trials and partners add to the outputs of all hybrids, in units that run wherever the active backend says.

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
    Effects
        Of shapes (n_exchanges, ...). Outputs of hybrids, one per partner, are held for one unit at a time.
    """
    units = [Unit(_crossed, (parts, partners, [exchanges[number] for number in stack])) for stack in stacks]
    found = run_units(units, desc="information", **run)
    first = next(found)
    shape = (len(exchanges), *first.rows.shape[1:])
    everything = Effects(np.empty(shape), np.empty(shape), np.empty(len(exchanges)))
    for stack, one in zip(stacks, chain([first], found), strict=True):
        everything.rows[stack] = one.rows
        everything.columns[stack] = one.columns
        everything.interaction[stack] = one.interaction
    return everything


def _crossed(parts, partners, exchanges):
    outputs = [cross(parts, partners, one.cells, alone=one.alone) for one in exchanges]
    return fit_effects(np.stack(outputs), partners)
