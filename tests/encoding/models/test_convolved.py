"""Models behind a haemodynamic response: runs, padding, parameters per target."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eegexplain.encoding import GaussianTuningModel, HRFModel, SPMHRFModel

RUNS = np.repeat([0, 1, 2], [20, 16, 24])
SLICES = slice(0, 20), slice(20, 36), slice(36, 60)
PLACES = np.linspace(-2, 2, 5)


def convolve(x, kernel, padding):
    """One run and one kernel, sample by sample."""
    before = np.full(len(kernel), x[0] if padding == "edge" else 0.0)
    long = np.concatenate([before, x])
    return np.array([kernel @ long[t + len(kernel) : t : -1] for t in range(len(x))])


def model(grid, unique, padding="edge"):
    hrf = SPMHRFModel(2.0, unique_hrfs=unique, time_length=12.0)
    return GaussianTuningModel(hrf_model=hrf, padding=padding, grid_coordinates=PLACES if grid else None)


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("unique", [False, True])
@pytest.mark.parametrize("padding", ["edge", "zero"])
def test_predictions_are_the_basis_convolved_run_by_run(grid, unique, padding):
    rng = np.random.default_rng(0)
    paradigm = rng.uniform(-1, 1, (60, 5 if grid else 1))
    mu, sd, amplitude, baseline = np.array([[0.2, -0.7], [1.1, 0.8], [2.0, 3.0], [0.5, -1.0]])
    pars = [mu, sd, amplitude, baseline] + [np.array([4.0, 6.0]), np.array([0.8, 1.2])] * unique
    subject = model(grid, unique, padding)
    found = subject.predict(paradigm, np.stack(pars, axis=1), groups=RUNS)
    for v in range(2):
        curve = np.exp(-0.5 * ((PLACES if grid else paradigm[:, 0]) - mu[v]) ** 2 / sd[v] ** 2)
        basis = paradigm @ curve if grid else curve
        kernel = subject.hrf_model.get_hrf(*(par[v] for par in pars[4:]))
        expected = np.concatenate([convolve(basis[run], kernel, padding) for run in SLICES])
        assert_allclose(found[:, v], amplitude[v] * expected + baseline[v], atol=1e-10)
    assert np.abs(found - subject.predict(paradigm, np.stack(pars, axis=1))).max() > 1e-3


@pytest.mark.parametrize("unique", [False, True])
def test_derivatives_stay_within_runs(unique):
    rng = np.random.default_rng(1)
    paradigm, subject = rng.uniform(-1, 1, (60, 1)), model(False, unique)
    pars = np.array([[0.2, -0.7], [1.1, 0.8]] + [[4.0, 6.0], [0.8, 1.2]] * unique)
    response, derivatives = subject.response_gradient(paradigm, *pars, groups=RUNS)
    assert_allclose(response, subject.response(paradigm, *pars, groups=RUNS))
    assert len(derivatives) == len(pars)
    for i, derivative in enumerate(derivatives):
        step = np.zeros_like(pars)
        step[i] = 1e-5
        above, below = (subject.response(paradigm, *(pars + sign * step), groups=RUNS) for sign in (1, -1))
        assert_allclose(derivative, (above - below) / 2e-5, atol=2e-7)


def test_a_stimulus_that_fields_weigh_is_convolved_once_and_within_runs():
    paradigm = np.random.default_rng(2).uniform(size=(60, 5))
    subject = model(True, False)
    kernel = subject.hrf_model.get_hrf()
    expected = [np.concatenate([convolve(column[run], kernel, "edge") for run in SLICES]) for column in paradigm.T]
    assert_allclose(subject.filtered_stimulus(paradigm, RUNS), np.transpose(expected), atol=1e-12)
    assert model(True, True).filtered_stimulus(paradigm, RUNS) is None  # a response of its own for every target
    assert model(False, False).filtered_stimulus(paradigm[:, :1], RUNS) is None
    assert GaussianTuningModel(grid_coordinates=PLACES).filtered_stimulus(paradigm, RUNS) is paradigm


def test_a_response_has_memory_and_a_list_is_a_signal():
    assert model(False, False).has_memory and not GaussianTuningModel().has_memory
    found = HRFModel(hrf=[0.5, 0.25]).convolve([1.0, 2.0, 4.0], padding="zero")
    assert_allclose(found, [[0.5], [1.25], [2.5]])
