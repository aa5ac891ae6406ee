"""What data are expected at a stimulus: the noise, and the error of the fitted responses themselves."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import iqr
from sklearn.frozen import FrozenEstimator
from sklearn.utils.extmath import randomized_range_finder

from eegexplain.encoding._covariance import log_density, whiten
from eegexplain.encoding.weights._bands import read_bands

MOST_DIMENSIONS = 64  # of training samples along which errors of different targets go together
BLOCK = 64  # stimuli whose errors are held together
CHUNK = 2**22  # numbers in covariances of stimuli that are held together


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors of fitted responses at some stimuli, in units of the noise.

    With h_v(s) the weights that response v at stimulus s gives training samples, errors of two targets have the
    covariance ``omega_vw h_v(s) . h_w(s)``: noise that targets share, they share in their errors, too.

    Parameters
    ----------
    reach : ndarray of shape (n_stimuli, n_targets, n_dimensions)
        The h_v(s), in a basis of few dimensions.
    rest : ndarray of shape (n_stimuli, n_targets)
        What each target's variance has beyond ``h_v . h_v``: other dimensions, and what a penalty holds back.
    """

    reach: NDArray
    rest: NDArray

    @property
    def variance(self) -> NDArray:
        """Variance of the responses, in units of the noise, (n_stimuli, n_targets)."""
        return np.einsum("svr,svr->sv", self.reach, self.reach) + self.rest

    def covariance(self, omega: NDArray) -> NDArray:
        """Covariance of new data at each stimulus: noise and errors, (n_stimuli, n_targets, n_targets)."""
        shared = omega * (1 + self.reach @ self.reach.swapaxes(1, 2))
        diagonal = np.arange(len(omega))
        shared[:, diagonal, diagonal] += np.diag(omega) * self.rest
        return shared


def error_variance(errors: Any, stimuli: NDArray) -> NDArray:
    """Variance of fitted responses, a few stimuli at a time: the dimensions of all would take too much memory.

    Parameters
    ----------
    errors : WeightErrors, TuningErrors or None
        None for responses that are known.
    stimuli : ndarray of shape (n_stimuli, n_features)

    Returns
    -------
    ndarray of shape (n_stimuli, n_targets), or 0
        In units of the noise.
    """
    if errors is None:
        return np.zeros(())
    parts = [errors.at(stimuli[start : start + BLOCK]).variance for start in range(0, len(stimuli), BLOCK)]
    return np.concatenate(parts)


def errors_of(fitter: Any, stimulus: NDArray, residual: NDArray, kept: NDArray) -> Any:
    """Tell how far a fitter's responses may be off.

    Parameters
    ----------
    fitter : WeightFitter, ParameterFitter or FrozenEstimator
        Fitted to this stimulus.
    stimulus : ndarray of shape (n_samples, n_features)
    residual : ndarray of shape (n_samples, n_kept)
        Of the targets that are used.
    kept : ndarray of bool, shape (n_targets,)
        Which these are.

    Returns
    -------
    WeightErrors, TuningErrors or None
        ``at(stimuli)`` gives `Errors`; None where parameters are taken as known.
    """
    if isinstance(fitter, FrozenEstimator):
        return None
    if hasattr(fitter, "intercept_"):
        penalties = _penalties(fitter, stimulus.shape[1])[:, kept]
        return WeightErrors.of(fitter.model_, stimulus, penalties, fitter.fit_intercept)
    if getattr(fitter, "weights_", None) is not None:
        return WeightErrors.of(fitter.model, stimulus, np.zeros((1, residual.shape[1])), True)
    if not hasattr(fitter, "parameters_"):
        return None
    return TuningErrors.of(fitter, stimulus, residual, kept)


