"""What a fit leaves: residuals, and the covariance of parameters for white, autocorrelated or changing noise.

Least squares solve ``sum_v w_v J_v' r_v = 0`` over targets v. With ``B_v = w_v J_v' J_v`` and noise of covariance
``S_v``, to first order, the estimate errs by ``B^-1 sum_v w_v J_v' e_v``, whose covariance is the sandwich

    B^-1 M B^-1,   M_v = w_v^2 J_v' S_v J_v.

White noise of variance ``1 / w_v`` makes ``M = B`` and leaves ``B^-1``; with any other weights, noise that follows upon
itself or whose variance changes, it does not. Targets meet in shared parameters only, so that B is an arrow, and its
inverse follows block by block.

References
----------
Huber, P. J. (1967). The behavior of maximum likelihood estimates under nonstandard conditions. Proceedings of the Fifth
Berkeley Symposium on Mathematical Statistics and Probability, 1, 221-233.

MacKinnon, J. G., & White, H. (1985). Some heteroskedasticity-consistent covariance matrix estimators with improved
finite sample properties. Journal of Econometrics, 29(3), 305-325. https://doi.org/10.1016/0304-4076(85)90158-7

Worsley, K. J., et al. (2002). A general statistical analysis for fMRI data. NeuroImage, 15(1), 1-15.
https://doi.org/10.1006/nimg.2001.0933
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from eegexplain.encoding._chunks import target_chunks
from eegexplain.encoding._runs import run_slices
from eegexplain.encoding.parameters._problem import orthonormal_basis, remove_nuisance, sums_of_squares

# Noise that follows upon itself by more than this is not told from a drift by recordings of some hundred samples.
LARGEST_CORRELATION, N_ROUNDS = 0.95, 4
# Directions with a smaller share of the information than this are not determined by the data.
LEAST_INFORMATION = 1e-14


@dataclass(frozen=True)
class Statistics:
    """What a fit leaves.

    Parameters
    ----------
    theta : ndarray of shape (n_targets, n_parameters)
        Parameters, with free baselines filled in.
    covariances : ndarray of shape (n_targets, n_parameters, n_parameters)
        Of their errors; NaN for fixed ones, infinite variances for those that the data do not determine.
    ssq, r2 : ndarray of shape (n_targets,)
        Residual sum of squares, and explained share of the variance that confounds leave.
    """

    theta: np.ndarray
    covariances: np.ndarray
    ssq: np.ndarray
    r2: np.ndarray


@dataclass(frozen=True)
class Linearized:
    """Some targets at their solution, residuals and Jacobian weighted alike, nuisance removed.

    Parameters
    ----------
    jacobian : ndarray of shape (n_targets, n_samples, n_unknown)
        Derivatives of the prediction.
    residual : ndarray of shape (n_targets, n_samples)
        Data less prediction.
    bread : ndarray of shape (n_targets, n_unknown, n_unknown)
        ``J'J``.
    nuisance : ndarray of shape (n_samples, n_nuisance)
        Orthonormal basis of what was removed.
    runs : list of slice
        Runs; noise does not follow from one to the next.
    """

    jacobian: np.ndarray
    residual: np.ndarray
    bread: np.ndarray
    nuisance: np.ndarray
    runs: list

    @property
    def dof(self):
        """Samples less unknowns."""
        return max(self.residual.shape[1] - self.nuisance.shape[1] - self.jacobian.shape[2], 1)


def white(fit: Linearized) -> np.ndarray:
    """``J'SJ`` of white noise.

    Parameters
    ----------
    fit : Linearized
        Targets at their solution.

    Returns
    -------
    meat : ndarray of shape (n_targets, n_unknown, n_unknown)
        The variance times ``J'J``.
    """
    return fit.bread * ((fit.residual**2).sum(axis=1) / fit.dof)[:, None, None]


def changing(fit: Linearized) -> np.ndarray:
    """``J'SJ`` of independent noise with a variance of its own at every sample (HC3).

    Parameters
    ----------
    fit : Linearized
        Targets at their solution.

    Returns
    -------
    meat : ndarray of shape (n_targets, n_unknown, n_unknown)
        Squared residuals take the place of variances, each divided by (1 - leverage)^2: residuals of samples that the
        fit follows are smaller than the noise there.
    """
    inverse = _invert(fit.bread)[0]
    leverage = np.einsum("vti,vij,vtj->vt", fit.jacobian, inverse, fit.jacobian) + (fit.nuisance**2).sum(axis=1)
    scaled = fit.jacobian * (fit.residual / np.maximum(1 - leverage, 1e-3))[:, :, None]
    return scaled.swapaxes(1, 2) @ scaled


def autoregressive(fit: Linearized) -> np.ndarray:
    """``J'SJ`` of stationary noise whose correlation over k samples is ``rho^k``, within runs.

    Parameters
    ----------
    fit : Linearized
        Targets at their solution.

    Returns
    -------
    meat : ndarray of shape (n_targets, n_unknown, n_unknown)
        With each target's own rho and variance.
    """
    # A fit takes more from slow noise than from fast: residuals R e are whiter than the noise e. So rho is sought at
    # which their expected correlation, tr(P R S R) / tr(R S R), is the observed one; P averages over neighbours.
    n_targets, n_samples, _ = fit.jacobian.shape
    nuisance = np.broadcast_to(fit.nuisance, (n_targets, *fit.nuisance.shape))
    basis = np.concatenate([np.linalg.qr(fit.jacobian)[0], nuisance], axis=2)
    squares = (fit.residual**2).sum(axis=1)
    observed = np.einsum("vt,vt->v", fit.residual, _neighbours(fit.residual[:, :, None], fit.runs)[:, :, 0])
    observed = observed / np.where(squares > 0, squares, 1.0)
    n_pairs, near = n_samples - len(fit.runs), _neighbours(basis, fit.runs)
    overlap, rho = basis.swapaxes(1, 2) @ near, np.clip(observed, -LARGEST_CORRELATION, LARGEST_CORRELATION)
    for _ in range(N_ROUNDS):
        smooth = _correlate(basis, rho, fit.runs)
        inside = basis.swapaxes(1, 2) @ smooth
        left = n_samples - np.einsum("vii->v", inside)
        lagged = n_pairs * rho - 2 * np.einsum("vti,vti->v", near, smooth) + np.einsum("vij,vji->v", overlap, inside)
        rho = np.clip(rho + observed - lagged / left, -LARGEST_CORRELATION, LARGEST_CORRELATION)
    meat = fit.jacobian.swapaxes(1, 2) @ _correlate(fit.jacobian, rho, fit.runs)
    return meat * (squares / left)[:, None, None]


ERRORS = {"iid": white, "ar1": autoregressive, "sandwich": changing}


def _neighbours(columns, runs):
    """Mean of what is one sample before and one after, nothing beyond a run; ``(n_targets, n_samples, n)``."""
    near = np.zeros_like(columns)
    for run in runs:
        part, into = columns[:, run], near[:, run]
        into[:, 1:] += part[:, :-1] / 2
        into[:, :-1] += part[:, 1:] / 2
    return near


def _correlate(columns, rho, runs):
    """Product with the matrix ``rho^|s - t|`` of each target, run by run."""
    product = np.empty_like(columns)
    for run in runs:
        n_samples = run.stop - run.start
        n_fft = next_fast_len(2 * n_samples - 1, real=True)
        lags = np.minimum(np.arange(n_fft), n_fft - np.arange(n_fft))
        spectrum = rfft(columns[:, run], n_fft, axis=1) * rfft(rho[:, None] ** lags, axis=1)[:, :, None]
        product[:, run] = irfft(spectrum, n_fft, axis=1)[:, :n_samples]
    return product


def explained_share(ssq, recording):
    """R2 of residual sums of squares, relative to the variance that confounds leave."""
    constants = np.hstack([np.ones((len(recording.data), 1)), recording.confounds])
    total = sums_of_squares(orthonormal_basis(constants), recording.data)
    return 1 - ssq / np.where(total > 0, total, np.nan)


def final_statistics(model, layout, recording, theta, *, memory_limit, cost, errors) -> Statistics:
    """Fill in baselines; residuals and covariances from the full Jacobian, bounds or not.

    Parameters
    ----------
    model : EncodingModel
        The model.
    layout : Layout
        What was found how.
    recording : Recording
        Stimulus and data.
    theta : ndarray of shape (n_targets, n_parameters)
        Fitted parameters.
    memory_limit : float
        Bytes that one chunk of targets may take.
    cost : Cost
        What was added over targets: it weighs those that share parameters.
    errors : callable
        One of ``ERRORS``: what the noise is taken to be.

    Returns
    -------
    statistics : Statistics
        The numbers at the end.
    """
    unknown, nuisance = layout.unknown(), orthonormal_basis(recording.confounds)
    n_samples, n_targets = recording.data.shape
    runs, theta, ssq = run_slices(recording.groups, n_samples), theta.copy(), np.empty(n_targets)
    bread, meat = np.empty((2, n_targets, len(unknown), len(unknown)))
    for chunk in target_chunks(n_targets, 4 * n_samples * (len(layout.space) + 1), memory_limit):
        data = recording.data[:, chunk]
        columns, residual = _linearize(model, layout, recording, theta[chunk], data)
        residual = remove_nuisance(nuisance, residual)
        ssq[chunk] = np.einsum("tv,tv->v", residual, residual)
        weight = np.sqrt(cost.weight(ssq[chunk] + 1e-200)) if layout.shared else np.ones(data.shape[1])
        jacobian = np.empty((data.shape[1], n_samples, len(unknown)))
        for i, parameter in enumerate(unknown):
            jacobian[:, :, i] = (remove_nuisance(nuisance, columns[parameter]) * weight).T
        bread[chunk] = jacobian.swapaxes(1, 2) @ jacobian
        meat[chunk] = errors(Linearized(jacobian, (residual * weight).T, bread[chunk], nuisance, runs))
    shared = np.array([layout.space[i].label in layout.shared for i in unknown], dtype=bool)
    covariances = np.full((n_targets, len(layout.space), len(layout.space)), np.nan)
    covariances[np.ix_(range(n_targets), unknown, unknown)] = sandwich(bread, meat, shared)
    return Statistics(theta, covariances, ssq, explained_share(ssq, recording))


def _linearize(model, layout, recording, theta, data):
    """Derivatives of the prediction by each parameter, and residuals; fills free baselines in ``theta``."""
    shape = theta[:, layout.shape].T
    response, derivatives = model.response_gradient(recording.stimulus, *shape, groups=recording.groups)
    amplitude = np.ones(len(theta)) if layout.amplitude is None else theta[:, layout.amplitude]
    columns = {i: each * amplitude for i, each in zip(layout.shape, derivatives, strict=True)}
    columns[layout.amplitude] = response = np.broadcast_to(response, data.shape)
    residual = data - amplitude * response
    if layout.baseline is not None:
        columns[layout.baseline] = np.ones_like(data)
        if layout.projects_baseline:  # confounds have no mean beside a baseline
            theta[:, layout.baseline] = residual.mean(axis=0)
        residual -= theta[:, layout.baseline]
    return columns, residual


def sandwich(bread: np.ndarray, meat: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """``B^-1 M B^-1`` of targets that meet in shared parameters only.

    Parameters
    ----------
    bread, meat : ndarray of shape (n_targets, n_unknown, n_unknown)
        Of each target.
    shared : ndarray of bool, shape (n_unknown,)
        Which parameters all targets share.

    Returns
    -------
    covariances : ndarray of shape (n_targets, n_unknown, n_unknown)
        Of each target's parameters; an infinite variance where the data do not determine one.
    """
    local, covariances = ~shared, np.empty_like(bread)
    inverse, loose = _invert(bread[:, local][:, :, local])
    apart = inverse @ meat[:, local][:, :, local] @ inverse
    undetermined = np.zeros(bread.shape[:2], dtype=bool)
    undetermined[:, local] = loose
    if shared.any():
        # A shared parameter hears of each target what the local ones cannot take up: score_s - B_sl B_ll^-1 score_l.
        reach = inverse @ bread[:, local][:, :, shared]
        heard = np.zeros((len(bread), shared.sum(), len(shared)))
        heard[:, :, local], heard[:, :, shared] = -reach.swapaxes(1, 2), np.eye(shared.sum())
        joint, loose = _invert(np.nansum(heard @ bread[:, :, shared], axis=0)[None])
        undetermined[:, shared] = loose
        common = joint[0] @ np.nansum(heard @ meat @ heard.swapaxes(1, 2), axis=0) @ joint[0]
        through = inverse @ meat[:, local] @ heard.swapaxes(1, 2) @ joint[0]
        back = reach.swapaxes(1, 2)
        apart = apart - through @ back - reach @ through.swapaxes(1, 2) + reach @ common @ back
        crossed = through - reach @ common
        covariances[:, shared[:, None] & shared] = common.ravel()
        covariances[:, local[:, None] & shared] = crossed.reshape(len(bread), -1)
        covariances[:, shared[:, None] & local] = crossed.swapaxes(1, 2).reshape(len(bread), -1)
    covariances[:, local[:, None] & local] = apart.reshape(len(bread), -1)
    np.einsum("vii->vi", covariances)[undetermined] = np.inf
    return covariances


def _invert(matrices):
    """Pseudo-inverse of symmetric matrices, and which rows the data do not determine; NaN where one is not finite."""
    diagonal = np.einsum("vii->vi", matrices)
    finite = np.isfinite(matrices).all(axis=(1, 2))
    scale = np.where(diagonal > 0, 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0)), 0.0)  # whatever their units
    scaled = np.where(finite[:, None, None], matrices * scale[:, :, None] * scale[:, None, :], 0.0)
    values, vectors = np.linalg.eigh(scaled)
    known = values > LEAST_INFORMATION
    inverse = (vectors * np.where(known, 1 / np.where(known, values, 1.0), 0.0)[:, None, :]) @ vectors.swapaxes(1, 2)
    loose = np.einsum("vij,vj->vi", vectors**2, ~known) > 1e-8
    inverse = np.where(finite[:, None, None], inverse * scale[:, :, None] * scale[:, None, :], np.nan)
    return inverse, loose & finite[:, None]
