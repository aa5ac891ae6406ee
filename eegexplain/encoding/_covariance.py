"""Covariance of residuals: van Bergen's structure by maximum likelihood, moved towards the sample covariance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

SHARES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the sample covariance
LEAST_DOF, MOST_DOF = 2.05, 1e3  # a t distribution with a covariance; beyond, it is Gaussian


@dataclass(frozen=True, eq=False)
class Structure:
    """A covariance of few parameters, and these.

    Parameters
    ----------
    covariance : ndarray of shape (n_targets, n_targets)
        ``tau tau' * (common + near exp(-distance / length) + (1 - common - near) I) + sigma^2 similarity``.
    tau : ndarray of shape (n_targets,)
    common, sigma : float
    near, length : float
        0 and NaN without distances.
    dof : float
        Of a t distribution with this scale matrix; infinite for a Gaussian.
    """

    covariance: NDArray
    tau: NDArray
    common: float
    sigma: float
    near: float
    length: float
    dof: float


def log_density(squares: NDArray, log_determinant: float | NDArray, n_targets: int, dof: float) -> NDArray:
    """Log density of a multivariate t, or Gaussian, distribution.

    Parameters
    ----------
    squares : ndarray
        Squared Mahalanobis distances.
    log_determinant : float or ndarray
        Of the scale matrix; broadcasts.
    n_targets : int
    dof : float
        Infinite for a Gaussian.

    Returns
    -------
    ndarray
    """
    if np.isinf(dof):
        return -0.5 * (squares + log_determinant + n_targets * np.log(2 * np.pi))
    constant = gammaln((dof + n_targets) / 2) - gammaln(dof / 2) - n_targets / 2 * np.log(dof * np.pi)
    return constant - 0.5 * log_determinant - (dof + n_targets) / 2 * np.log1p(squares / dof)


def whiten(factor: NDArray, values: NDArray) -> NDArray:
    """Solve with a lower triangular factor, for each row.

    Parameters
    ----------
    factor : ndarray of shape (n_targets, n_targets)
    values : ndarray of shape (n_samples, n_targets)

    Returns
    -------
    ndarray of shape (n_samples, n_targets)
    """
    return solve_triangular(factor, values.T, lower=True, check_finite=False).T


def sample_weights(squares: NDArray, n_targets: int, dof: float) -> NDArray:
    """Weigh samples as the maximum likelihood of a t distribution does: those far out count less.

    Parameters
    ----------
    squares : ndarray of shape (n_samples,)
        Squared Mahalanobis distances.
    n_targets : int
    dof : float

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    return np.ones_like(squares) if np.isinf(dof) else (dof + n_targets) / (dof + squares)


# -- the structure


