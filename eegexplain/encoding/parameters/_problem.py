"""From a model and data to the problem that solvers see, and the numbers at the end."""

from typing import NamedTuple

import numpy as np

from eegexplain.encoding.parameters._moments import Problem, orthonormal_basis, remove_nuisance, sums_of_squares


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


def make_problem(model, layout, recording, memory_limit, *, project_baseline=True):
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
    project_baseline : bool
        Whether a free baseline is part of the nuisance.

    Returns
    -------
    problem : Problem
        The problem.
    """
    ones = np.ones((len(recording.data), 1))
    constants = ones / np.sqrt(len(ones))
    in_nuisance = layout.projects_baseline and project_baseline
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


class Statistics(NamedTuple):
    """What a fit leaves.

    Parameters
    ----------
    theta, standard_errors : ndarray of shape (n_targets, n_parameters)
        Parameters, with free baselines filled in, and their standard errors (NaN for fixed ones).
    ssq, r2 : ndarray of shape (n_targets,)
        Residual sum of squares, and explained share of the variance that confounds leave.
    """

    theta: np.ndarray
    standard_errors: np.ndarray
    ssq: np.ndarray
    r2: np.ndarray


class Outcome(NamedTuple):
    """What a fit found.

    Parameters
    ----------
    statistics : Statistics
        Parameters, errors and residuals.
    n_iter : ndarray of int, shape (n_targets,)
        Steps taken.
    converged : ndarray of bool, shape (n_targets,)
        Whether they sufficed.
    weights : ndarray of shape (n_columns, n_targets) or None
        Weights of a linear model.
    """

    statistics: Statistics
    n_iter: np.ndarray
    converged: np.ndarray
    weights: np.ndarray | None = None


def no_statistics(layout):
    """Return the statistics of no target."""
    empty = np.empty((0, len(layout.space)))
    return Statistics(empty, empty, np.empty(0), np.empty(0))


def explained_share(ssq, recording):
    """R2 of residual sums of squares, relative to the variance that confounds leave."""
    constants = np.hstack([np.ones((len(recording.data), 1)), recording.confounds])
    total = sums_of_squares(orthonormal_basis(constants), recording.data)
    return 1 - ssq / np.where(total > 0, total, np.nan)


def final_statistics(model, layout, recording, theta, memory_limit):
    """Fill in baselines; residuals and standard errors from the full Jacobian.

    Parameters
    ----------
    model, layout, recording, memory_limit
        As for ``make_problem``.
    theta : ndarray of shape (n_targets, n_parameters)
        Fitted parameters.

    Returns
    -------
    statistics : Statistics
        The numbers at the end.
    """
    problem = make_problem(model, layout, recording, memory_limit, project_baseline=False)
    gram = problem.moments(theta[:, layout.shape], np.arange(len(theta)))
    theta, f = theta.copy(), len(layout.shape)
    amplitude = np.ones(len(theta)) if layout.amplitude is None else theta[:, layout.amplitude]
    coefficients = np.zeros(gram.shape[:2])
    coefficients[:, f], coefficients[:, -1] = -amplitude, 1.0
    if layout.baseline is not None:
        if layout.projects_baseline:
            rest = (gram[:, f + 1, -1] - amplitude * gram[:, f, f + 1]) / gram[:, f + 1, f + 1]
            theta[:, layout.baseline] = problem.offset + rest
        coefficients[:, f + 1] = problem.offset - theta[:, layout.baseline]
    ssq = np.maximum(np.einsum("vi,vij,vj->v", coefficients, gram, coefficients), 0.0)
    errors = _standard_errors(gram, layout, amplitude, ssq, len(recording.data) - recording.confounds.shape[1])
    return Statistics(theta, errors, ssq, explained_share(ssq, recording))


def _standard_errors(gram, layout, amplitude, ssq, n_samples):
    """Standard errors from inverse normal equations; shared parameters by block elimination."""
    # Cramer-Rao: errors are roots of the diagonal of (J'J / sigma^2)^-1. Shared parameters add their information over
    # targets once each target's own parameters are taken out (Schur complement); local errors widen by what is left.
    space, f = layout.space, len(layout.shape)
    column = {par: i for i, par in enumerate(layout.shape)} | {layout.amplitude: f, layout.baseline: f + 1}
    free = [i for i, par in enumerate(space) if par.label not in layout.fixed]
    errors = np.full((len(gram), len(space)), np.nan)
    if not free:
        return errors
    scale = np.stack([amplitude if i in layout.shape else np.ones(len(gram)) for i in free], axis=1)
    columns = [column[i] for i in free]
    variance = ssq / max(n_samples - len(free), 1)
    information = gram[:, columns][:, :, columns] * scale[:, :, None] * scale[:, None, :]
    information = information / np.where(variance > 0, variance, np.nan)[:, None, None]
    shared = np.array([space[i].label in layout.shared for i in free])
    inverse = _pinv(information[:, ~shared][:, :, ~shared])
    squares = np.empty((len(gram), len(free)))
    squares[:, ~shared] = np.einsum("vii->vi", inverse)
    if shared.any():
        corner = information[:, ~shared][:, :, shared]
        schur = information[:, shared][:, :, shared] - corner.transpose(0, 2, 1) @ inverse @ corner
        joint = _pinv(np.nansum(schur, axis=0)[None])[0]
        reach = inverse @ corner
        squares[:, ~shared] += np.einsum("vij,jk,vik->vi", reach, joint, reach)
        squares[:, shared] = np.diag(joint)
    errors[:, free] = np.sqrt(np.maximum(squares, 0.0))
    return errors


def _pinv(matrices):
    """Pseudo-inverse of symmetric matrices, scaled to unit diagonal; NaN where one is not finite."""
    diagonal = np.einsum("vii->vi", matrices)
    finite = np.isfinite(matrices).all(axis=(1, 2))
    scale = np.where(diagonal > 0, 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)
    scaled = np.where(finite[:, None, None], matrices, 0.0) * scale[:, :, None] * scale[:, None, :]
    inverse = np.linalg.pinv(scaled, hermitian=True) * scale[:, :, None] * scale[:, None, :]
    return np.where(finite[:, None, None], inverse, np.nan)
