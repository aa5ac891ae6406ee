"""Inner products of responses and data."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eegexplain.encoding.parameters._problem import Problem, orthonormal_basis, remove_nuisance, sums_of_squares


def problem(rng, constant, memory_limit=np.inf):
    times, data = np.linspace(0, 1, 9)[:, None], rng.normal(3, 1, (9, 5))

    def respond(rate, gradient):
        response = np.exp(-times * rate)
        return response, [-times * response] if gradient else []

    ones = np.ones((9, 1)) if constant else None
    offset = data.mean(0) if constant else None
    total = ((data - (offset if constant else 0)) ** 2).sum(0)
    return Problem(respond, data, total, ones, offset, 1, memory_limit)


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("memory_limit", [1.0, 1000.0, np.inf])
def test_moments_of_some_targets_equal_explicit_products(constant, memory_limit):
    rng = np.random.default_rng(0)
    whole = problem(rng, constant, memory_limit)
    rates, targets = rng.uniform(1, 3, (3, 1)), np.array([4, 0, 2])
    for part, where in [(whole, targets), (whole.restrict(targets), np.arange(3))]:
        found = part.moments(rates, where)
        for rate, target, gram in zip(rates[:, 0], targets, found, strict=True):
            times, y = np.linspace(0, 1, 9), whole.data[:, target]
            columns = [-times * np.exp(-times * rate), np.exp(-times * rate)]
            columns += [np.ones(9), y - y.mean()] if constant else [y]
            expected = np.array(columns) @ np.array(columns).T
            assert_allclose(gram, expected, atol=1e-12)


def test_nuisance_goes_and_nothing_else():
    rng = np.random.default_rng(1)
    columns = rng.normal(size=(20, 3))
    columns = np.column_stack([columns, columns @ [1.0, -2.0, 0.5], np.zeros(20), 1e-9 * columns[:, 0]])
    basis = orthonormal_basis(columns)
    assert basis.shape == (20, 3) and orthonormal_basis(np.zeros((20, 2))).shape == (20, 0)
    assert_allclose(basis.T @ basis, np.eye(3), atol=1e-12)
    signals = rng.normal(size=(20, 4))
    residual = signals - columns[:, :3] @ np.linalg.lstsq(columns[:, :3], signals, rcond=None)[0]
    assert_allclose(remove_nuisance(basis, signals), residual, atol=1e-10)
    assert_allclose(sums_of_squares(basis, signals), (residual**2).sum(0))
    assert remove_nuisance(basis[:, :0], signals) is signals
