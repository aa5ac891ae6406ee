"""Candidates, spacings and bounds of Gaussian tuning."""

import numpy as np
from numpy.testing import assert_allclose

from eegexplain.encoding import GaussianTuningModel, SPMHRFModel


def lower_bound(model):
    return next(par.lower for par in model.get_parameter_space() if par.label == "sd")


def test_the_narrowest_field_is_a_quarter_of_the_smallest_spacing():
    assert lower_bound(GaussianTuningModel(grid_coordinates=[0.0, 1.0, 1.5, 4.0])) == 0.5 / 4
    assert lower_bound(GaussianTuningModel(grid_coordinates=[1.0, 2.0, 16.0], log=True)) == 1 / 4  # in octaves
    assert lower_bound(GaussianTuningModel(grid_coordinates=[3.0])) == 1 / 4
    plane = [[x, y] for x in (0.0, 2.0, 6.0) for y in (0.0, 0.1)]
    assert lower_bound(GaussianTuningModel(grid_coordinates=plane, n_dims=2)) == 2 / 4
    assert lower_bound(GaussianTuningModel()) == 0


def test_fits_keep_to_what_the_stimulus_can_tell():
    positions = np.linspace(-1, 3, 60)[:, None]
    mu, sd, amplitude, baseline = GaussianTuningModel().fitting_space(positions)
    assert (mu.lower, mu.upper) == (-1, 3) and amplitude.lower == 0 and not baseline.is_bounded
    assert_allclose([sd.lower, sd.upper], [3 * 4 / 60, 4])  # some seven samples under the curve
    levels = np.repeat(np.arange(9.0), 30)[:, None]
    assert_allclose(GaussianTuningModel().fitting_space(levels)[1].lower, 1 / 4)  # a quarter of their distance
    assert GaussianTuningModel(positive_amplitude=False).fitting_space(positions)[2].lower == -np.inf
    mu, sd, *_ = GaussianTuningModel(log=True).fitting_space(np.array([[2.0], [32.0]] * 50))
    assert_allclose([mu.lower, mu.upper, sd.lower, sd.upper], [2, 32, 0.5, 4])
    assert mu.kind == sd.kind == "log"  # steps in octaves
    grid = GaussianTuningModel(grid_coordinates=[0.0, 1.0, 4.0]).fitting_space(np.ones((9, 3)))
    assert_allclose([[par.lower, par.upper] for par in grid[:2]], [[0, 4], [0.25, 4]])
    plane = GaussianTuningModel(n_dims=2).fitting_space(np.array([[0.0, 5.0], [1.0, 8.0]] * 50))
    assert [(par.lower, par.upper) for par in plane[:2]] == [(0, 1), (5, 8)]
    assert GaussianTuningModel().fitting_space(np.ones((5, 1)))[0].upper == np.inf  # nothing varies, nothing is told


def test_candidates_span_the_stimulus():
    grid = GaussianTuningModel().candidate_grid(np.array([[-1.0], [3.0], [0.5]]))
    assert_allclose(grid["mu"], np.linspace(-1, 3, 41))
    assert_allclose(grid["sd"], np.geomspace(3 * 4 / 8, 4, 16))  # of few stimuli: three eighths
    many = GaussianTuningModel().candidate_grid(np.linspace(-1, 3, 1000)[:, None])
    assert_allclose(many["sd"], np.geomspace(4 / 41 / 2, 4, 16))  # of many, as fine as the centers are
    grid = GaussianTuningModel(log=True).candidate_grid(np.array([[2.0], [32.0]]))
    assert_allclose(np.log2(grid["mu"]), np.linspace(1, 5, 41))
    assert_allclose(grid["sd"][[0, -1]], [3 * 4 / 8, 4])
    grid = GaussianTuningModel(n_dims=2).candidate_grid(np.array([[0.0, 5.0], [1.0, 8.0]]))
    assert_allclose(grid["x"], np.linspace(0, 1, 12))
    assert_allclose(grid["y"], np.linspace(5, 8, 12))
    assert_allclose(grid["sd"], np.geomspace(3 * 3 / 8, 3, 6))  # of the larger extent
    model = GaussianTuningModel(grid_coordinates=[0.0, 1.0, 4.0], hrf_model=SPMHRFModel(1.0, unique_hrfs=True))
    grid = model.candidate_grid(np.ones((9, 3)))
    assert_allclose(grid["sd"][[0, -1]], [3 / 4, 4])
    assert_allclose(grid["hrf_delay"], [4, 5, 6])  # inside the bounds, 3 and 7 seconds
    assert_allclose(grid["hrf_dispersion"], 0.3 + 1.7 * np.array([0.25, 0.5, 0.75]))
