"""Slope and intercepts against a general minimizer."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from eegexplain.models.syncnet._calibration import LEAST_SLOPE, ClassLoss, least_cross_entropy


def test_calibration_has_the_least_cross_entropy():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 200)
    targets = 0.9 * np.eye(3)[codes] + 0.1 / 3
    scores = 5 * np.eye(3)[codes] + 8 * rng.standard_normal((200, 3)) + [1, 0, -2]

    def cost(parameters):
        logits = parameters[0] * scores + parameters[1:]
        return np.mean(logsumexp(logits, axis=1) - (targets * logits).sum(axis=1))

    for sign in (1, -1):  # scores that point the wrong way get the least slope
        scores *= sign
        bounds = [(LEAST_SLOPE, None), (0, 0), (None, None), (None, None)]
        expected = minimize(cost, [1.0, 0, 0, 0], method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14})
        found, loss = least_cross_entropy(scores, targets)
        np.testing.assert_allclose(loss, expected.fun, atol=1e-9)
        np.testing.assert_allclose(found, expected.x, atol=1e-4)
    assert found[0] == LEAST_SLOPE


def test_scores_without_spread_tell_the_shares():
    found = ClassLoss(2).calibrate(np.zeros((9, 1)), np.repeat([[0.0], [1.0]], [3, 6], axis=0))
    assert found.slope == LEAST_SLOPE and 0 < found.intercept[0] < np.log(2)
