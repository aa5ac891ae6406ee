"""Ridge regression for many targets: every target its own penalty, one decomposition for all of them."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh, svd

BLOCK = 1024  # targets whose weights for one penalty stay in the cache
FAR = 100.0  # above this ratio of squared mean to variance, a target is centred before its squares are summed

# Above this ratio of the smallest penalty to the largest eigenvalue, rounding in the Gram matrix does no harm.
SAFE_DAMPING = 1e-9


class Spectrum(NamedTuple):
    """A centred design: singular values, and right singular vectors in columns."""

    values: np.ndarray
    vectors: np.ndarray


class Sums(NamedTuple):
    """Sums over samples: the Gram matrix, products with the data, and squares of the data."""

    gram: np.ndarray | None
    products: np.ndarray
    total: np.ndarray


def decompose(design, least_alpha, gram=None):
    """Decompose a centred design.

    Parameters
    ----------
    design : ndarray of shape (n_samples, n_columns)
        Centred columns.
    least_alpha : float
        Smallest penalty that will be used. If it is large enough, the cheap Gram matrix serves instead of an SVD.
    gram : ndarray of shape (n_columns, n_columns), default=None
        Gram matrix of the design, if known.

    Returns
    -------
    spectrum : Spectrum
        Numerically zero dimensions are left out, so rank deficiency is no special case.
    """
    n_samples, n_columns = design.shape
    if n_columns < n_samples and least_alpha > SAFE_DAMPING * np.vdot(design, design):
        return decompose_gram(design.T @ design if gram is None else gram)
    values, vectors = svd(design, full_matrices=False, check_finite=False)[1:]
    kept = values > values.max(initial=0.0) * max(design.shape) * np.finfo(float).eps
    return Spectrum(values[kept], vectors[kept].T)


def decompose_gram(gram):
    """Decompose a centred design, given its Gram matrix.

    Parameters
    ----------
    gram : ndarray of shape (n_columns, n_columns)
        ``X' X``.

    Returns
    -------
    spectrum : Spectrum
        Of the design.
    """
    values, vectors = eigh(gram, check_finite=False)
    kept = values > values.max(initial=0.0) * 10 * len(gram) * np.finfo(float).eps
    return Spectrum(np.sqrt(values[kept]), vectors[:, kept])


def solve(spectrum, products, alpha):
    """Ridge weights, one penalty per target.

    Parameters
    ----------
    spectrum : Spectrum
        Of the centred design.
    products : ndarray of shape (n_columns, n_targets)
        ``X' Y`` of centred design and data.
    alpha : ndarray of shape (n_targets,)
        Penalties; zero gives the least-squares weights of smallest norm.

    Returns
    -------
    weights : ndarray of shape (n_columns, n_targets)
        Weights.
    """
    rotated = spectrum.vectors.T @ products
    return spectrum.vectors @ (rotated / (spectrum.values[:, None] ** 2 + alpha))


def residual_squares(spectrum, weights, sums):
    """Sums of squared residuals, without the samples: ``|y - X w|^2 = y'y - 2 w'X'y + |S V'w|^2``.

    Parameters
    ----------
    spectrum : Spectrum
        Of the centred design.
    weights : ndarray of shape (n_columns, n_targets)
        Weights.
    sums : Sums
        Of centred design and data.

    Returns
    -------
    residual : ndarray of shape (n_targets,)
        At least zero.
    """
    residual = sums.total - 2 * np.einsum("pv,pv->v", weights, sums.products)
    for start in range(0, len(residual), BLOCK):
        some = slice(start, start + BLOCK)
        fitted = spectrum.values[:, None] * (spectrum.vectors.T @ weights[:, some])
        residual[some] += np.einsum("pv,pv->v", fitted, fitted)
    return np.maximum(residual, 0.0)


def residuals_by_penalty(spectrum, rotated, total, alphas):
    """Sums of squared residuals on the samples themselves, for every penalty.

    Parameters
    ----------
    spectrum : Spectrum
        Of the centred design.
    rotated : ndarray of shape (n_dimensions, n_targets)
        ``V' X' Y`` of centred design and data.
    total : ndarray of shape (n_targets,)
        Sums of squares of the centred data.
    alphas : ndarray of shape (n_alphas,)
        Penalties.

    Returns
    -------
    residual : ndarray of shape (n_alphas, n_targets)
        At least zero.
    """
    power = spectrum.values**2  # of |y|^2, the share along dimension d is (V' X' y)_d^2 / s_d^2
    lost = alphas[:, None] / (power + alphas[:, None])
    residual = ((lost**2 - 1) / power) @ np.square(rotated)
    residual += total
    return np.maximum(residual, 0.0, out=residual)


def generalized_cross_validation(spectrum, residual, total, alphas, n_samples, n_fitted):
    """Estimated R2 on unseen data, by generalised cross-validation.

    Parameters
    ----------
    spectrum : Spectrum
        Of the centred design.
    residual : ndarray of shape (n_alphas, n_targets)
        From `residuals_by_penalty`.
    total : ndarray of shape (n_targets,)
        Sums of squares of the centred data.
    alphas : ndarray of shape (n_alphas,)
        Penalties.
    n_samples, n_fitted : int
        Number of samples, and of parameters fitted beside the weights (one for an intercept).

    Returns
    -------
    scores : ndarray of shape (n_alphas, n_targets)
        One minus the ratio of estimated to total mean squares; minus infinity where no degree of freedom is left.
    """
    # Golub, Heath and Wahba (1979): leave-one-out errors with every leverage replaced by the mean, trace(H) / n, where
    # the hat matrix H has eigenvalues s^2 / (s^2 + alpha); so the score is |y - H y|^2 / (1 - trace(H) / n)^2.
    power = spectrum.values**2
    freedom = 1 - ((power / (power + alphas[:, None])).sum(axis=1) + n_fitted) / n_samples
    null = total * (1 - n_fitted / n_samples) ** -2 if n_samples > n_fitted else total
    known = freedom > 1e-10
    per_freedom = np.divide(-1, freedom**2, out=np.zeros_like(freedom), where=known)[:, None]
    scores = residual * per_freedom * np.divide(1, null, out=np.zeros_like(null), where=null > 0)
    scores += null > 0
    scores[~known] = -np.inf
    return scores


class ClosedFit(NamedTuple):
    """Ridge regressions whose penalties generalised cross-validation chose, all in one pass over the targets.

    Parameters
    ----------
    alpha : ndarray of shape (n_targets,)
        Penalty.
    scores : ndarray of shape (n_alphas, n_targets) or None
        Estimated R2 on unseen data of each penalty; None for a single one.
    weights : ndarray of shape (n_columns, n_targets)
        Weights.
    mean : ndarray of shape (n_targets,)
        Of the data; zeros without intercept.
    total, residual : ndarray of shape (n_targets,)
        Sums of squares of the centred data, and of what the weights leave of them.
    spectrum : Spectrum
        Of the design.
    """

    alpha: np.ndarray
    scores: np.ndarray | None
    weights: np.ndarray
    mean: np.ndarray
    total: np.ndarray
    residual: np.ndarray
    spectrum: Spectrum


def fit_closed(design, data, alphas, *, fit_intercept, chunks):
    """Choose the penalty of each target by generalised cross-validation, and fit.

    Parameters
    ----------
    design : ndarray of shape (n_samples, n_columns)
        Centred design.
    data : ndarray of shape (n_samples, n_targets)
        Data as they are.
    alphas : ndarray of shape (n_alphas,)
        Penalties.
    fit_intercept : bool
        Whether means of the data are taken off.
    chunks : list of slice
        Chunks of targets.

    Returns
    -------
    fit : ClosedFit
    """
    n_samples, n_targets = data.shape
    spectrum = decompose(design, alphas.min())
    axes = design @ spectrum.vectors  # rotated first, so that one product with the data is all that is read of them
    if fit_intercept:
        axes -= axes.mean(axis=0)  # what rounding left: it would be multiplied by the means of the data
    alpha, mean, total, squares = (np.empty(n_targets) for _ in range(4))
    weights, scores = np.empty((design.shape[1], n_targets)), np.empty((len(alphas), n_targets))
    for chunk in chunks:
        rotated, mean[chunk], total[chunk] = _rotate(axes, data[:, chunk], fit_intercept)
        residual = residuals_by_penalty(spectrum, rotated, total[chunk], alphas)
        best = np.zeros(residual.shape[1], dtype=int)
        if len(alphas) > 1:
            scores[:, chunk] = generalized_cross_validation(
                spectrum, residual, total[chunk], alphas, n_samples, int(fit_intercept)
            )
            best = scores[:, chunk].argmax(axis=0)
        alpha[chunk] = alphas[best]
        squares[chunk] = np.take_along_axis(residual, best[None], axis=0)[0]
        rotated /= spectrum.values[:, None] ** 2 + alpha[chunk]
        np.matmul(spectrum.vectors, rotated, out=weights[:, chunk])
    return ClosedFit(alpha, scores if len(alphas) > 1 else None, weights, mean, total, squares, spectrum)


def _rotate(axes, y, centre):
    """Products of centred axes with data, means, and sums of squares of the data about these.

    The axes are centred, so their products with data need no centred copy of these; sums of squares lose as many digits
    as the squared mean exceeds the variance, and targets far from zero are centred after all.
    """
    n_samples, n_axes = axes.shape
    total = np.einsum("tv,tv->v", y, y)
    if not centre:
        return axes.T @ y, np.zeros(y.shape[1]), total
    products = np.column_stack([axes, np.ones(n_samples)]).T @ y  # the last row is their sum
    rotated, mean = products[:n_axes], products[n_axes] / n_samples
    squared_mean = n_samples * mean**2
    total -= squared_mean
    far = np.flatnonzero(squared_mean > FAR * total)
    if far.size:
        mean[far] = y[:, far].mean(axis=0)
        centred = y[:, far] - mean[far]
        rotated[:, far], total[far] = axes.T @ centred, np.einsum("tv,tv->v", centred, centred)
    return rotated, mean, total
