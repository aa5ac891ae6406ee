"""Accuracy, chance and their limits, against brute force."""

import numpy as np
import pytest
from scipy import stats

from eegexplain.report._decoding import assess


def test_limit_of_chance_is_binomial_over_trials():
    y = np.repeat([0, 1, 2], [60, 20, 20])
    found = assess(y, np.zeros(100, int))
    assert found.accuracy == found.chance == 0.6 and found.n_groups is None
    upper = next(k for k in range(101) if stats.binom.cdf(k, 100, 0.6) >= 0.95) / 100
    assert found.chance_upper == upper and not found.above_chance
    assert "does not decode" in found.banner and "0.60" in found.banner
    good = assess(y, y)
    assert good.above_chance and good.banner == "" and good.high == 1.0 and good.low < 1.0


def test_groups_widen_the_limits():
    """20 subjects of 30 trials, each all right or all wrong: there are 20 independent answers, not 600."""
    y = np.arange(600) % 2
    groups = np.repeat(np.arange(20), 30)
    right = np.repeat(np.arange(20) < 13, 30)
    predicted = np.where(right, y, 1 - y)
    alone, clustered = assess(y, predicted), assess(y, predicted, groups)
    assert alone.above_chance and not clustered.above_chance
    spread = np.repeat([1.0, 0.0], [13, 7]).std(ddof=1) / np.sqrt(20)
    np.testing.assert_allclose(clustered.chance_upper, 0.5 + stats.t.ppf(0.95, 19) * spread)
    np.testing.assert_allclose(clustered.high - clustered.accuracy, stats.t.ppf(0.975, 19) * spread)


def test_false_alarms_of_networks_at_chance_are_rare():
    rng = np.random.default_rng(0)
    alarms = []
    for _ in range(400):
        tendency = np.clip(rng.normal(0.5, 0.25, 12), 0, 1)  # subjects differ in how often the network is right
        groups = np.repeat(np.arange(12), 20)
        y = rng.permutation(np.arange(240) % 2)
        predicted = np.where(rng.uniform(size=240) < tendency[groups], y, 1 - y)
        alarms.append(assess(y, predicted, groups).above_chance)
    assert np.mean(alarms) < 0.08


@pytest.mark.parametrize("groups", [None, np.arange(10) // 2])
def test_one_wrong_prediction(groups):
    y = np.arange(10) % 2
    predicted = y.copy()
    predicted[0] = 1
    found = assess(y, predicted, groups)
    assert found.accuracy == 0.9 and found.low <= 0.9 <= found.high