def fit_structure(
    residuals: NDArray, similarity: NDArray | None, distance: NDArray | None, dof: str | float | None, max_iter: int
) -> Structure:
    """Fit a covariance of few parameters, and the degrees of freedom, by maximum likelihood.

    Parameters
    ----------
    residuals : ndarray of shape (n_samples, n_targets)
    similarity, distance : ndarray of shape (n_targets, n_targets) or None
    dof : "auto", float or None
        None is Gaussian.
    max_iter : int

    Returns
    -------
    Structure
    """
    problem = _Problem.of(residuals, similarity, distance, dof)
    start, bounds = problem.start()
    options = {"maxiter": max_iter, "maxfun": 2 * max_iter, "ftol": 1e-9}
    found = minimize(problem.objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return problem.structure(found.x)


@dataclass(frozen=True, eq=False)
class _Problem:
    """Residuals in units of their scale, and the parts that a covariance is made of."""

    residuals: NDArray
    scale: NDArray
    similarity: NDArray | None
    size: float
    distance: NDArray | None
    dof: str | float | None

    @classmethod
    def of(cls, residuals, similarity, distance, dof):
        """Put residuals and similarities on a scale of about one, so that one start suits all units."""
        scale, size = np.sqrt((residuals**2).mean(axis=0)), 1.0
        if similarity is not None:
            similarity = similarity / np.outer(scale, scale)
            size = float(np.trace(similarity)) / len(scale)
            similarity = similarity / size if size > 0 else None
        return cls(residuals / scale, scale, similarity, size, distance, dof)

    def start(self):
        """Start values and bounds: tau, logits of shares, sigma, length, dof; logarithms of what is positive."""
        n = len(self.scale)
        start, bounds = [np.full(n, np.log(0.9))], [(-4.0, 2.0)] * n
        n_shares = 1 + (self.distance is not None)
        start.append(np.full(n_shares, -2.0))
        bounds += [(-12.0, 8.0)] * n_shares
        if self.similarity is not None:
            start.append([np.log(0.3)])
            bounds.append((-7.0, 3.0))
        if self.distance is not None:
            typical = np.log(np.median(self.distance[self.distance > 0]))
            start.append([typical])
            bounds.append((typical - 4, typical + 4))
        if self.dof == "auto":
            start.append([np.log(30.0)])
            bounds.append((np.log(LEAST_DOF), np.log(10 * MOST_DOF)))
        return np.concatenate(start), bounds

    def _read(self, x):
        """Named parameters of a point."""
        n = len(self.scale)
        rest = list(x[n:])
        tau = np.exp(x[:n])
        logits = np.array([0.0, *(rest.pop(0) for _ in range(1 + (self.distance is not None)))])
        shares = np.exp(logits) / np.exp(logits).sum()  # own, common, near
        sigma = np.exp(rest.pop(0)) if self.similarity is not None else 0.0
        length = np.exp(rest.pop(0)) if self.distance is not None else np.nan
        dof = np.exp(rest.pop(0)) if self.dof == "auto" else (np.inf if self.dof is None else float(self.dof))
        return tau, shares, sigma, length, dof

    def _covariance(self, tau, shares, sigma, length):
        """Covariance, its part that tau scales, and what the shares multiply."""
        n = len(tau)
        parts = [np.eye(n), np.ones((n, n))]
        if self.distance is not None:
            parts.append(np.exp(-self.distance / length))
        product = np.outer(tau, tau)
        scaled = product * sum(share * part for share, part in zip(shares, parts, strict=True))
        similar = 0.0 if self.similarity is None else sigma**2 * self.similarity
        return scaled + similar, scaled, [product * part for part in parts], similar

    def objective(self, x):
        """Minus the mean log likelihood, up to constants, and its gradient."""
        tau, shares, sigma, length, dof = self._read(x)
        covariance, scaled, parts, similar = self._covariance(tau, shares, sigma, length)
        n_samples, n = self.residuals.shape
        try:
            factor = cholesky(covariance, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(x)
        inverse_factor = solve_triangular(factor, np.eye(n), lower=True, check_finite=False)
        inverse = inverse_factor.T @ inverse_factor
        solved = self.residuals @ inverse
        squares = np.einsum("tv,tv->t", solved, self.residuals)
        log_determinant = 2 * np.log(np.diag(factor)).sum()
        value = -log_density(squares, log_determinant, n, dof).mean()
        weighted = solved * np.sqrt(sample_weights(squares, n, dof))[:, None]
        by_covariance = 0.5 * (inverse - weighted.T @ weighted / n_samples)
        gradient = [2 * (by_covariance * scaled).sum(axis=1)]
        by_share = np.array([(by_covariance * part).sum() for part in parts])
        gradient.append((shares * (by_share - shares @ by_share))[1:])
        if self.similarity is not None:
            gradient.append([2 * (by_covariance * similar).sum()])
        if self.distance is not None:
            gradient.append([shares[2] * (by_covariance * parts[2] * self.distance).sum() / length])
        if self.dof == "auto":
            gradient.append([dof * _by_dof(squares, n, dof)])
        return value, np.concatenate(gradient)

    def structure(self, x):
        """Return the covariance in the unit of the residuals."""
        tau, shares, sigma, length, dof = self._read(x)
        covariance = self._covariance(tau, shares, sigma, length)[0] * np.outer(self.scale, self.scale)
        near = float(shares[2]) if self.distance is not None else 0.0
        dof = dof if dof < MOST_DOF else np.inf
        sigma = float(sigma / np.sqrt(self.size)) if sigma else 0.0
        return Structure(covariance, tau * self.scale, float(shares[1]), sigma, near, float(length), float(dof))


def _by_dof(squares, n, dof):
    """Derivative of minus the mean log density by the degrees of freedom."""
    ratio = squares / dof
    by_tail = 0.5 * np.log1p(ratio).mean() - (dof + n) / (2 * dof) * (ratio / (1 + ratio)).mean()
    return by_tail - 0.5 * digamma((dof + n) / 2) + 0.5 * digamma(dof / 2) + n / (2 * dof)


# -- towards the sample covariance


def blend(structure: NDArray, residuals: NDArray, weights: NDArray, share: float) -> NDArray:
    """Mix a structure with the sample covariance.

    Parameters
    ----------
    structure : ndarray of shape (n_targets, n_targets)
    residuals : ndarray of shape (n_samples, n_targets)
    weights : ndarray of shape (n_samples,)
    share : float
        Of the sample covariance.

    Returns
    -------
    ndarray of shape (n_targets, n_targets)
    """
    return (1 - share) * structure + share * (residuals * weights[:, None]).T @ residuals / len(residuals)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What left-out samples say of a share: squared distances, and the log determinant that belongs to each."""

    share: float
    squares: NDArray
    log_determinant: NDArray
    log_likelihood: float


def choose_share(
    residuals: NDArray, structure: Structure, weights: NDArray, folds: NDArray, shares: tuple[float, ...]
) -> HeldOut:
    """Choose the share of the sample covariance under which left-out samples are most likely.

    Parameters
    ----------
    residuals : ndarray of shape (n_samples, n_targets)
    structure : Structure
    weights : ndarray of shape (n_samples,)
    folds : ndarray of int, shape (n_samples,)
    shares : tuple of float

    Returns
    -------
    HeldOut
    """
    factor = cholesky(structure.covariance, lower=True)
    own = 2 * np.log(np.diag(factor)).sum()
    white = whiten(factor, residuals)
    n = white.shape[1]
    squares, determinants = np.empty((2, len(shares), len(white)))
    for fold in np.unique(folds):
        out, kept = folds == fold, folds != fold
        # With L L' the structure, (1 - a) L L' + a S has the eigenvectors of L^-1 S L^-T for every share a.
        train = white[kept] * np.sqrt(weights[kept] / kept.sum())[:, None]
        _, size, axes = np.linalg.svd(train, full_matrices=False)
        along = (white[out] @ axes.T) ** 2
        across = np.maximum((white[out] ** 2).sum(axis=1) - along.sum(axis=1), 0.0)
        for i, share in enumerate(shares):
            spectrum, rest = (1 - share) + share * size**2, n - len(size)
            with np.errstate(divide="ignore", invalid="ignore"):
                beyond = across / (1 - share) if rest else 0.0
                squares[i, out] = along @ (1 / spectrum) + beyond
                determinants[i, out] = own + np.log(spectrum).sum() + (rest * np.log(1 - share) if rest else 0.0)
    likelihood = log_density(squares, determinants, n, structure.dof).mean(axis=1)
    best = int(np.argmax(np.where(np.isfinite(likelihood), likelihood, -np.inf)))
    return HeldOut(shares[best], squares[best], determinants[best], float(likelihood[best]))


def fit_tail(squares: NDArray, n_targets: int, dof: str | float | None) -> tuple[float, float]:
    """Factor of a scale matrix, and degrees of freedom, that make squared distances most likely.

    Parameters
    ----------
    squares : ndarray of shape (n_samples,)
        Of samples that the matrix was not fitted to.
    n_targets : int
    dof : "auto", float or None

    Returns
    -------
    factor, dof : float
    """

    def cost(x):
        """Of log factor and, if asked for, log dof."""
        own = np.exp(x[1]) if len(x) > 1 else (np.inf if dof is None else float(dof))
        return -log_density(squares * np.exp(-x[0]), n_targets * x[0], n_targets, own).mean()

    middle = np.log(squares.mean() / n_targets)
    start, bounds = [middle], [(middle - 5, middle + 5)]
    if dof == "auto":
        start.append(np.log(30.0))
        bounds.append((np.log(LEAST_DOF), np.log(10 * MOST_DOF)))
    found = minimize(cost, start, method="L-BFGS-B", bounds=bounds)
    fitted = np.exp(found.x[1]) if dof == "auto" else (np.inf if dof is None else float(dof))
    return float(np.exp(found.x[0])), float(fitted if fitted < MOST_DOF else np.inf)
