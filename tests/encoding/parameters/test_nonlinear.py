"""Single steps of the nonlinear solver, and what targets that share parameters add up."""

import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import lsq_linear, minimize_scalar

from eegexplain.encoding.parameters._nonlinear import COSTS, State, _damped, local_step, shared_step


def state(rng, n_targets, n_steps):
    jacobian, residual = rng.standard_normal((n_targets, 9, n_steps)), rng.standard_normal((n_targets, 9))
    ones = np.ones(n_targets)
    return State(ones, ones, ones[:, None], jacobian.swapaxes(1, 2) @ jacobian,
                 np.einsum("vti,vt->vi", jacobian, residual))  # fmt: skip


def test_a_step_stops_at_bounds_and_the_rest_goes_on():
    """Against SciPy's bounded least squares of each target's quadratic: of two parameters, at most one is held."""
    rng = np.random.default_rng(0)
    here = state(rng, 60, 2)
    room = np.stack([-rng.uniform(0, 0.2, (60, 2)), rng.uniform(0, 0.2, (60, 2))])
    room[:, :10] = np.array([-np.inf, np.inf])[:, None, None]
    room[0, 10:20] = 0.0  # at the lower bound
    step, damping = local_step(here, np.full(60, 0.1), room), np.full(60, 0.1)
    matrix = _damped(here.hessian, damping)
    assert (step >= room[0]).all() and (step <= room[1]).all()
    assert_allclose(step[:10], np.linalg.solve(matrix, here.gradient[:, :, None])[:10, :, 0])

    def promised(steps):
        return 2 * (steps * here.gradient).sum(1) - np.einsum("vi,vij,vj->v", steps, matrix, steps)

    best = np.empty_like(step)
    for v in range(60):
        factor = np.linalg.cholesky(matrix[v]).T
        bounds = room[0, v] - 1e-15, room[1, v] + 1e-15
        best[v] = lsq_linear(factor, np.linalg.solve(factor.T, here.gradient[v]), bounds, tol=1e-14).x
    gained = promised(step) / promised(best)
    assert np.mean(gained > 1 - 1e-6) > 0.8  # one that is held is not let go again within a step
    short = local_step(here, np.full(60, 1e3), room)
    assert (promised(short)[20:] > 0).all()


def test_a_shared_parameter_at_its_bound_stays_while_others_move():
    rng = np.random.default_rng(1)
    here, shared = state(rng, 5, 3), np.array([True, False, False])
    free = np.array([-np.inf, np.inf])[:, None, None] * np.ones((2, 5, 3))
    step = shared_step(here, 0.0, shared, np.ones(5), free)
    joint = np.zeros((11, 11))  # shared, then two of each target
    right = np.zeros(11)
    for v in range(5):
        own = np.r_[0, 1 + 2 * v, 2 + 2 * v]
        joint[np.ix_(own, own)] += here.hessian[v]
        right[own] += here.gradient[v]
    whole = np.linalg.solve(joint, right)
    assert_allclose(step[:, 0], whole[0])
    assert_allclose(step[:, 1:].ravel(), whole[1:])
    stop = free.copy()
    stop[int(whole[0] > 0), :, 0] = 0.0
    pull = here.gradient[:, 0].sum()
    if (pull > 0) == (whole[0] > 0):
        held = shared_step(here, 0.0, shared, np.ones(5), stop)
        assert_array_equal(held[:, 0], 0)
        assert_allclose(held[:, 1:].ravel(), np.linalg.solve(joint[1:, 1:], right[1:]))


def test_the_gaussian_cost_is_the_likelihood_with_each_targets_best_variance():
    residuals = np.random.default_rng(2).standard_normal((30, 5)) * [0.1, 0.5, 1, 5, 20]

    def likelihood(residual):
        return minimize_scalar(lambda log: -scipy.stats.norm.logpdf(residual, scale=np.exp(log)).sum(),
                               options={"xtol": 1e-10}).fun  # fmt: skip

    costs = COSTS["gaussian"].of((residuals**2).sum(0))
    assert_allclose(np.diff([likelihood(each) for each in residuals.T]), 15 * np.diff(costs), rtol=1e-6)


@pytest.mark.parametrize("name", COSTS)
def test_weights_are_slopes_of_the_cost(name):
    cost, ssq = COSTS[name], np.array([0.3, 2.0, 70.0])
    assert cost.name == name
    assert_allclose(cost.weight(ssq), (cost.of(ssq + 1e-6) - cost.of(ssq - 1e-6)) / 2e-6, rtol=1e-6)
    assert np.isfinite([cost.of(np.zeros(1)), cost.weight(np.zeros(1))]).all()
