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
    ResidualFitter,
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
    noise = ResidualFitter(dof=dof)
    decoder = StimulusDecoder(fitted, grid=grid, prior=prior, noise=noise).fit(x[:300], y[:300])
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
    decoder = StimulusDecoder(fitted, noise=ResidualFitter(dof=None)).fit(x[:300], y[:300])
    assert_allclose(decoder.omega_, omega, atol=0.2)
    assert decoder.noise_.sample_share_ > 0.3  # the two random factors are not in the structure
    ignorant = StimulusDecoder(fitted, noise=ResidualFitter(sample_share=0.0)).fit(x[:300], y[:300])
    errors = [np.mean((d.predict(y[300:]) - x[300:]) ** 2) for d in (decoder, ignorant)]
    assert errors[0] < 0.8 * errors[1]
    mean, std = decoder.predict(y[300:], return_std=True)
    assert 0.5 < np.sqrt(np.mean(((x[300:] - mean) / std) ** 2)) < 1.6
    assert np.mean(np.abs(decoder.predict_mode(y[300:]) - x[300:])) < 0.3


@pytest.fixture(scope="module")
def few_trials():
    """More targets than trials and correlated noise: where parameters are far from known."""
    rng = np.random.default_rng(5)
    v = 60
    pars = np.column_stack([rng.uniform(-3, 3, v), rng.uniform(0.7, 1.4, v), rng.uniform(0.8, 2, v), np.zeros(v)])
    x = rng.uniform(-3, 3, (250, 1))
    y = MODEL.simulate(x, pars, noise=0.15 + 0.85 * np.eye(v), random_state=6)
    return x, y


def test_regions_cover_the_truth_where_trials_are_few(few_trials):
    x, y = few_trials
    grid = np.linspace(-3, 3, 121)[:, None]
    decoder = StimulusDecoder(ParameterFitter(MODEL), grid=grid).fit(x[:50], y[:50])
    calibration = decoder.calibration(x[50:], y[50:])
    assert 0.83 < calibration.coverage(0.9) < 0.97
    known = StimulusDecoder(FrozenEstimator(decoder.fitter_), grid=grid).fit(x[:50], y[:50]).calibration(x[50:], y[50:])
    assert known.coverage(0.9) < calibration.coverage(0.9) - 0.1
    assert known.log_probability.mean() < calibration.log_probability.mean() - 0.1


def test_residuals_of_the_fit_itself_are_made_larger(few_trials):
    x, y = few_trials
    one, other = (StimulusDecoder(ParameterFitter(MODEL), cv=cv).fit(x[:50], y[:50]) for cv in (None, 5))
    assert (one.temper_, one.lapse_) == (1, 0)
    sizes = [np.sqrt(np.diag(d.noise_.covariance_)).mean() for d in (one, other)]
    assert_allclose(sizes, 1.0, rtol=0.2)


def test_trials_in_another_order(few_trials):
    x, y = few_trials[0][:40], few_trials[1][:40, :8]
    order = np.random.default_rng(0).permutation(40)
    decoders = [StimulusDecoder(ParameterFitter(MODEL)).fit(x[i], y[i]) for i in (np.arange(40), order)]
    one, other = (decoder.predict_proba(few_trials[1][40:50, :8]) for decoder in decoders)
    assert_allclose(one, other, atol=1e-4)


def test_highest_density_region(recording, fitted):
    x, y, _ = recording
    decoder = StimulusDecoder(fitted, grid=np.linspace(-3, 3, 61)[:, None]).fit(x[:300], y[:300])
    inside, posterior = decoder.highest_density_region(y[300:], 0.8), decoder.predict_proba(y[300:])
    held = np.where(inside, posterior, 0)
    assert (held.sum(axis=1) >= 0.8).all()
    assert (held.sum(axis=1) - np.where(inside, posterior, 1).min(axis=1) < 0.8).all()  # one less would not do
    with pytest.raises(ValueError, match="level must be"):
        decoder.highest_density_region(y, 1.5)


@pytest.mark.parametrize("dof", [None, 5.0])
def test_fisher_information_is_the_curvature_of_the_likelihood(recording, fitted, dof):
    x, y, _ = recording
    decoder = StimulusDecoder(fitted, noise=ResidualFitter(dof=dof)).fit(x[:300], y[:300])
    place, step = 0.4, 1e-3
    low, middle, high = fitted.predict(np.array([[place - step], [place], [place + step]]))
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((4000, N_TARGETS)) @ np.linalg.cholesky(decoder.omega_).T
    draws = np.vstack([draws, -draws])
    if dof:
        draws /= np.sqrt(rng.chisquare(dof, (len(draws), 1)) / dof)
    law = multivariate_normal if dof is None else multivariate_t
    tails = {} if dof is None else {"df": dof}
    curve = [law.logpdf(middle + draws, mean, decoder.omega_, **tails).mean() for mean in (low, middle, high)]
    naive = -(curve[0] - 2 * curve[1] + curve[2]) / step**2
    assert decoder.fisher_information([[place]])[0, 0, 0] == pytest.approx(naive, rel=0.1 if dof else 1e-3)
    assert decoder.fisher_information().shape == (len(decoder.grid_), 1, 1)


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
        ({"fitter": ParameterFitter(MODEL), "cv": 1}, "cv must be a number of folds"),
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
    with pytest.raises(ValueError, match="use sample_share < 1"):
        StimulusDecoder(fitted, noise=ResidualFitter(sample_share=1.0)).fit(x[:6], y[:6])
    with pytest.raises(ValueError, match=r"The paradigm must be \(400, 1\)"):
        decoder.calibration(x[:5], y)
    with pytest.raises(ValueError, match="stimuli have 2 features"):
        decoder.fisher_information(np.ones((3, 2)))
    exact = FrozenEstimator(WeightFitter().fit(x, x))
    with pytest.raises(ValueError, match="No target"):
        StimulusDecoder(exact).fit(np.zeros((5, 1)), np.zeros((5, 1)) + exact.predict(np.zeros((5, 1))))
    with pytest.raises(ValueError, match="different stimuli"):
        many = np.random.default_rng(0).standard_normal((1100, 2))
        StimulusDecoder(FrozenEstimator(WeightFitter().fit(many, many @ [[1.0], [2.0]]))).fit(many, many[:, :1])
