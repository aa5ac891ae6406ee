"""Scores by training and test time."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from eegexplain.inspection import group_significance
from eegexplain.plotting import GeneralizationDisplay
from eegexplain.timecourse import TimeResolvedCoefficients

SCORES = np.random.default_rng(0).random((6, 6))
TIMES = np.arange(6) / 50 - 0.04


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_rows_are_training_times_and_chance_is_the_middle():
    display = GeneralizationDisplay(SCORES, TIMES, chance=0.4).plot()
    assert_allclose(display.image_.get_array().reshape(6, 6), SCORES)
    low, high = display.image_.get_clim()
    assert (low + high) / 2 == pytest.approx(0.4) and high - low == pytest.approx(2 * np.abs(SCORES - 0.4).max())
    assert_allclose(display.ax_.get_xlim(), [-50, 70])
    assert display.outline_ is None
    assert GeneralizationDisplay(SCORES, TIMES).plot(vlim=0.1).image_.get_clim() == pytest.approx((0.4, 0.6))


def test_outline_runs_along_significant_cells():
    significant = np.zeros((6, 6), dtype=bool)
    significant[1:3, 2:5] = True
    outline = GeneralizationDisplay(SCORES, TIMES, significant=significant).plot().outline_
    corners = np.concatenate([path.vertices for path in outline.get_paths()])
    # cells 2 to 4 along test times and 1 to 2 along training times, of 20 ms each from -50 ms
    assert_allclose([corners.min(axis=0), corners.max(axis=0)], [[-10, -30], [50, 10]], atol=2.5)


def test_model_and_its_clusters():
    rng = np.random.default_rng(0)
    y, subject = np.arange(240) % 2, np.arange(240) // 30
    X = rng.standard_normal((240, 3, 6))
    X[:, 1, 2:5] += 1.5 * y[:, None]
    model = TimeResolvedCoefficients(cv=3, generalize=True, sfreq=50.0, tmin=-0.04).fit(X, y, groups=subject)
    found = group_significance(model.generalization_maps(), statistic="clusters", alternative="greater")
    assert found.significant.values[2:5, 2:5].all() and found.significant.values[:2, :2].sum() == 0
    display = GeneralizationDisplay.from_estimator(model, significance=found)
    assert_allclose(display.scores, model.generalization_.mean(axis=(0, 1)))
    assert_array_equal(display.significant, found.significant)
    assert (display.chance, display.label) == (0.5, "balanced accuracy")
    assert_allclose(display.times, model.times_)


def test_refusals():
    with pytest.raises(ValueError, match="a row and a column"):
        GeneralizationDisplay(SCORES[:, :5], TIMES)
    with pytest.raises(ValueError, match="a row and a column"):
        GeneralizationDisplay(SCORES, TIMES, significant=np.ones((2, 2)))
    with pytest.raises(ValueError, match="must rise"):
        GeneralizationDisplay(SCORES, TIMES[::-1])
    with pytest.raises(ValueError, match="generalize=True"):
        GeneralizationDisplay.from_estimator(TimeResolvedCoefficients())
