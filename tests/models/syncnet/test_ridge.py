"""Both forms of ridge regression against the normal equations."""

import numpy as np
import pytest

from eegexplain.models.syncnet._closed import PENALTIES
from eegexplain.models.syncnet._ridge import Ridge


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)])
def test_both_forms_of_ridge_are_the_centered_normal_equations(shape):
    rng = np.random.default_rng(0)
    features, targets = rng.standard_normal(shape) + 2, rng.standard_normal((shape[0], 2))
    trainings = [np.arange(8), np.arange(shape[0] - 1, 2, -1)]
    found = [Ridge.of(features, primal).weights(targets, trainings, PENALTIES) for primal in (True, False)]
    assert Ridge.of(features).primal == (shape[0] > shape[1])
    np.testing.assert_allclose(found[0], found[1], atol=1e-10)
    for place, trials in enumerate(trainings):
        F, Y = features[trials] - features[trials].mean(0), targets[trials] - targets[trials].mean(0)
        amount = PENALTIES[1] * np.square(F).sum() / len(F)
        expected = np.linalg.solve(F.T @ F + amount * np.eye(shape[1]), F.T @ Y)
        np.testing.assert_allclose(found[0][place, 1].T, expected, atol=1e-10)
