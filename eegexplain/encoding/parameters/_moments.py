"""What a fit needs to know of responses and data: their inner products, target by target, chunk by chunk."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from eegexplain.encoding._chunks import target_chunks


@dataclass(frozen=True)
class Problem:
    """Data, and responses without nuisance to compare with them.

    Parameters
    ----------
    respond : callable
        ``respond(*shape, gradient)`` -> response ``(n_samples, n_targets)`` and its derivatives by each shape
        parameter (an empty list without ``gradient``), nuisance removed.
    data : ndarray of shape (n_samples, n_targets)
        Data, or their projection on the dimensions of the stimulus.
    total : ndarray of shape (n_targets,)
        Sum of squares of the data, nuisance and offset removed.
    constant : ndarray of shape (n_samples, 1) or None
        What the baseline multiplies; None where it belongs to the nuisance.
    offset : ndarray of shape (n_targets,) or None
        With a constant: means of the data, which are taken off before products so that no digits are lost.
    n_shape : int
        Number of shape parameters.
    memory_limit : float
        Bytes that one chunk of targets may take.
    """

    respond: Callable
    data: np.ndarray
    total: np.ndarray
    constant: np.ndarray | None
    offset: np.ndarray | None
    n_shape: int
    memory_limit: float

    def moments(self, shape, targets):
        """Inner products of ``[derivatives, response, constant, data]`` for some targets.

        Parameters
        ----------
        shape : ndarray of shape (n_targets, n_shape)
            Shape parameters of these targets.
        targets : ndarray of int, shape (n_targets,)
            Which targets.

        Returns
        -------
        gram : ndarray of shape (n_targets, n_shape + 2 or 3, n_shape + 2 or 3)
            Inner products; the last row and column are the data's.
        """
        n_columns = self.n_shape + 2 + (self.constant is not None)
        gram = np.empty((len(targets), n_columns, n_columns))
        for chunk in target_chunks(len(targets), 3 * n_columns * len(self.data), self.memory_limit):
            gram[chunk] = self._chunk_moments(shape[chunk], targets[chunk])
        gram[:, -1, -1] = self.total[targets]
        return gram

    def restrict(self, targets):
        """Return the problem of some targets only."""
        offset = None if self.offset is None else self.offset[targets]
        return replace(self, data=self.data[:, targets], total=self.total[targets], offset=offset)

    def _chunk_moments(self, shape, targets):
        response, derivatives = self.respond(*shape.T, gradient=True)
        data = self.data[:, targets]
        columns = [*derivatives, np.broadcast_to(response, data.shape)]
        if self.constant is not None:
            columns.append(np.broadcast_to(self.constant, data.shape))
            data = data - self.offset[targets]
        columns.append(data)
        gram = np.empty((len(targets), len(columns), len(columns)))
        for i, left in enumerate(columns):
            for j, right in enumerate(columns[: i + 1]):
                gram[:, i, j] = gram[:, j, i] = np.einsum("tv,tv->v", left, right)
        return gram


def sums_of_squares(basis, data):
    """Sum of squares of each target, nuisance removed.

    Parameters
    ----------
    basis : ndarray of shape (n_samples, n_nuisance)
        Orthonormal columns.
    data : ndarray of shape (n_samples, n_targets)
        Data.

    Returns
    -------
    total : ndarray of shape (n_targets,)
        Sums of squares.
    """
    total = np.empty(data.shape[1])
    for chunk in target_chunks(data.shape[1], 3 * len(data)):
        residual = remove_nuisance(basis, data[:, chunk])
        total[chunk] = np.einsum("tv,tv->v", residual, residual)
    return total


def remove_nuisance(basis, signals):
    """Project signals off an orthonormal basis.

    Parameters
    ----------
    basis : ndarray of shape (n_samples, n_nuisance)
        Orthonormal columns.
    signals : ndarray of shape (n_samples, n_signals)
        Signals.

    Returns
    -------
    residual : ndarray of shape (n_samples, n_signals)
        What the basis does not explain.
    """
    return signals - basis @ (basis.T @ signals) if basis.shape[1] else signals


def orthonormal_basis(columns):
    """Orthonormal basis of the space that columns span, whatever their rank.

    Parameters
    ----------
    columns : ndarray of shape (n_samples, n_columns)
        Columns.

    Returns
    -------
    basis : ndarray of shape (n_samples, rank)
        Orthonormal columns.
    """
    scale = np.linalg.norm(columns, axis=0)
    kept = scale > 0
    if not kept.any():
        return columns[:, :0]
    u, s, _ = np.linalg.svd(columns[:, kept] / scale[kept], full_matrices=False)
    return u[:, s > s.max(initial=0) * max(columns.shape) * np.finfo(float).eps]
