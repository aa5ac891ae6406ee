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


def test_normalised_fields_divide_by_width_over_spacing():
    for n_dims, places in [(1, np.array([[0.0], [0.5], [1.0]])), (2, np.array([[0.0, 0], [0.5, 0], [0.5, 0.5]]))]:
        model = GaussianTuningModel(grid_coordinates=places, n_dims=n_dims, normalize=True)
        centre, sd = np.full((n_dims, 1), 0.3), np.array([0.7])
        gaussian = np.exp(-0.5 * ((places - 0.3) ** 2).sum(1) / 0.7**2)
        assert_allclose(model.field(*centre, sd)[:, 0], gaussian * 0.5**n_dims / (0.7 * np.sqrt(2 * np.pi)))


def test_candidates_span_the_stimulus():
    grid = GaussianTuningModel().candidate_grid(np.array([[-1.0], [3.0], [0.5]]))
    assert_allclose(grid["mu"], np.linspace(-1, 3, 41))
    assert_allclose(grid["sd"], np.geomspace(4 / 41 / 2, 4, 16))
    grid = GaussianTuningModel(log=True).candidate_grid(np.array([[2.0], [32.0]]))
    assert_allclose(np.log2(grid["mu"]), np.linspace(1, 5, 41))
    assert_allclose(grid["sd"][[0, -1]], [4 / 41 / 2, 4])
    grid = GaussianTuningModel(n_dims=2).candidate_grid(np.array([[0.0, 5.0], [1.0, 8.0]]))
    assert_allclose(grid["x"], np.linspace(0, 1, 12))
    assert_allclose(grid["y"], np.linspace(5, 8, 12))
    assert_allclose(grid["sd"], np.geomspace(3 / 12 / 2, 3, 6))  # to the larger extent
    model = GaussianTuningModel(grid_coordinates=[0.0, 1.0, 4.0], hrf_model=SPMHRFModel(1.0, unique_hrfs=True))
    grid = model.candidate_grid(np.ones((9, 3)))
    assert_allclose(grid["sd"][[0, -1]], [1.5 / 4, 4])
    assert_allclose(grid["hrf_delay"], [4, 5, 6])  # inside the bounds, 3 and 7 seconds
    assert_allclose(grid["hrf_dispersion"], 0.3 + 1.7 * np.array([0.25, 0.5, 0.75]))
