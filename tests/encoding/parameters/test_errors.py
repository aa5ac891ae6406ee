"""Covariances against sandwiches that are written out in full."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import block_diag, toeplitz

from eegexplain.encoding.parameters._errors import ERRORS, Linearized, sandwich

N_TIMES, N_TARGETS = 40, 3
RUNS = [slice(0, 15), slice(15, 40)]


def linearized(seed, rho=0.0, n_targets=N_TARGETS):
    rng = np.random.default_rng(seed)
    nuisance = np.linalg.qr(rng.standard_normal((N_TIMES, 2)))[0]
    jacobian = np.cumsum(rng.standard_normal((n_targets, N_TIMES, 3)), axis=1)  # slow, as responses are
    project = np.eye(N_TIMES) - nuisance @ nuisance.T
    jacobian = project @ jacobian
    noise = np.einsum("st,vt->vs", np.linalg.cholesky(correlations(rho)), rng.standard_normal((n_targets, N_TIMES)))
    residual = noise @ project
    for v in range(n_targets):
        residual[v] -= jacobian[v] @ np.linalg.lstsq(jacobian[v], residual[v], rcond=None)[0]
    return Linearized(jacobian, residual, jacobian.swapaxes(1, 2) @ jacobian, nuisance, RUNS)


def correlations(rho):
    """Noise does not follow from one run to the next."""
    return block_diag(*(toeplitz(float(rho) ** np.arange(run.stop - run.start)) for run in RUNS))


@pytest.mark.parametrize("shared", [[], [1], [0, 2]])
@pytest.mark.parametrize("errors", ["iid", "sandwich"])
def test_targets_that_share_parameters_equal_the_joint_sandwich(errors, shared):
    fit = linearized(0)
    meat = ERRORS[errors](fit)
    is_shared = np.isin(np.arange(3), shared)
    found = sandwich(fit.bread, meat, is_shared)
    columns = np.where(is_shared, np.cumsum(is_shared) - 1, 0)[None] + np.zeros((N_TARGETS, 1), dtype=int)
    columns[:, ~is_shared] = is_shared.sum() + np.arange(N_TARGETS * (~is_shared).sum()).reshape(N_TARGETS, -1)
    joint = np.zeros((N_TARGETS * N_TIMES, columns.max() + 1))
    noise = np.zeros((N_TARGETS * N_TIMES, N_TARGETS * N_TIMES))
    for v in range(N_TARGETS):
        rows = slice(v * N_TIMES, (v + 1) * N_TIMES)
        joint[rows, columns[v]] = fit.jacobian[v]
        variance = np.full(N_TIMES, (fit.residual[v] ** 2).sum() / (N_TIMES - 2 - 3))
        if errors == "sandwich":
            both = np.hstack([fit.jacobian[v], fit.nuisance])
            leverage = np.diag(both @ np.linalg.pinv(both))
            variance = (fit.residual[v] / (1 - leverage)) ** 2
        noise[rows, rows] = np.diag(variance)
    inverse = np.linalg.inv(joint.T @ joint)
    whole = inverse @ joint.T @ noise @ joint @ inverse
    for v in range(N_TARGETS):
        assert_allclose(found[v], whole[np.ix_(columns[v], columns[v])], rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("rho", [-0.3, 0.0, 0.4, 0.7])
def test_autocorrelated_noise_is_estimated_without_bias_from_residuals(rho):
    """Of 400 fits to slow responses: their residuals alone are much whiter than the noise."""
    fit = linearized(1, rho, 400)
    expected = fit.jacobian.swapaxes(1, 2) @ correlations(rho) @ fit.jacobian
    ratio = np.einsum("vii->vi", ERRORS["ar1"](fit)) / np.einsum("vii->vi", expected)
    assert_allclose(np.median(ratio), 1, atol=0.13)
    plain = np.einsum("vii->vi", ERRORS["iid"](fit)) / np.einsum("vii->vi", expected)
    assert np.median(plain) < 0.6 if rho > 0.3 else np.median(plain) > 0.8


def test_what_the_data_do_not_determine_has_an_infinite_variance():
    bread = np.array([np.diag([2.0, 0.0, 1.0]), np.diag([2.0, 3.0, 1.0])])
    bread[1, :2, :2] = [[1.0, 2.0], [2.0, 4.0]]  # only a sum is known
    found = sandwich(bread, bread, np.zeros(3, dtype=bool))
    assert_allclose(np.einsum("vii->vi", found), [[0.5, np.inf, 1], [np.inf, np.inf, 1]])
    joint = sandwich(bread, bread, np.array([False, False, True]))
    assert_allclose(joint[:, 2, 2], 0.5)  # two targets tell it
