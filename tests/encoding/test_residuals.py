"""Planted noise is found again."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eegexplain.encoding import GaussianTuningModel, ResidualFitter

N = 16
GRID = np.linspace(-3, 3, 31)[:, None]
PARAMETERS = np.column_stack([np.linspace(-2, 2, N), np.ones((N, 2)), np.zeros(N)])
TUNING = GaussianTuningModel().predict(GRID, PARAMETERS)
TAU = np.linspace(0.5, 1.5, N)


def noise(omega, n_samples=1500, dof=None, seed=0):
    model = GaussianTuningModel()
    x = np.zeros((n_samples, 1))
    return model.simulate(x, PARAMETERS, noise=omega, dof=dof, random_state=seed) - model.predict(x, PARAMETERS)


def similarity():
    curves = TUNING - TUNING.mean(axis=0)
    return curves.T @ curves / len(curves)


@pytest.mark.parametrize("dof", [None, 6.0])
def test_planted_noise_is_recovered(dof):
    omega = np.outer(TAU, TAU) * (0.2 + 0.8 * np.eye(N)) + 0.8**2 * similarity()
    fitter = ResidualFitter().fit(noise(omega, dof=dof), tuning=TUNING)
    assert fitter.rho_ == pytest.approx(0.2, abs=0.04)
    assert fitter.sigma_ == pytest.approx(0.8, abs=0.1)
    assert_allclose(fitter.tau_, TAU, rtol=0.12)
    assert_allclose(fitter.omega_, omega, rtol=0.15, atol=0.08)
    assert fitter.sample_share_ <= 0.1
    assert fitter.dof_ > 100 if dof is None else fitter.dof_ == pytest.approx(6, rel=0.2)
    wider = 1.0 if np.isinf(fitter.dof_) else fitter.dof_ / (fitter.dof_ - 2)
    assert_allclose(fitter.covariance_, wider * fitter.omega_)


def test_noise_of_neighbors_is_recovered():
    places = np.linspace(0, 5, N)
    distance = np.abs(places[:, None] - places)
    omega = np.outer(TAU, TAU) * (0.1 + 0.3 * np.exp(-distance / 1.0) + 0.6 * np.eye(N))
    fitter = ResidualFitter(distance=distance, dof=None).fit(noise(omega))
    assert fitter.near_ == pytest.approx(0.3, abs=0.06)
    assert fitter.length_ == pytest.approx(1.0, abs=0.4)
    assert_allclose(fitter.omega_, omega, atol=0.12)
    assert ResidualFitter(dof=None).fit(noise(omega)).log_likelihood_ < fitter.log_likelihood_


def test_what_the_structure_lacks_comes_from_the_sample():
    loading = np.random.default_rng(1).standard_normal((N, 3))
    omega = loading @ loading.T + np.eye(N)
    draws = noise(omega, 400)
    fitter = ResidualFitter(dof=None).fit(draws)
    assert fitter.sample_share_ > 0.5
    unseen = noise(omega, 400, seed=1)
    assert fitter.score(unseen) > ResidualFitter(dof=None, sample_share=0.0).fit(draws).score(unseen) + 1


def test_sample_covariance_alone():
    draws = noise(np.diag(TAU), 100)
    fitter = ResidualFitter(sample_share=1.0, dof=None).fit(draws)
    assert_allclose(fitter.omega_ / fitter.scale_, draws.T @ draws / 100)
    assert fitter.scale_ > 1  # samples that were left out lie farther out than those that made it


def test_samples_in_another_order():
    loading = np.random.default_rng(1).standard_normal((N, 3))
    draws = noise(loading @ loading.T + np.eye(N), 60)
    order = np.random.default_rng(2).permutation(60)
    one, other = ResidualFitter().fit(draws), ResidualFitter().fit(draws[order])
    assert one.log_likelihood_ == pytest.approx(other.log_likelihood_, rel=1e-4)
    assert_allclose(one.omega_, other.omega_, rtol=2e-3, atol=1e-3)  # as near as the solver stops to the best fit
    assert one.sample_share_ == other.sample_share_


@pytest.mark.parametrize(
    ("settings", "given", "message"),
    [
        ({}, {"X": np.ones((3, 2))}, "at least 4"),
        ({}, {"X": np.eye(6)[:, :3] * [1, 0, 1]}, "no residuals"),
        ({}, {"X": np.eye(6) * np.nan}, "NaN"),
        ({}, {"X": np.eye(6), "tuning": np.ones((5, 2))}, "tuning has 2 targets, but X has 6"),
        ({}, {"X": np.eye(6), "folds": [0, 1]}, "folds must be a label per sample"),
        ({"distance": np.ones((2, 2))}, {"X": np.eye(6)}, "distance must be symmetric"),
        ({"sample_share": 1.0}, {"X": np.eye(6)}, "use sample_share < 1"),
        ({"sample_share": 2.0}, {"X": np.eye(6)}, "sample_share must be"),
    ],
)
def test_refusals(settings, given, message):
    with pytest.raises(ValueError, match=message):
        ResidualFitter(**settings).fit(given.pop("X"), **given)


def test_scores_of_other_targets_are_refused():
    with pytest.raises(ValueError, match="knows 16"):
        ResidualFitter().fit(noise(np.diag(TAU), 30)).score(np.ones((5, 3)))
