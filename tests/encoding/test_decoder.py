import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal, multivariate_t
from sklearn.frozen import FrozenEstimator

from eegexplain.encoding import (
    DelayedModel,
    GaussianTuningModel,
    ParameterFitter,
    SPMHRFModel,
    StimulusDecoder,
    WeightFitter,
)

MODEL = GaussianTuningModel()
N_TARGETS = 12


@pytest.fixture(scope="module")
def recording():
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, (400, 1))
    pars = np.column_stack([np.linspace(-3, 3, N_TARGETS), *np.ones((2, N_TARGETS)), np.zeros(N_TARGETS)])
    loading = rng.standard_normal((N_TARGETS, 2)) * 0.3
    omega = loading @ loading.T + 0.04 * np.eye(N_TARGETS)
    return x, MODEL.simulate(x, pars, noise=omega, random_state=1), omega


@pytest.fixture(scope="module")
def fitted(recording):
    x, y, _ = recording
    return FrozenEstimator(ParameterFitter(MODEL).fit(x[:300], y[:300]))


@pytest.mark.parametrize("dof", [None, 4.0])
def test_posterior_equals_bayes_rule(recording, fitted, dof):
    x, y, _ = recording
    grid, prior = np.linspace(-3, 3, 13)[:, None], np.arange(1.0, 14)
    decoder = StimulusDecoder(fitted, grid=grid, prior=prior, dof=dof).fit(x[:300], y[:300])
    expected = fitted.predict(grid)
    for t in range(300, 305):
        if dof is None:
            likelihood = [multivariate_normal.pdf(y[t], mean, decoder.omega_) for mean in expected]
        else:
            likelihood = [multivariate_t.pdf(y[t], mean, decoder.omega_, df=dof) for mean in expected]
        posterior = np.array(likelihood) * prior
        assert_allclose(decoder.predict_proba(y[t : t + 1])[0], posterior / posterior.sum(), rtol=1e-6, atol=1e-12)


def test_covariance_of_residuals_is_recovered_and_helps(recording, fitted):
    x, y, omega = recording
    decoder = StimulusDecoder(fitted).fit(x[:300], y[:300])
    assert_allclose(decoder.omega_, omega, atol=0.08)
    assert 0 < decoder.shrinkage_ < 0.3
    ignorant = StimulusDecoder(fitted, shrinkage=1.0).fit(x[:300], y[:300])
    errors = [np.mean((d.predict(y[300:]) - x[300:]) ** 2) for d in (decoder, ignorant)]
    assert errors[0] < 0.5 * errors[1]
    mean, std = decoder.predict(y[300:], return_std=True)
    assert 0.5 < np.sqrt(np.mean(((x[300:] - mean) / std) ** 2)) < 1.6
    assert np.mean(np.abs(decoder.predict_mode(y[300:]) - x[300:])) < 0.3


def test_no_shrinkage_is_the_sample_covariance(recording, fitted):
    x, y, _ = recording
    residual = y[:300] - fitted.predict(x[:300])
    decoder = StimulusDecoder(fitted, shrinkage=0.0).fit(x[:300], y[:300])
    assert_allclose(decoder.omega_, residual.T @ residual / 300)


def test_default_grid(recording, fitted):
    x, y, _ = recording
    levels = np.round(x)
    assert_array_equal(StimulusDecoder(fitted).fit(levels, y).grid_, np.unique(levels)[:, None])
    many = np.linspace(-3, 3, 1500)[:, None]
    frozen = FrozenEstimator(ParameterFitter(MODEL).fit(many, np.sin(many)))
    assert StimulusDecoder(frozen).fit(many, np.sin(many)).grid_.shape == (101, 1)


def test_decodes_from_weights_and_pandas(recording):
    x, y, _ = recording
    data = pd.DataFrame(y, index=np.arange(400) / 10, columns=[f"ch{i}" for i in range(N_TARGETS)])
    centres = np.column_stack([np.linspace(-3, 3, 7), *np.ones((2, 7)), np.zeros(7)])
    decoder = StimulusDecoder(WeightFitter(GaussianTuningModel(parameters=centres), 0.1), grid=np.linspace(-3, 3, 61))
    decoder.fit(x[:300], data[:300])
    posterior = decoder.predict_proba(data[300:])
    assert posterior.index.equals(data.index[300:])
    assert_allclose(posterior.sum(axis=1), 1.0)
    assert np.corrcoef(decoder.predict(data[300:])[:, 0], x[300:, 0])[0, 1] > 0.95


def test_constant_targets_are_left_out(recording):
    x, y, _ = recording
    y = y.copy()
    y[:, 3] = 1.0
    with pytest.warns(UserWarning, match="never vary"):
        decoder = StimulusDecoder(ParameterFitter(MODEL)).fit(x, y)
    assert_array_equal(np.flatnonzero(~decoder.kept_), [3])
    assert np.isfinite(decoder.predict(y)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grid": np.ones((3, 2))}, "grid has 2 features"),
        ({"grid": np.ones((3, 1)), "prior": np.ones(2)}, "3 non-negative"),
        ({"shrinkage": 1.5}, "shrinkage must be .* at most 1"),
        ({"fitter": WeightFitter(DelayedModel(tmax=3.0))}, "DelayedModel responds to earlier"),
        ({"fitter": ParameterFitter(GaussianTuningModel(hrf_model=SPMHRFModel(1.0)))}, "responds to earlier"),
    ],
)
def test_bad_input(recording, fitted, settings, message):
    x, y, _ = recording
    with pytest.raises(ValueError, match=message):
        StimulusDecoder(**{"fitter": fitted, **settings}).fit(x, y)


def test_bad_data(recording, fitted):
    x, y, _ = recording
    decoder = StimulusDecoder(fitted).fit(x, y)
    with pytest.raises(ValueError, match="12"):
        decoder.predict(y[:, :3])
    with pytest.raises(ValueError, match="NaN"):
        decoder.predict(y * np.nan)
    with pytest.raises(ValueError, match="use shrinkage > 0"):
        StimulusDecoder(fitted, shrinkage=0.0).fit(x[:6], y[:6])
    exact = FrozenEstimator(WeightFitter().fit(x, x))
    with pytest.raises(ValueError, match="No target"):
        StimulusDecoder(exact).fit(np.zeros((5, 1)), np.zeros((5, 1)) + exact.predict(np.zeros((5, 1))))
    with pytest.raises(ValueError, match="different stimuli"):
        many = np.random.default_rng(0).standard_normal((1100, 2))
        StimulusDecoder(FrozenEstimator(WeightFitter().fit(many, many @ [[1.0], [2.0]]))).fit(many, many[:, :1])


def test_automatic_shrinkage_moves_correlations_of_raw_residuals_towards_zero():
    """Residuals of a wrong model have a mean: it belongs to their covariance, which is about zero."""
    mixing = np.array([[1.0, 0.5, 0], [0, 1, 0], [0, 0, 9]])
    residual = np.random.default_rng(0).normal(size=(40, 3)) @ mixing + [1, 0, 5]
    found, shrinkage = StimulusDecoder(None)._covariance(residual)
    assert 0 < shrinkage < 1
    second = residual.T @ residual / 40
    kept = np.where(np.eye(3, dtype=bool), 1, 1 - shrinkage)
    assert_allclose(found, second * kept, rtol=1e-10)
