"""From a model and data to the problem that solvers see: inner products of responses and data, chunk by chunk."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from eegexplain.encoding._chunks import target_chunks


class Recording(NamedTuple):
    """What was measured.

    Parameters
    ----------
    stimulus : ndarray of shape (n_times, n_features)
        Stimulus.
    data : ndarray of shape (n_times, n_targets)
        Responses.
    confounds : ndarray of shape (n_times, n_confounds)
        Nuisance, possibly without columns.
    groups : ndarray of shape (n_times,) or None
        Runs.
    """

    stimulus: np.ndarray
    data: np.ndarray
    confounds: np.ndarray
    groups: np.ndarray | None


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


def make_problem(model, layout, recording, memory_limit):
    """Remove the nuisance from responses and, for a model of few stimulus dimensions, rotate to these.

    The data stay as they are: their inner products with responses without nuisance do not see the nuisance.

    Parameters
    ----------
    model : EncodingModel
        The model.
    layout : Layout
        What is found how.
    recording : Recording
        Stimulus and data.
    memory_limit : float
        Bytes per chunk of targets.

    Returns
    -------
    problem : Problem
        The problem.
    """
    ones = np.ones((len(recording.data), 1))
    constants = ones / np.sqrt(len(ones))
    in_nuisance = layout.projects_baseline
    nuisance = orthonormal_basis(np.hstack([ones, recording.confounds]) if in_nuisance else recording.confounds)
    constant = None if layout.baseline is None or in_nuisance else remove_nuisance(nuisance, ones)
    data, offset = recording.data, None if constant is None else recording.data.mean(axis=0)
    total = sums_of_squares(nuisance if constant is None else np.hstack([constants, nuisance]), data)
    respond = _responder(model, recording, nuisance)
    stimulus = model.filtered_stimulus(recording.stimulus, recording.groups)
    if stimulus is not None and constant is None:
        stimulus = remove_nuisance(nuisance, stimulus)
        if 2 * stimulus.shape[1] <= stimulus.shape[0]:
            u, s, vt = np.linalg.svd(stimulus, full_matrices=False)
            stimulus, data = s[:, None] * vt, u.T @ data
        respond = _field_responder(model, stimulus)
    return Problem(respond, data, total, constant, offset, len(layout.shape), memory_limit)


def _responder(model, recording, nuisance):
    """Responses in time, nuisance removed."""

    def respond(*shape, gradient):
        """Response of unit amplitude, and its derivatives by the shape parameters where asked for."""
        if not gradient:
            return remove_nuisance(nuisance, model.response(recording.stimulus, *shape, groups=recording.groups)), []
        response, derivatives = model.response_gradient(recording.stimulus, *shape, groups=recording.groups)
        return remove_nuisance(nuisance, response), [remove_nuisance(nuisance, each) for each in derivatives]

    return respond


def _field_responder(model, stimulus):
    """Responses of receptive fields to a rotated stimulus."""

    def respond(*shape, gradient):
        """As in `_responder`: linear in the stimulus, so that derivatives of the field suffice."""
        if not gradient:
            return stimulus @ model.field(*shape), []
        field, derivatives = model.field_gradient(*shape)
        return stimulus @ field, [stimulus @ each for each in derivatives]

    return respond


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
