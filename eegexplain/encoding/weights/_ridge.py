"""Ridge regression for many targets: every target its own penalty, one decomposition for all of them."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh, svd

BLOCK = 1024  # targets whose weights for one penalty stay in the cache

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


class Selection(NamedTuple):
    """The best candidate of every target.

    Parameters
    ----------
    alpha : ndarray of shape (n_targets,)
        Penalty.
    scaling : ndarray of int, shape (n_targets,)
        Which scaling of the columns.
    scores : ndarray of shape (n_scalings, n_alphas, n_targets)
        Estimated R2 on unseen data of each candidate.
    sums : Sums
        Of all samples; without a Gram matrix where no folds gave it for nothing.
    """

    alpha: np.ndarray
    scaling: np.ndarray
    scores: np.ndarray
    sums: Sums


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


def generalized_cross_validation(spectrum, products, total, alphas, n_samples, n_fitted):
    """Estimated R2 on unseen data, by generalised cross-validation.

    Parameters
    ----------
    spectrum : Spectrum
        Of the centred design.
    products : ndarray of shape (n_columns, n_targets)
        ``X' Y`` of centred design and data.
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
    shares = (spectrum.vectors.T @ products) ** 2 / power[:, None]
    kept = power / (power + alphas[:, None])
    residual = total - (1 - (1 - kept) ** 2) @ shares
    freedom = 1 - (kept.sum(axis=1) + n_fitted) / n_samples
    null = total * (1 - n_fitted / n_samples) ** -2 if n_samples > n_fitted else total
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = 1 - np.maximum(residual, 0) / (np.maximum(freedom, 0)[:, None] ** 2 * null)
    return np.where((freedom > 1e-10)[:, None], np.where(null > 0, scores, 0.0), -np.inf)


class Fold(NamedTuple):
    """Sums over the training and the test samples of one fold, both about the training means."""

    train_gram: np.ndarray
    train_products: np.ndarray
    test_gram: np.ndarray
    test_products: np.ndarray
    test_total: np.ndarray


def fold_sums(design, data, splits, fit_intercept):
    """Sums over samples that cross-validation needs; each sample is visited once, however many penalties there are.

    Parameters
    ----------
    design : ndarray of shape (n_samples, n_columns)
        Centred design.
    data : ndarray of shape (n_samples, n_targets)
        Centred data.
    splits : list of tuple
        Training and test samples of each fold.
    fit_intercept : bool
        Whether training means are taken off.

    Returns
    -------
    folds : list of Fold
        One per split.
    whole : Sums
        Of all samples.
    """
    tests = [[_rows(of_all, test) for of_all in (design, data)] for _, test in splits]
    sums = [centred_sums(*test) for test in tests]
    partition = sum(len(test) for _, test in splits) == len(design)
    whole = Sums(*map(sum, zip(*sums, strict=True))) if partition else centred_sums(design, data)
    totals = [of_all.sum(axis=0) for of_all in (design, data)]
    folds = []
    for (train, _), held_out, left in zip(splits, tests, sums, strict=True):
        if len(train) + len(held_out[0]) == len(design):  # all that is not held out is training
            kept = Sums(*(every - out for every, out in zip(whole, left, strict=True)))
            means = [(every - out.sum(axis=0)) / len(train) for every, out in zip(totals, held_out, strict=True)]
        else:
            parts = [_rows(of_all, train) for of_all in (design, data)]
            kept, means = centred_sums(*parts), [part.mean(axis=0) for part in parts]
        fold = Fold(kept.gram, kept.products, left.gram, left.products, left.total)
        folds.append(_about_training_means(fold, means, len(train), held_out) if fit_intercept else fold)
    return folds, whole


def _rows(array, index):
    """Some rows; no copy of those that stand together."""
    together = len(index) and index[-1] - index[0] == len(index) - 1 and (np.diff(index) == 1).all()
    return array[index[0] : index[-1] + 1] if together else array[index]


def centred_sums(x, y):
    """Sum over samples.

    Parameters
    ----------
    x : ndarray of shape (n_samples, n_columns)
        Design.
    y : ndarray of shape (n_samples, n_targets)
        Data.

    Returns
    -------
    sums : Sums
    """
    return Sums(x.T @ x, x.T @ y, np.einsum("tv,tv->v", y, y))


