"""Van Bergen's structure, its likelihood and its mixture with the sample covariance, each by a naive way."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime
from scipy.stats import multivariate_normal, multivariate_t

from eegexplain.encoding._covariance import (
    _Problem,
    blend,
    choose_share,
    fit_structure,
    fit_tail,
    log_density,
    sample_weights,
)

rng = np.random.default_rng(0)
N = 6
PLACES = rng.standard_normal((N, 2))
DISTANCE = np.sqrt(((PLACES[:, None] - PLACES) ** 2).sum(axis=2))
SIMILARITY = np.cov(rng.standard_normal((4, N)).T)
RESIDUALS = rng.standard_normal((40, N)) * np.arange(1, N + 1)


@pytest.mark.parametrize("dof", [np.inf, 4.0])
def test_density_is_scipys(dof):
    matrix = SIMILARITY + np.eye(N)
    squares = np.einsum("tv,vw,tw->t", RESIDUALS, np.linalg.inv(matrix), RESIDUALS)
    law = multivariate_normal(np.zeros(N), matrix) if np.isinf(dof) else multivariate_t(np.zeros(N), matrix, df=dof)
    assert_allclose(log_density(squares, np.linalg.slogdet(matrix)[1], N, dof), law.logpdf(RESIDUALS), rtol=1e-10)


@pytest.mark.parametrize("dof", ["auto", None, 5.0])
@pytest.mark.parametrize("distance", [None, DISTANCE])
def test_gradient_of_the_likelihood(dof, distance):
    problem = _Problem.of(RESIDUALS, SIMILARITY, distance, dof)
    point = problem.start()[0] + 0.2 * np.random.default_rng(1).standard_normal(len(problem.start()[0]))
    naive = approx_fprime(point, lambda x: problem.objective(x)[0], 1e-6)
    assert_allclose(problem.objective(point)[1], naive, atol=2e-5)


def test_covariance_is_the_formula():
    found = fit_structure(RESIDUALS, SIMILARITY, DISTANCE, "auto", 50)
    alone = 1 - found.common - found.near
    shares = found.common + alone * np.eye(N) + found.near * np.exp(-DISTANCE / found.length)
    naive = np.outer(found.tau, found.tau) * shares + found.sigma**2 * SIMILARITY
    assert_allclose(found.covariance, naive, rtol=1e-10)


def test_units_of_residuals_do_not_matter():
    one = fit_structure(RESIDUALS, SIMILARITY, None, "auto", 200)
    other = fit_structure(1e-6 * RESIDUALS, 1e-12 * SIMILARITY, None, "auto", 200)
    assert_allclose(other.covariance, 1e-12 * one.covariance, rtol=1e-6)


@pytest.mark.parametrize("n_samples", [40, 6])  # more samples than targets, and fewer
def test_share_is_chosen_as_a_loop_over_matrices_does(n_samples):
    residuals = RESIDUALS[:n_samples]
    structure = fit_structure(residuals, None, None, 6.0, 50)
    squares = np.einsum("tv,vw,tw->t", residuals, np.linalg.inv(structure.covariance), residuals)
    weights, folds, shares = sample_weights(squares, N, 6.0), np.arange(n_samples) % 3, (0.0, 0.2, 0.6)
    naive = np.zeros(3)
    for i, share in enumerate(shares):
        for fold in range(3):
            kept = folds != fold
            matrix = blend(structure.covariance, residuals[kept], weights[kept], share)
            naive[i] += multivariate_t(np.zeros(N), matrix, df=6.0).logpdf(residuals[~kept]).sum() / n_samples
    found = choose_share(residuals, structure, weights, folds, shares)
    assert found.share == shares[naive.argmax()]
    assert found.log_likelihood == pytest.approx(naive.max(), rel=1e-10)


def test_scale_and_tails_are_recovered():
    draws = multivariate_t(np.zeros(3), 4 * np.eye(3), df=5, seed=0).rvs(20_000)
    factor, dof = fit_tail((draws**2).sum(axis=1), 3, "auto")
    assert factor == pytest.approx(4, rel=0.03)
    assert dof == pytest.approx(5, rel=0.1)
    assert fit_tail((draws**2).sum(axis=1), 3, None) == (pytest.approx((draws**2).mean()), np.inf)
