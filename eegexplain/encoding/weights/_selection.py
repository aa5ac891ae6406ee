"""Choose the penalty of each target, and how columns share it, by folds or among many designs."""

from typing import NamedTuple

import numpy as np

from eegexplain.encoding.weights._ridge import (
    BLOCK,
    Sums,
    decompose,
    decompose_gram,
    generalized_cross_validation,
    residuals_by_penalty,
)

CLOSE = 1e-3  # relative distance below which differences of eigenvalues' factors lose more than three digits
FEW = 3  # pairs of close eigenvalues, per eigenvalue, that are cheaper than a product per penalty


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
        goal *= -2
        eigenvalues, power = spectrum.values**2, basis.T @ fold.test_gram @ basis
        residual += fold.test_total
        for start in range(0, len(total), BLOCK):
            some = slice(start, start + BLOCK)
            residual[:, some] += _penalized_forms(eigenvalues, alphas, power, goal[:, some], rotated[:, some])
    return np.where(total > 0, 1 - residual / np.where(total > 0, total, 1.0), 0.0)


def _penalized_forms(eigenvalues, alphas, matrix, goal, vectors):
    """``w'M w + goal'w`` with ``w = v / (eigenvalues + alpha)``, for every penalty and vector v (columns).

    As ``1 / ((a + alpha) (b + alpha)) = (1 / (a + alpha) - 1 / (b + alpha)) / (b - a)``, products of two eigenvalues'
    factors are sums of single ones: one product with a matrix serves all penalties, which then share another. Pairs
    too close for the difference to keep its digits, and squares, stay products.
    """
    gaps = eigenvalues - eigenvalues[:, None]
    close = np.abs(gaps) < CLOSE * (eigenvalues + eigenvalues[:, None])
    first, second = np.nonzero(np.triu(close))  # the diagonal, too
    factors = 1 / (eigenvalues + alphas[:, None])
    if len(first) > FEW * len(eigenvalues):
        forms = factors @ (goal * vectors)
        for form, factor in zip(forms, factors, strict=True):
            weights = vectors * factor[:, None]
            form += np.einsum("pv,pv->v", weights, matrix @ weights)
        return forms
    single = (2 * matrix / np.where(close, np.inf, gaps)) @ vectors
    single += goal
    single *= vectors
    twice = np.where(first == second, 1, 2) * matrix[first, second]
    forms = factors @ single
    forms += (factors[:, first] * factors[:, second] * twice) @ (vectors[first] * vectors[second])
    return forms


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
                rotated = (scalings[i][:, None] * spectrum.vectors).T @ products
                residual = residuals_by_penalty(spectrum, rotated, total, alphas)
                scores[i, :, chunk] = generalized_cross_validation(
                    spectrum, residual, total, alphas, n_samples, int(mean_y is not None)
                )
        else:
            folds, (gram, products, total) = fold_sums(narrow, y, splits, mean_y is not None)
            for i, scale in enumerate(factors):
                scores[i, :, chunk] = cross_validate(folds, alphas, scale)
        whole.products[:, chunk], whole.total[chunk] = axes @ products if wide else products, total
    best = scores.reshape(-1, n_targets).argmax(axis=0)
    sums = whole._replace(gram=None if wide else gram)
    return Selection(alphas[best % len(alphas)], best // len(alphas), scores, sums)