@dataclass(frozen=True, eq=False)
class WeightErrors:
    """Errors of ridge regression: one design for all targets, a penalty for each.

    Parameters
    ----------
    model : EncodingModel
        Makes the design.
    fit_intercept : bool
        Whether a column of ones, without a penalty, is added to it.
    gram, root : ndarray of shape (n_columns, n_columns)
        Inner products of the training design, and a root of them.
    penalties : ndarray of shape (n_columns, n_penalties)
        Different ones.
    member : ndarray of int, shape (n_targets,)
        Which of them each target has.
    """

    model: Any
    fit_intercept: bool
    gram: NDArray
    root: NDArray
    penalties: NDArray
    member: NDArray

    @classmethod
    def of(cls, model, stimulus, alphas, fit_intercept):
        """Decompose the training design; `alphas` are (n_features, n_targets), or one row for all."""
        design = _columns(model, stimulus, fit_intercept)
        gram = design.T @ design
        values, vectors = np.linalg.eigh(gram)
        root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
        n_columns = len(gram) - fit_intercept
        penalties = np.zeros((len(gram), alphas.shape[1]))
        # A band left out has an infinite penalty: one so large that its weights are zero is as good.
        penalties[:n_columns] = np.minimum(np.repeat(alphas, n_columns // len(alphas), axis=0), 1e6 * np.trace(gram))
        distinct, member = np.unique(penalties, axis=1, return_inverse=True)
        return cls(model, fit_intercept, gram, root, distinct, member.ravel())

    def at(self, stimuli):
        """Errors at stimuli (n_stimuli, n_features)."""
        new = _columns(self.model, stimuli, self.fit_intercept)
        reach = np.empty((len(new), len(self.member), len(self.gram)))
        rest = np.empty(reach.shape[:2])
        for i, penalty in enumerate(self.penalties.T):
            solved = new @ np.linalg.pinv(self.gram + np.diag(penalty), hermitian=True)
            along = solved @ self.root.T
            beyond = np.einsum("sp,sp->s", solved, new) - (along**2).sum(axis=1)
            reach[:, self.member == i] = along[:, None]
            rest[:, self.member == i] = np.maximum(beyond, 0.0)[:, None]
        return Errors(reach, rest)


def _penalties(fitter, n_features):
    """Penalty of each feature, or one for all, in each target."""
    if getattr(fitter, "bands", None) is None:
        return np.reshape(fitter.alpha_, (1, -1))
    member, _ = read_bands(fitter.bands, list(getattr(fitter, "feature_names_in_", range(n_features))))
    return fitter.band_alphas_[member]


def _columns(model, stimulus, fit_intercept):
    design = model.design(stimulus)
    return np.hstack([design, np.ones((len(design), 1))]) if fit_intercept else design


@dataclass(frozen=True, eq=False)
class TuningErrors:
    """Errors of tuning curves, to first order: a Jacobian for each target.

    Parameters
    ----------
    model : EncodingModel
    theta : ndarray of shape (n_targets, n_parameters)
        Fitted parameters.
    free : list of int
        Those that were fitted.
    inverse : ndarray of shape (n_targets, n_free, n_free)
        Covariance of the parameters, in units of the noise.
    lever : ndarray of shape (n_targets, n_free, n_dimensions)
        How the parameters follow the training samples.
    """

    model: Any
    theta: NDArray
    free: list
    inverse: NDArray
    lever: NDArray

    @classmethod
    def of(cls, fitter, stimulus, residual, kept):
        """Linearize at the solution; what a target's data leave open is as open as targets differ."""
        model, theta = fitter.model, np.asarray(fitter.parameters_, dtype=float)[kept]
        fixed = fitter.fixed_pars or ()
        fixed = {fixed} if isinstance(fixed, str) else set(fixed)
        free = [i for i, par in enumerate(model.get_parameter_space()) if par.label not in fixed]
        if not free:
            return None
        jacobian = _jacobian(model, theta, free, stimulus)
        gram = np.einsum("tvp,tvq->vpq", jacobian, jacobian)
        variance = (residual**2).sum(axis=0) / max(len(residual) - len(free), 1)
        gram += (variance[:, None] * _prior_precision(theta[:, free]))[:, :, None] * np.eye(len(free))
        size = np.sqrt(np.maximum(np.einsum("vpp->vp", gram), 1e-300))
        scaled = gram / size[:, :, None] / size[:, None, :]
        inverse = np.linalg.pinv(scaled, hermitian=True, rcond=1e-12) / size[:, :, None] / size[:, None, :]
        flat = jacobian.reshape(len(jacobian), -1)
        few = min(*flat.shape, MOST_DIMENSIONS)
        basis = randomized_range_finder(flat, size=few, n_iter=1, random_state=0)
        along = (basis.T @ flat).reshape(-1, *jacobian.shape[1:])  # (dimension, target, parameter)
        return cls(model, theta, free, inverse, np.einsum("rvp,vpq->vqr", along, inverse))

    def at(self, stimuli):
        """Errors at stimuli (n_stimuli, n_features)."""
        new = _jacobian(self.model, self.theta, self.free, stimuli)
        reach = np.einsum("svq,vqr->svr", new, self.lever)
        whole = np.einsum("svp,vpq,svq->sv", new, self.inverse, new, optimize=True)
        return Errors(reach, np.maximum(whole - np.einsum("svr,svr->sv", reach, reach), 0.0))


def _jacobian(model, theta, free, stimulus):
    """Derivatives of the responses by the free parameters, (n_samples, n_targets, n_free)."""
    space = model.get_parameter_space()
    shape = [i for i, par in enumerate(space) if par.role == "shape"]
    response, derivatives = model.response_gradient(stimulus, *theta.T[shape])
    amplitude = np.prod([theta[:, i] for i, par in enumerate(space) if par.role == "amplitude"], axis=0)
    by = {i: amplitude * derivative for i, derivative in zip(shape, derivatives, strict=True)}
    by |= {i: response for i, par in enumerate(space) if par.role == "amplitude"}
    by |= {i: np.ones_like(response) for i, par in enumerate(space) if par.role == "baseline"}
    size = (len(stimulus), len(theta))
    return np.stack([np.broadcast_to(by[i], size) for i in free], axis=2)


def _prior_precision(theta):
    """One over the variance of each parameter over targets, by its quartiles: what a target is without data."""
    if len(theta) < 4:
        return np.zeros(theta.shape[1])
    spread = iqr(theta, axis=0, nan_policy="omit", scale="normal")
    return 1 / np.maximum(spread, 1e-6 * np.maximum(np.nanmedian(np.abs(theta), axis=0), 1e-12)) ** 2


# -- densities


@dataclass(frozen=True, eq=False)
class Predictive:
    """Density of data at given stimuli.

    Parameters
    ----------
    stimuli : ndarray of shape (n_stimuli, n_features)
    expected : ndarray of shape (n_stimuli, n_targets)
        Fitted responses.
    errors : WeightErrors, TuningErrors or None
        How far these may be off.
    omega : ndarray of shape (n_targets, n_targets)
        Scale matrix of the noise.
    dof : float
        Its degrees of freedom; infinite for Gaussian noise.
    """

    stimuli: NDArray
    expected: NDArray
    errors: Any
    omega: NDArray
    dof: float

    def factors(self) -> Iterator[NDArray]:
        """Lower triangular factor of the scale matrix of data at each stimulus."""
        if self.errors is None:
            yield from itertools.repeat(np.linalg.cholesky(self.omega), len(self.stimuli))
            return
        step = min(BLOCK, max(1, CHUNK // len(self.omega) ** 2))
        for start in range(0, len(self.stimuli), step):
            errors = self.errors.at(self.stimuli[start : start + step])
            yield from np.linalg.cholesky(errors.covariance(self.omega))

    def log_likelihood(self, data: NDArray) -> NDArray:
        """Log density of data under each stimulus.

        Parameters
        ----------
        data : ndarray of shape (n_samples, n_targets)

        Returns
        -------
        ndarray of shape (n_samples, n_stimuli)
        """
        n = data.shape[1]
        if self.errors is None:
            factor = np.linalg.cholesky(self.omega)
            seen, known = whiten(factor, data), whiten(factor, self.expected)
            # |L^-1 (y - f(s))|^2, all pairs by one product
            squares = (seen**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2 * seen @ known.T
            return log_density(np.maximum(squares, 0.0), 2 * np.log(np.diag(factor)).sum(), n, self.dof)
        found = np.empty((len(data), len(self.expected)))
        for place, factor in enumerate(self.factors()):
            squares = (whiten(factor, data - self.expected[place]) ** 2).sum(axis=1)
            found[:, place] = log_density(squares, 2 * np.log(np.diag(factor)).sum(), n, self.dof)
        return found
