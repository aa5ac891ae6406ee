"""Ridge regression for many targets: every target its own penalty, one decomposition for all of them."""

from contextlib import suppress
from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigh, svd

FAR = 100.0  # above this ratio of squared mean to variance, a target is centred before its squares are summed

# Above this ratio of the smallest penalty to the largest eigenvalue, rounding in the Gram matrix does no harm.
SAFE_DAMPING = 1e-9
FEW_PENALTIES = 5  # above, one decomposition is cheaper than a Cholesky factor for each
UNPENALIZED = 1e-12  # least share of a penalty in a direction, so that its weights stay finite


class Spectrum(NamedTuple):
    """A centred design: singular values, and right singular vectors in columns."""

    values: np.ndarray
    vectors: np.ndarray


def decompose(design, least_alpha, gram=None):
    """Decompose a centred design.

    Parameters
    ----------
    design : ndarray of shape (n_samples, n_columns)
        Centred columns.
    least_alpha : float
        Smallest penalty that will be used. If it is large enough, the cheap Gram matrix serves instead of an SVD: of
        columns (primal) or, where these are more than samples, of samples (dual).
    gram : ndarray of shape (n_columns, n_columns), default=None
        Gram matrix of the design, if known.

    Returns
    -------
    spectrum : Spectrum
        Numerically zero dimensions are left out, so rank deficiency is no special case.
    """
    n_samples, n_columns = design.shape
    if least_alpha > SAFE_DAMPING * np.vdot(design, design):
        if n_columns < n_samples:
            return decompose_gram(design.T @ design if gram is None else gram)
        values, axes = decompose_gram(design @ design.T)
        return Spectrum(values, design.T @ (axes / values))
    values, vectors = svd(design, full_matrices=False, check_finite=False)[1:]
    kept = values > values.max(initial=0.0) * max(design.shape) * np.finfo(float).eps
    return Spectrum(values[kept], vectors[kept].T)


def decompose_gram(gram, penalty=None):
    """Decompose a centred design, given its Gram matrix.

    Parameters
    ----------
    gram : ndarray of shape (n_columns, n_columns)
        ``X' X``.
    penalty : ndarray of shape (n_columns, n_columns), default=None
        What penalties multiply, instead of the identity; it may be singular.

    Returns
    -------
    spectrum : Spectrum
        Of the design; with a penalty, ``V' penalty V`` is the identity, and ``V' gram V`` the squared values.
    """
    if penalty is not None:
        return _decompose_pair(gram, penalty)
    values, vectors = eigh(gram, check_finite=False, driver="evd")
    kept = values > values.max(initial=0.0) * 10 * len(gram) * np.finfo(float).eps
    return Spectrum(np.sqrt(values[kept]), vectors[:, kept])


def _decompose_pair(gram, penalty):
    """Diagonalise Gram matrix and penalty together, where both may be singular, but not in one direction."""
    # With B = G + c P, the pencil G v = t B v, v'Bv = 1 has t in [0, 1], and v'(G + a P)v = t + a (1 - t) / c: so with
    # w = v sqrt(c / (1 - t)) the penalty is the identity and G is c t / (1 - t). What no penalty reaches has t = 1.
    scale, size = np.trace(gram) / np.trace(penalty), len(gram)
    tiny = 10 * size * np.finfo(float).eps
    both = gram + scale * penalty
    both.flat[:: size + 1] += tiny * np.trace(both) / size  # columns of zeros
    share, vectors = eigh(gram, both, check_finite=False, driver="gvd")
    kept = share > tiny
    left = np.maximum(1 - share[kept], UNPENALIZED)
    return Spectrum(np.sqrt(scale * share[kept] / left), vectors[:, kept] * np.sqrt(scale / left))


def solve_damped(gram, products, alpha, penalty=None):
    """Solve ``(gram + alpha penalty) w = products``, one penalty per target.

    Few penalties are solved one by one, which is cheaper than to decompose the matrix.

    Parameters
    ----------
    gram : ndarray of shape (n, n)
        Gram matrix: of columns for weights, of samples for dual coefficients.
    products : ndarray of shape (n, n_targets)
        Right sides.
    alpha : ndarray of shape (n_targets,)
        Penalties.
    penalty : ndarray of shape (n, n), default=None
        What they multiply; None is the identity.

    Returns
    -------
    solution : ndarray of shape (n, n_targets)
    """
    distinct = np.unique(alpha)
    if len(distinct) <= FEW_PENALTIES and distinct[0] > SAFE_DAMPING * np.trace(gram):
        with suppress(LinAlgError):  # a penalty that leaves a direction free, in which the design is constant
            return _solve_each(gram, products, alpha, np.eye(len(gram)) if penalty is None else penalty)
    return solve(decompose_gram(gram, penalty), products, alpha)


def _solve_each(gram, products, alpha, penalty):
    """Factorise for each penalty."""
    solution = np.empty_like(products)
    for each in np.unique(alpha):
        factor = cho_factor(gram + each * penalty, overwrite_a=True, check_finite=False)
        some = alpha == each
        solution[:, some] = cho_solve(factor, products[:, some], check_finite=False)
    return solution


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


class Fit(NamedTuple):
    """Ridge regressions.

    Parameters
    ----------
    alpha : ndarray of shape (n_targets,)
        Penalty.
    scores : ndarray of shape (n_alphas, n_targets) or None
        Estimate for unseen data of each penalty; None for a single one.
    weights : ndarray of shape (n_columns, n_targets)
        Weights.
    mean_x, mean_y : ndarray of shape (n_columns,) and (n_targets,)
        Of design and data; zeros without intercept.
    total, residual : ndarray of shape (n_targets,)
        Sums of squares of the data about their mean, and of what the weights leave of them.
    moments : Spectrum or ndarray of shape (n_columns, n_columns)
        Of the centred design: decomposed, or its Gram matrix.
    shares : ndarray of shape (n_bands, n_targets) or None
        How bands share the penalty: each band's is divided by its share.
    """

    alpha: np.ndarray
    scores: np.ndarray | None
    weights: np.ndarray
    mean_x: np.ndarray
    mean_y: np.ndarray
    total: np.ndarray
    residual: np.ndarray
    moments: Spectrum | np.ndarray
    shares: np.ndarray | None = None


def fit_closed(design, data, alphas, *, fit_intercept, chunks):
    """Choose the penalty of each target by generalised cross-validation, and fit, in one pass over the targets.

    Parameters
    ----------
    design : ndarray of shape (n_samples, n_columns)
        Design as it is.
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
    fit : Fit
    """
    n_samples, n_targets = data.shape
    mean_x = design.mean(axis=0) if fit_intercept else np.zeros(design.shape[1])
    design = design - mean_x
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
    varied = total if fit_intercept else data.var(axis=0) * n_samples
    return Fit(alpha, scores if len(alphas) > 1 else None, weights, mean_x, mean, varied, squares, spectrum)


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
