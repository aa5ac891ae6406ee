"""Regions, where the truth lies in them, and the power that makes them right."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax

from eegexplain.encoding.calibration import DecodingCalibration, fit_trust, mass_above, nearest, region, temper

GRID = np.linspace(-4, 4, 161)[:, None]


def gaussian(n_times=3000, believed=1.0):
    """Stimuli, and their log likelihoods given data with noise of SD .5, believed to be smaller or larger."""
    rng = np.random.default_rng(0)
    place = rng.integers(161, size=n_times)
    data = GRID[place] + 0.5 * rng.standard_normal((n_times, 1))
    return place, -0.5 * ((data - GRID.T) / (0.5 * believed)) ** 2


def test_mass_and_region_by_hand():
    posterior = np.array([[0.1, 0.5, 0.2, 0.2], [0.25, 0.25, 0.25, 0.25]])
    assert_allclose(mass_above(np.log(posterior), np.array([0, 3])), [0.95, 0.5])
    assert_allclose(mass_above(np.log(posterior), np.array([2, 1])), [0.7, 0.5])
    assert_array_equal(region(posterior, 0.6)[0], [False, True, True, False])
    assert_array_equal(region(posterior, 0.9)[0], [False, True, True, True])
    assert region(posterior, 1.0).all() and not region(posterior, 0.0).any()


def test_right_posteriors_cover_what_they_say():
    place, likelihood = gaussian()
    calibration = DecodingCalibration(mass_above(log_softmax(likelihood, axis=1), place), np.zeros(len(place)))
    levels = np.array([0.1, 0.5, 0.9])
    assert_allclose(calibration.coverage(levels), levels, atol=0.03)
    inside = np.take_along_axis(region(np.exp(log_softmax(likelihood, axis=1)), 0.9), place[:, None], axis=1)
    assert inside.mean() == pytest.approx(calibration.coverage(0.9), abs=0.03)


PRIOR = np.full(161, -np.log(161))


@pytest.mark.parametrize("believed", [0.5, 1.0, 1.3])
def test_power_makes_good_what_was_believed(believed):
    place, likelihood = gaussian(1500, believed=believed)
    power, lapse = fit_trust(likelihood, PRIOR, place)
    assert power == pytest.approx(believed**2, rel=0.08)
    assert lapse < 0.01


def test_samples_that_tell_nothing_are_lapses():
    place, likelihood = gaussian(1500)
    place[:150] = np.random.default_rng(1).integers(161, size=150)
    power, lapse = fit_trust(likelihood, PRIOR, place)
    assert power == pytest.approx(1, rel=0.1)
    assert lapse == pytest.approx(0.1, abs=0.03)


def test_posterior_by_hand():
    likelihood, prior = np.log([[0.5, 0.1, 0.2]]), np.array([0.2, 0.3, 0.5])
    naive = prior * np.array([0.5, 0.1, 0.2]) ** 0.7
    naive = 0.9 * naive / naive.sum() + 0.1 * prior
    assert_allclose(np.exp(temper(likelihood, np.log(prior), 0.7, 0.1))[0], naive)
    assert_allclose(np.exp(temper(likelihood, np.log(prior), 1.0, 0.0)).sum(), 1)


def test_truths_that_the_prior_excludes_tell_nothing():
    place, likelihood = gaussian(5)
    assert fit_trust(likelihood, np.full(161, -np.inf), place) == (1.0, 0.0)


def test_nearest_weighs_features_by_their_range():
    grid = np.array([[0.0, 0], [1, 0], [0, 1000], [1, 1000]])
    assert_array_equal(nearest(grid, np.array([[0.9, 300.0], [0.4, 600.0]])), [1, 2])
    assert_array_equal(nearest(np.ones((1, 2)), np.zeros((2, 2))), [0, 0])
