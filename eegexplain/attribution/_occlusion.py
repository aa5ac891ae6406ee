"""What leaves the outputs of any model when a cell of its input is replaced."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegexplain._parallel import trial_blocks
from eegexplain._units import Unit, run_units
from eegexplain.attribution._baselines import Bank
from eegexplain.bases import Basis

BYTES = 2**23  # of the trials that are asked about together: a constant, so that results depend on shapes alone


@dataclass(frozen=True, eq=False)
class Occluder:
    """A model, and what is taken from its trials.

    Parameters
    ----------
    model : TorchNet or ScikitOutputs
    response : str
        Resolved: not "auto".
    basis : Basis
        Bound.
    bank : Bank
        What stands in the place of what is taken.
    joint : bool
        Whether a cell is taken from all rows at once.
    batch_size, n_jobs, verbose : object
        As in `OcclusionAttributor`.
    """

    model: Any
    response: str
    basis: Basis
    bank: Bank
    joint: bool = False
    batch_size: int | None = None
    n_jobs: int | None = None
    verbose: int = 0

    def masks(self, n_rows: int, n_cells: int) -> Iterator[NDArray]:
        """Cells that are taken together, `(n_rows, n_cells)`: each by itself, or one from all rows."""
        for row in [slice(None)] if self.joint else range(n_rows):
            for cell in range(n_cells):
                mask = np.zeros((n_rows, n_cells))
                mask[row, cell] = 1.0
                yield mask

    def blocks(self, X: NDArray) -> Iterator[tuple[slice, NDArray]]:
        """Maps block by block.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)

        Yields
        ------
        part : slice
        maps : ndarray of shape (n_trials, n_outputs, n_masks)
        """
        parts = trial_blocks(len(X))
        units = [Unit(_block, (self, X, part)) for part in parts]
        yield from zip(parts, run_units(units, n_jobs=self.n_jobs, verbose=self.verbose, desc="occlusion"), strict=True)

    def maps(self, X: NDArray, part: slice) -> NDArray:
        """Response of the trials as they are, less that without each cell, averaged over what takes its place.

        Parameters
        ----------
        X : ndarray of shape (n_trials, n_channels, n_times)
            The trials `part` of all.
        part : slice

        Returns
        -------
        ndarray of shape (n_trials, n_outputs, n_masks)
        """
        X = np.asarray(X, dtype=float)
        whole, kept = self._respond(X), 0.0
        for number in range(len(self.bank)):
            kept = kept + self._without(X, self.bank.draw(number, X, part))
        return whole[..., None] - kept / len(self.bank)

    def _without(self, X, filling):
        """Responses without each mask's cells, `(n_trials, n_outputs, n_masks)`."""
        coefficients = self.basis.analyze(filling - X)
        n_cells = len(next(iter(self.basis.coordinates().values())))
        masks = self.masks(coefficients.shape[-2], n_cells)
        found = []
        while some := list(islice(masks, max(1, BYTES // X.nbytes))):
            taken = self.basis.spread(np.stack(some))[:, None] * coefficients
            changed = X + self.basis.synthesize(taken)
            found.append(self._respond(changed.reshape(-1, *X.shape[1:])).reshape(len(some), len(X), -1))
        return np.concatenate(found).transpose(1, 2, 0)

    def _respond(self, X):
        return self.model.outputs(X, self.response, self.batch_size)


def _block(occluder, X, part):
    """Maps of one block: the whole `X` is given, of which a worker reads its rows."""
    return occluder.maps(X[part], part)
