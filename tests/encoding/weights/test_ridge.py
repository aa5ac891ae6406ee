"""Ridge regression of many targets in one pass, against explicit fits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge

from eegexplain.encoding.weights._ridge import (
    decompose,
    decompose_gram,
    fit_closed,
    generalized_cross_validation,
    residuals_by_penalty,
    solve,
    solve_damped,
)

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
@pytest.mark.parametrize("shape", [(30, 5), (12, 20)])
def test_one_pass_is_ridge_at_the_penalty_of_generalised_cross_validation(shape, intercept):
    """Against scikit-learn and the hat matrix; a target far from zero loses no digits."""
    X, Y = data(*shape)
    X, Y = centered(X) if intercept else X, Y + np.array([0.0, 1e6, 0.0]) * intercept
    fit = fit_closed(X, Y, ALPHAS, fit_intercept=intercept, chunks=CHUNKS)
    y, n_samples = centered(Y) if intercept else Y, len(X)
    for score, alpha in zip(fit.scores, ALPHAS, strict=True):
        hat = X @ np.linalg.solve(X.T @ X + alpha * np.eye(shape[1]), X.T)
        freedom, of_mean = 1 - (np.trace(hat) + intercept) / n_samples, 1 - intercept / n_samples
        assert_allclose(score, 1 - ((y - hat @ y) ** 2).sum(0) / (y**2).sum(0) * (of_mean / freedom) ** 2, atol=1e-9)
    assert_array_equal(fit.alpha, ALPHAS[fit.scores.argmax(0)])
    assert_allclose(fit.mean_y, Y.mean(0) * intercept, rtol=1e-14)
    for target, alpha in enumerate(fit.alpha):
        ridge = Ridge(alpha=alpha, fit_intercept=intercept, solver="svd").fit(X, Y[:, target])
        left = ((Y[:, target] - ridge.predict(X)) ** 2).sum()
        assert_allclose(fit.weights[:, target], ridge.coef_, rtol=1e-9, atol=1e-10)
        assert_allclose(fit.residual[target], left, rtol=1e-9)
    assert_allclose(fit.total, ((Y - Y.mean(0)) ** 2).sum(0), rtol=1e-10)
    single = fit_closed(X, Y, ALPHAS[:1], fit_intercept=intercept, chunks=CHUNKS)
    assert single.scores is None and set(single.alpha) == {ALPHAS[0]}


@pytest.mark.parametrize("shape", [(20, 5), (5, 20), (12, 12)])
@pytest.mark.parametrize("least_alpha", [0.0, 1e3])
def test_decompositions_solve_ridge_whatever_the_rank(shape, least_alpha):
    X, Y = data(*shape)
    X[:, -1] = X[:, 0] - 2 * X[:, 1]
    spectra = [decompose(X, least_alpha), decompose(X, least_alpha, X.T @ X), decompose_gram(X.T @ X)]
    for spectrum in spectra:
        assert len(spectrum.values) == np.linalg.matrix_rank(X)
        weights = solve(spectrum, X.T @ Y, np.array([0.5, 2.0, 7.0]))
        for target, alpha in enumerate([0.5, 2.0, 7.0]):
            expected = np.linalg.solve(X.T @ X + alpha * np.eye(shape[1]), X.T @ Y[:, target])
            assert_allclose(weights[:, target], expected, atol=1e-8)
    assert_allclose(solve(spectra[0], X.T @ Y, np.zeros(3)), np.linalg.pinv(X) @ Y, atol=1e-7)


def test_a_penalty_may_leave_directions_free_and_a_design_may_be_silent_in_others():
    """Differences do not see a mean; a column of zeros is seen by the penalty alone."""
    X, Y = data(40, 6)
    X[:, 2] = 0
    steps = np.diff(np.eye(6), axis=0)
    penalty = steps.T @ steps
    spectrum = decompose_gram(X.T @ X, penalty)
    alphas = np.array([1e-3, 5.0, 1e6])
    expected = [np.linalg.solve(X.T @ X + alpha * penalty, X.T @ y) for alpha, y in zip(alphas, Y.T, strict=True)]
    assert_allclose(solve(spectrum, X.T @ Y, alphas).T, expected, rtol=1e-7)
    assert_allclose(solve_damped(X.T @ X, X.T @ Y, alphas, penalty).T, expected, rtol=1e-7)
    assert_allclose(spectrum.vectors.T @ X.T @ X @ spectrum.vectors, np.diag(spectrum.values**2), rtol=1e-6, atol=1e-2)
    penalty[2], penalty[:, 2] = 0, 0  # now nothing says what that weight is
    found = solve_damped(X.T @ X, X.T @ Y, alphas, penalty)
    assert_allclose(found[2], 0, atol=1e-6)


def test_no_freedom_no_score_and_constant_targets_score_zero():
    X, Y = data(6, 5)
    X, Y = centered(X), centered(Y)
    Y[:, 0] = 0

    def scores_of(X, Y, alphas):
        spectrum, total, alphas = decompose(X, 0.0), (Y**2).sum(0), np.array(alphas)
        residual = residuals_by_penalty(spectrum, spectrum.vectors.T @ (X.T @ Y), total, alphas)
        return generalized_cross_validation(spectrum, residual, total, alphas, len(X), 1)

    scores = scores_of(X, Y, [0.0, 1.0])
    assert np.all(scores[0] == -np.inf) and np.isfinite(scores[1]).all() and scores[1, 0] == 0
    assert np.all(scores_of(X[:1], Y[:1], [1.0]) == -np.inf)