def _about_training_means(fold, means, n_train, held_out):
    """Shift the sums of a fold to the means of its training samples."""
    mean_x, mean_y = means
    sum_x, sum_y = (part.sum(axis=0) for part in held_out)
    n_test = len(held_out[0])
    cross = np.outer(sum_x, mean_x)
    return Fold(
        fold.train_gram - n_train * np.outer(mean_x, mean_x),
        fold.train_products - n_train * np.outer(mean_x, mean_y),
        fold.test_gram - cross - cross.T + n_test * np.outer(mean_x, mean_x),
        fold.test_products - np.outer(mean_x, sum_y - n_test * mean_y) - np.outer(sum_x, mean_y),
        fold.test_total - 2 * mean_y * sum_y + n_test * mean_y**2,
    )


def cross_validate(folds, alphas, scale):
    """R2 over the test samples of all folds.

    Parameters
    ----------
    folds : list of Fold
        Sums over samples.
    alphas : ndarray of shape (n_alphas,)
        Penalties.
    scale : ndarray of shape (n_columns,)
        Factor of each column of the design.

    Returns
    -------
    scores : ndarray of shape (n_alphas, n_targets)
        R2; zero for targets without variance.
    """
    total = sum(fold.test_total for fold in folds)
    residual = np.zeros((len(alphas), len(total)))
    for fold in folds:  # |y - X w|^2 = y'y - 2 w'X'y + w'X'X w over test samples, from sums alone
        spectrum = decompose_gram(fold.train_gram * np.outer(scale, scale))
        basis = scale[:, None] * spectrum.vectors
        rotated, goal = basis.T @ fold.train_products, basis.T @ fold.test_products
        power = basis.T @ fold.test_gram @ basis
        goal *= -2
        for start in range(0, len(total), BLOCK):
            some = slice(start, start + BLOCK)
            for i, alpha in enumerate(alphas):
                weights = rotated[:, some] * (1 / (spectrum.values**2 + alpha))[:, None]
                change = power @ weights
                change += goal[:, some]
                residual[i, some] += fold.test_total[some] + np.einsum("pv,pv->v", weights, change)
    return np.where(total > 0, 1 - residual / np.where(total > 0, total, 1.0), 0.0)


def select(design, data, alphas, scalings, splits, *, mean_y, chunks):
    """Choose the penalty, and the scaling of the columns, that predict unseen data of each target best.

    Parameters
    ----------
    design : ndarray of shape (n_samples, n_columns)
        Centred design.
    data : ndarray of shape (n_samples, n_targets)
        Data.
    alphas : ndarray of shape (n_alphas,)
        Penalties.
    scalings : ndarray of shape (n_scalings, n_columns)
        Factors of the columns.
    splits : list of tuple or None
        Folds; None: generalised cross-validation.
    mean_y : ndarray of shape (n_targets,) or None
        Means of the data, where there is an intercept.
    chunks : list of slice
        Chunks of targets.

    Returns
    -------
    selection : Selection
        The best candidates.
    """
    n_samples, n_targets = data.shape
    scores, gram = np.empty((len(scalings), len(alphas), n_targets)), None
    whole = Sums(None, np.empty((design.shape[1], n_targets)), np.empty(n_targets))
    spectra = [decompose(design * scale, alphas.min()) for scale in scalings] if splits is None else []
    wide = splits is not None and design.shape[1] > n_samples and len(scalings) == 1
    axes = decompose(design, 0.0).vectors if wide else None
    narrow = design @ axes if wide else design
    factors = np.ones((1, narrow.shape[1])) if wide else scalings
    for chunk in chunks:
        y = data[:, chunk] if mean_y is None else data[:, chunk] - mean_y[chunk]
        if splits is None:
            products, total = design.T @ y, np.einsum("tv,tv->v", y, y)
            for i, spectrum in enumerate(spectra):
                scores[i, :, chunk] = generalized_cross_validation(
                    spectrum, scalings[i][:, None] * products, total, alphas, n_samples, int(mean_y is not None)
                )
        else:
            folds, (gram, products, total) = fold_sums(narrow, y, splits, mean_y is not None)
            for i, scale in enumerate(factors):
                scores[i, :, chunk] = cross_validate(folds, alphas, scale)
        whole.products[:, chunk], whole.total[chunk] = axes @ products if wide else products, total
    best = scores.reshape(-1, n_targets).argmax(axis=0)
    sums = whole._replace(gram=None if wide else gram)
    return Selection(alphas[best % len(alphas)], best // len(alphas), scores, sums)
