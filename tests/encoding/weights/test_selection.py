"""Penalties and scalings of columns by both kinds of cross-validation, against explicit fits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, ShuffleSplit

from eegexplain.encoding.weights._selection import _penalized_forms, fold_sums, select

ALPHAS = np.array([0.1, 3.0, 100.0])
CHUNKS = [slice(0, 2), slice(2, 3)]


def data(n_samples, n_columns, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_columns)) * np.linspace(0.5, 2, n_columns)
    Y = X @ rng.normal(size=(n_columns, 3)) + rng.normal(size=(n_samples, 3)) * [0.5, 3, 10] + [1.0, -2.0, 5.0]
    return X, Y


def centered(X):
    return X - X.mean(axis=0)


@pytest.mark.parametrize("intercept", [True, False])
def test_generalised_cross_validation_scales_columns(intercept):
    """The hat matrix written out for every penalty and scaling."""
    X, Y = data(30, 4)
    X = centered(X) if intercept else X
    scalings = np.array([[1.0, 1, 1, 1], [0.2, 0.2, 3, 3]])
    found = select(X, Y, ALPHAS, scalings, None, mean_y=Y.mean(0) if intercept else None, chunks=CHUNKS)
    y = centered(Y) if intercept else Y
    for i, scale in enumerate(scalings):
        for k, alpha in enumerate(ALPHAS):
            Z = X * scale
            hat = Z @ np.linalg.solve(Z.T @ Z + alpha * np.eye(4), Z.T)
            freedom = 1 - (np.trace(hat) + intercept) / 30
            error = ((y - hat @ y) ** 2).mean(0) / freedom**2
            null = (y**2).mean(0) / (1 - intercept / 30) ** 2
            assert_allclose(found.scores[i, k], 1 - error / null, atol=1e-10)
    best = found.scores.reshape(6, 3).argmax(0)
    assert_array_equal(found.alpha, ALPHAS[best % 3])
    assert_array_equal(found.scaling, best // 3)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("splitter", [KFold(4), ShuffleSplit(3, test_size=0.3, random_state=0),
                                      ShuffleSplit(3, test_size=8, train_size=10, random_state=0)])  # fmt: skip
@pytest.mark.parametrize(("n_columns", "n_scalings"), [(4, 1), (4, 2), (50, 1), (50, 2)])
def test_cross_validation_by_refitting(intercept, splitter, n_columns, n_scalings):
    X, Y = data(30, n_columns)
    X = centered(X) if intercept else X
    splits = list(splitter.split(X))
    scalings = np.array([np.ones(n_columns), np.linspace(0.1, 3, n_columns)])[:n_scalings]
    found = select(X, Y, ALPHAS, scalings, splits, mean_y=Y.mean(0) if intercept else None, chunks=CHUNKS)
    for i, scale in enumerate(scalings):
        for k, alpha in enumerate(ALPHAS):
            residual = total = 0
            for train, test in splits:
                ridge = Ridge(alpha=alpha, fit_intercept=intercept).fit(X[train] * scale, Y[train])
                residual = residual + ((Y[test] - ridge.predict(X[test] * scale)) ** 2).sum(0)
                total = total + ((Y[test] - (Y[train].mean(0) if intercept else 0)) ** 2).sum(0)
            assert_allclose(found.scores[i, k], 1 - residual / total, atol=1e-8)
    if found.sums.gram is not None:
        assert_allclose(found.sums.gram, X.T @ X, atol=1e-9)
    y = centered(Y) if intercept else Y
    assert_allclose(found.sums.products, X.T @ y, atol=1e-9)
    assert_allclose(found.sums.total, (y**2).sum(0), atol=1e-9)


def test_sums_of_folds_are_about_the_means_of_their_training_samples():
    X, Y = data(15, 3)
    for splits in (list(KFold(3).split(X)), [(np.arange(8), np.arange(6, 11))]):
        folds, whole = fold_sums(X, Y, splits, True)
        assert_allclose(whole.gram, X.T @ X)
        for fold, (train, test) in zip(folds, splits, strict=True):
            x, y = X - X[train].mean(0), Y - Y[train].mean(0)
            assert_allclose(fold.train_gram, x[train].T @ x[train], atol=1e-10)
            assert_allclose(fold.train_products, x[train].T @ y[train], atol=1e-10)
            assert_allclose(fold.test_gram, x[test].T @ x[test], atol=1e-10)
            assert_allclose(fold.test_products, x[test].T @ y[test], atol=1e-10)
            assert_allclose(fold.test_total, (y[test] ** 2).sum(0), atol=1e-10)


def test_constant_targets_score_zero():
    X, Y = data(6, 5)
    X, Y = centered(X), centered(Y)
    Y[:, 0] = 0
    folds = list(KFold(3).split(X))
    crossed = select(X, Y, ALPHAS, np.ones((1, 5)), folds, mean_y=None, chunks=CHUNKS).scores
    assert not crossed[..., 0].any() and crossed[..., 1:].all()


@pytest.mark.parametrize(
    "eigenvalues", [np.geomspace(1e-6, 10, 8), np.r_[1e-9, 1, 1 + 1e-12, 1.0005, 1.5, 7, 7, 9], np.full(8, 3.0)]
)
def test_forms_of_all_penalties_are_those_of_each(eigenvalues):
    """Eigenvalues apart, some close, and all equal (which goes penalty by penalty)."""
    rng = np.random.default_rng(0)
    root, goal, vectors = rng.normal(size=(8, 8)), rng.normal(size=(8, 5)), rng.normal(size=(8, 5))
    found = _penalized_forms(eigenvalues, ALPHAS, root @ root.T, goal, vectors)
    for form, alpha in zip(found, ALPHAS, strict=True):
        w = vectors / (eigenvalues + alpha)[:, None]
        assert_allclose(form, ((root.T @ w) ** 2).sum(0) + (goal * w).sum(0), rtol=1e-11, atol=1e-11)
