"""The density of new data, derived again with explicit matrices, and against refits to new noise."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal, multivariate_t
from sklearn.frozen import FrozenEstimator

from eegexplain.encoding import GaussianTuningModel, LinearModelWithBaseline, ParameterFitter, WeightFitter
from eegexplain.encoding._predictive import Errors, Predictive, errors_of

rng = np.random.default_rng(0)
STIMULUS = rng.uniform(-3, 3, (60, 1))
PARAMETERS = np.column_stack([[-2.0, -0.5, 0.7, 2.0, 1.0], [1.0, 0.8, 1.2, 1.0, 0.7], [1, 2, 1.5, 1, 1], np.zeros(5)])
OMEGA = 0.04 * (np.eye(5) + 0.5)
KEPT = np.ones(5, dtype=bool)
NEW = np.array([[-1.0], [0.3], [2.2]])


def data(seed=0):
    return GaussianTuningModel().simulate(STIMULUS, PARAMETERS, noise=OMEGA, random_state=seed)


def test_errors_of_tuning_curves_follow_the_jacobian():
    y = data()
    fitter = ParameterFitter(GaussianTuningModel(), fixed_pars="baseline", init_pars=PARAMETERS).fit(STIMULUS, y)
    theta = fitter.parameters_.to_numpy()
    residual = y - fitter.predict(STIMULUS)
    errors = errors_of(fitter, STIMULUS, residual, KEPT).at(NEW)

    def derivatives(places, target):
        columns = []
        for parameter in range(3):
            step = np.zeros(4)
            step[parameter] = 1e-5
            high, low = (GaussianTuningModel().predict(places, (theta[target] + s)[None]) for s in (step, -step))
            columns.append((high - low)[:, 0] / 2e-5)
        return np.column_stack(columns)

    quartiles = np.quantile(theta[:, :3], [0.25, 0.75], axis=0)
    precision = (2 * 0.6744897501960817 / (quartiles[1] - quartiles[0])) ** 2
    levers, wholes = [], []
    for target in range(5):
        jacobian, new = derivatives(STIMULUS, target), derivatives(NEW, target)
        penalty = (residual[:, target] ** 2).sum() / 57 * np.diag(precision)
        inverse = np.linalg.inv(jacobian.T @ jacobian + penalty)
        levers.append(new @ inverse @ jacobian.T)
        wholes.append(np.einsum("sp,pq,sq->s", new, inverse, new))
    for place in range(3):
        h = np.array([lever[place] for lever in levers])
        naive = OMEGA * (1 + h @ h.T)
        naive[np.diag_indices(5)] = np.diag(OMEGA) * (1 + np.array(wholes)[:, place])
        assert_allclose(errors.covariance(OMEGA)[place], naive, rtol=1e-4)


@pytest.mark.parametrize("bands", [None, {"a": [0], "b": [1, 2]}])
def test_errors_of_weights_are_those_of_ridge_regression(bands):
    features, new = rng.standard_normal((30, 3)), rng.standard_normal((2, 3))
    y = features @ rng.standard_normal((3, 4)) + rng.standard_normal((30, 4))
    fitter = WeightFitter(alpha=np.logspace(-5, 2, 8), bands=bands, n_band_candidates=5, random_state=0)
    fitter.fit(features, y)
    found = errors_of(fitter, features, y - fitter.predict(features), np.ones(4, dtype=bool)).at(new)
    design, ones = np.column_stack([features, np.ones(30)]), np.column_stack([new, np.ones(2)])
    for target in range(4):
        penalty = np.full(3, fitter.alpha_[target])
        if bands:
            penalty = fitter.band_alphas_[[0, 1, 1], target]
        inverse = np.linalg.inv(design.T @ design + np.diag([*penalty, 0.0]))
        h = ones @ inverse @ design.T
        assert_allclose(np.einsum("sr,sr->s", *2 * [found.reach[:, target]]), (h**2).sum(axis=1), rtol=1e-8)
        assert_allclose(found.variance[:, target], np.einsum("sp,pq,sq->s", ones, inverse, ones), rtol=1e-6)


@pytest.mark.parametrize("linear", [True, False])
def test_refits_to_new_noise_scatter_as_foretold(linear):
    if linear:
        stimulus, new = rng.standard_normal((20, 4)), rng.standard_normal((3, 4))
        fitter = ParameterFitter(LinearModelWithBaseline())
        truth = stimulus @ np.ones((4, 5))
    else:
        stimulus, new = STIMULUS, NEW
        fitter = ParameterFitter(GaussianTuningModel(), init_pars=PARAMETERS, r2_atol=1e-3)
        truth = GaussianTuningModel().predict(stimulus, PARAMETERS)
    factor, draws = np.linalg.cholesky(OMEGA), np.random.default_rng(1)
    noisy = [truth + draws.standard_normal(truth.shape) @ factor.T for _ in range(120)]
    responses = np.array([fitter.fit(stimulus, each).predict(new) for each in noisy])
    errors = errors_of(fitter, stimulus, noisy[-1] - fitter.predict(stimulus), KEPT).at(new)
    for place in range(3):
        scatter = np.cov(responses[:, place].T)
        size = np.sqrt(np.outer(*2 * [np.diag(scatter)]))
        foretold = errors.covariance(OMEGA)[place] - OMEGA
        assert_allclose(foretold / size, scatter / size, atol=0.45)
        assert np.mean(np.diag(foretold / size)) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("dof", [np.inf, 5.0])
@pytest.mark.parametrize("known", [True, False])
def test_density_of_new_data_is_scipys(dof, known):
    fitter = ParameterFitter(GaussianTuningModel()).fit(STIMULUS, data())
    held = FrozenEstimator(fitter) if known else fitter
    errors = errors_of(held, STIMULUS, data() - fitter.predict(STIMULUS), KEPT)
    assert (errors is None) == known
    expected, new = fitter.predict(NEW), data(1)[:4]
    found = Predictive(NEW, expected, errors, OMEGA, dof).log_likelihood(new)
    for place in range(3):
        scale = OMEGA if known else errors.at(NEW).covariance(OMEGA)[place]
        law = multivariate_normal if np.isinf(dof) else multivariate_t
        tails = {} if np.isinf(dof) else {"df": dof}
        assert_allclose(found[:, place], law.logpdf(new, expected[place], scale, **tails), rtol=1e-8)


def test_errors_without_reach_are_those_of_each_target_alone():
    errors = Errors(np.zeros((1, 2, 3)), np.array([[0.5, 1.0]]))
    assert_allclose(errors.covariance(np.array([[2.0, 1], [1, 4]]))[0], [[3, 1], [1, 8]])
