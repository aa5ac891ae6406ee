"""Calibrations against scikit-learn and general optimizers; bounded slopes are the best that the bounds allow."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from eegexplain._calibration import CLASSES, NUMBERS, fit_classes, fit_numbers, hold_classes, hold_numbers

RNG = np.random.default_rng(0)


def noisy_logits(codes, gain, n_classes):
    return gain * np.eye(n_classes)[codes] + RNG.standard_normal((len(codes), n_classes))


def test_two_classes_are_logistic_regression():
    codes = (RNG.random(200) < 0.3).astype(int)
    z = 3 * RNG.standard_normal(200) + 2 * codes
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(z[:, None], codes)
    slope, intercepts = fit_classes(np.stack([-z, z], axis=1) / 2, codes)
    np.testing.assert_allclose(slope, model.coef_[0, 0], rtol=1e-4)
    np.testing.assert_allclose(intercepts[1] - intercepts[0], model.intercept_[0], rtol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("gain", [3.0, 0.5, -1.0])
def test_no_other_slope_is_better(n_classes, gain):
    codes = np.append(np.arange(n_classes), RNG.integers(0, n_classes, 100))
    scores = noisy_logits(codes, gain, n_classes)

    def loss(values):
        return CLASSES.per_trial(scores, codes, (values[0], np.append(0, values[1:]))).sum()

    def least(limits):
        bounds = [limits] + [(None, None)] * (n_classes - 1)
        start = np.append(limits[0], np.zeros(n_classes - 1))
        return minimize(loss, start, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-8})

    slope, intercepts = fit_classes(scores, codes)
    best = least((0, None))
    assert CLASSES.per_trial(scores, codes, (slope, intercepts)).sum() <= best.fun + 1e-6
    np.testing.assert_allclose(slope, best.x[0], atol=2e-3)
    assert (slope == 0) == (gain < 0)
    for held in (0.0, 1.0, 2.5):
        slope, intercepts = hold_classes(scores, codes, held)
        assert slope == held
        assert CLASSES.per_trial(scores, codes, (slope, intercepts)).sum() <= least((held, held)).fun + 1e-6


def test_the_loss_is_cross_entropy():
    codes, scores = RNG.integers(0, 3, 20), RNG.standard_normal((20, 3))
    shares = np.exp(0.7 * scores + [0, 1, -2])
    expected = [-np.log(row[k] / row.sum()) for row, k in zip(shares, codes, strict=True)]
    np.testing.assert_allclose(CLASSES.per_trial(scores, codes, (0.7, np.array([0, 1, -2]))), expected)


def test_scores_that_do_not_vary_are_ignored():
    codes = np.arange(30) % 3
    for scores in (np.zeros((30, 3)), np.tile([5.0, -1.0, 0.1], (30, 1)), np.arange(30.0)[:, None] * np.ones(3)):
        slope, intercepts = fit_classes(scores, codes)
        assert slope == 0
        np.testing.assert_allclose(intercepts, np.log(1 / 3))


def test_separated_classes_end_at_a_large_slope():
    z = np.repeat([-2.0, 2.0], 20)
    slope, intercepts = fit_classes(np.stack([-z, z], axis=1), np.repeat([0, 1], 20))
    assert 5 < slope < 1e4 and np.isfinite(intercepts).all()


def test_numbers_are_a_straight_line_and_its_density():
    x = RNG.standard_normal(100)
    y = 0.4 * x + 2 + 0.3 * RNG.standard_normal(100)
    slope, intercept, variance = fit_numbers(x, y)
    np.testing.assert_allclose([slope, intercept], np.polyfit(x, y, 1))
    np.testing.assert_allclose(variance, np.mean((y - slope * x - intercept) ** 2))
    density = np.exp(-((y - slope * x - intercept) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    np.testing.assert_allclose(NUMBERS.per_trial(x, y, (slope, intercept, variance)), -np.log(density))
    assert fit_numbers(x, -y)[0] == fit_numbers(np.ones(100), y)[0] == 0
    _, intercept, variance = hold_numbers(x, y, 1.0)
    np.testing.assert_allclose([intercept, variance], [np.mean(y - x), np.var(y - x)])
