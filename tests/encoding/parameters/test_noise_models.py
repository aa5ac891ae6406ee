"""Every noise model against the likelihood of its law, its derivatives against differences, and what needs which."""

import numpy as np
import pytest
import scipy.stats
import torch
from numpy.testing import assert_allclose
from scipy.optimize import minimize, minimize_scalar

from eegexplain.encoding import GaussianTuningModel, LinearModelWithBaseline, ParameterFitter
from eegexplain.encoding.parameters import NOISE_MODELS, NoiseModel


def absolute_sum(residual, xp=np):
    return xp.abs(residual).sum(0)


LAPLACE = NoiseModel("laplace", "sum_v log sum_t |r_tv|", "laplace", absolute_sum, own_scale=True)
RECORDS = pytest.mark.parametrize("record", [*NOISE_MODELS.values(), LAPLACE], ids=lambda record: record.name)


def naive_likelihood(residual, record):
    """Minus the log-likelihood of one target's residuals: scale one, or the best scale by search."""
    law = getattr(scipy.stats, record.law)
    if not record.own_scale:
        return -law.logpdf(residual).sum()
    return minimize_scalar(lambda log_s: -law.logpdf(residual, scale=np.exp(log_s)).sum(), options={"xtol": 1e-10}).fun


@RECORDS
def test_costs_are_likelihoods_up_to_a_positive_factor_and_a_constant(record):
    residuals = np.random.default_rng(0).normal(size=(30, 6)) * [0.1, 0.5, 1, 2, 5, 20]
    costs = record.cost(record.loss(residuals))
    likelihoods = [naive_likelihood(residual, record) for residual in residuals.T]
    ratios = np.diff(likelihoods) / np.diff(costs)
    assert ratios[0] > 0
    assert_allclose(ratios, ratios[0], rtol=1e-6)


@RECORDS
def test_numpy_and_torch_agree_and_gradients_equal_differences(record):
    residual = np.random.default_rng(1).normal(size=(12, 3))
    leaf = torch.tensor(residual, requires_grad=True)
    cost = record.cost(record.loss(leaf, torch), torch)
    assert_allclose(cost.detach().numpy(), record.cost(record.loss(residual)))
    cost.sum().backward()
    for t, v in np.ndindex(residual.shape):
        step = np.zeros_like(residual)
        step[t, v] = 1e-6
        above, below = (record.cost(record.loss(residual + sign * step)).sum() for sign in (1, -1))
        assert leaf.grad[t, v].item() == pytest.approx((above - below) / 2e-6, rel=1e-6, abs=1e-8)


@RECORDS
def test_weights_are_slopes_of_the_cost(record):
    loss = np.array([0.3, 2.0, 70.0])
    slope = (record.cost(loss + 1e-6) - record.cost(loss - 1e-6)) / 2e-6
    assert_allclose(record.weight(loss), slope, rtol=1e-6)
    assert np.isfinite([record.cost(np.zeros(1)), record.weight(np.zeros(1))]).all()


@RECORDS
def test_names_are_keys_and_formulas_are_written(record):
    assert record.formula
    if record is not LAPLACE:
        assert NOISE_MODELS[record.name] is record


@RECORDS
def test_shared_parameters_minimise_the_objective(record):
    """By a torch optimiser, and by variable projection where sums of squares suffice."""
    rng = np.random.default_rng(3)
    x, model = rng.uniform(-3, 3, (80, 1)), GaussianTuningModel()
    truth = np.array([[-1.0, 0.8, 1.0, 0.0], [1.0, 1.2, 1.0, 0.0]])
    y = model.predict(x, truth) + rng.laplace(size=(80, 2)) * [0.1, 0.7]

    def objective(joint):  # sd, then mu, amplitude and baseline of each target
        pars = np.insert(joint[1:].reshape(2, 3), 1, np.abs(joint[0]), axis=1)
        return record.cost(record.loss(y - model.predict(x, pars))).sum()

    options = {"xatol": 1e-6, "fatol": 1e-10, "maxiter": 40000, "maxfev": 40000, "adaptive": True}
    settings = {"shared_pars": ["sd"], "noise_model": record}
    solvers = [{"solver": "adam", "learning_rate": 0.003, "max_n_iterations": 3000, "random_state": 0}]
    for solver in solvers + [{}] * record.is_least_squares:
        found = ParameterFitter(model, **settings, **solver).fit(x, y).parameters_.to_numpy()
        joint = np.r_[found[0, 1], np.delete(found, 1, axis=1).ravel()]
        best = minimize(objective, 1.05 * joint + 0.02, method="Nelder-Mead", options=options)
        assert objective(joint) <= best.fun + 1e-3


def test_outliers_matter_less_to_laplace_noise():
    rng = np.random.default_rng(5)
    x, model = rng.uniform(-3, 3, (150, 1)), GaussianTuningModel()
    truth = np.array([[0.5, 0.8, 2.0, 0.0]])
    y = model.simulate(x, truth, noise=0.1, random_state=0)
    y[rng.choice(150, 15, replace=False)] += 5
    robust = ParameterFitter(model, "adam", noise_model=LAPLACE, learning_rate=0.02, random_state=0).fit(x, y)
    squares = ParameterFitter(model).fit(x, y)
    assert_allclose(robust.parameters_, truth, atol=0.1)
    assert np.abs(squares.parameters_ - truth).to_numpy().max() > 0.3
    assert robust.standard_errors_.isna().all(axis=None)  # those of least squares would be wrong


def test_what_only_least_squares_can_is_refused_never_replaced():
    x = np.random.default_rng(6).normal(size=(30, 1))
    y = x @ np.ones((1, 2))
    with pytest.raises(ValueError, match="'laplace' needs more.*solver='adam'"):
        ParameterFitter(GaussianTuningModel(), noise_model=LAPLACE).fit(x, y)
    with pytest.raises(ValueError, match="closed form, by least squares; not with 'laplace'"):
        ParameterFitter(LinearModelWithBaseline(), noise_model=LAPLACE).fit(x, y)
    with pytest.raises(ValueError, match="noise_model='gausian'.*Did you mean 'gaussian'"):
        ParameterFitter(GaussianTuningModel(), noise_model="gausian").fit(x, y)
    known = {"init_pars": [0.0, 1.0, 1.0, 0.0], "fixed_pars": ["mu", "sd"]}
    with pytest.raises(ValueError, match="solver='adam'"):  # the closed form of known shapes is one of least squares
        ParameterFitter(GaussianTuningModel(), noise_model=LAPLACE, **known).fit(x, y)
