"""Best parameters met and the end of gradient descent, step by step."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from eegexplain.encoding import GaussianTuningModel
from eegexplain.encoding.parameters._descent import Seen, _Convergence, _residual, _step
from eegexplain.encoding.parameters._settings import FitSettings
from eegexplain.encoding.parameters.noise_models import NOISE_MODELS, NoiseModel

SETTINGS = FitSettings(NOISE_MODELS["ssq"], max_n_iterations=50, min_n_iterations=3, lag=2, r2_atol=0.015)


def watch(total, together=False, noise_model="ssq"):
    settings = replace(SETTINGS, noise_model=NOISE_MODELS[noise_model])
    return _Convergence(np.zeros((len(total), 1)), np.asarray(total, float), settings, together)


def seen_with(ssq, theta, noise_model="ssq"):
    return Seen(np.asarray(ssq, float), NOISE_MODELS[noise_model].cost(np.asarray(ssq, float)), theta)


def test_the_best_parameters_of_each_target_are_kept():
    seen = watch([10, 10, 10])
    costs = np.array([[5.0, 3, 9], [4, 6, 9], [6, 2, 10]])
    for iteration, ssq in enumerate(costs):
        assert not seen.update(iteration, seen_with(ssq, np.full((3, 1), iteration, float)))
    assert_array_equal(seen.theta[:, 0], [1, 2, 0])
    seen.keep_best(seen_with([9.0, 1, 8], np.full((3, 1), 7.0)))
    assert_array_equal(seen.theta[:, 0], [1, 7, 7])


@pytest.mark.parametrize(("noise_model", "best"), [("ssq", 0), ("gaussian", 1)])
def test_shared_parameters_are_judged_by_the_likelihood_of_all_targets(noise_model, best):
    """Sums 102 and 111, sums of logarithms log 200 and log 110: the noise model decides, for all targets together."""
    seen = watch([1, 1], together=True, noise_model=noise_model)
    seen.keep_best(seen_with([100.0, 2], np.zeros((2, 1)), noise_model))
    seen.keep_best(seen_with([110.0, 1], np.ones((2, 1)), noise_model))
    assert_array_equal(seen.theta[:, 0], [best, best])
    exact = watch([1, 1], together=True, noise_model="gaussian")
    exact.keep_best(seen_with([0.0, 1], np.ones((2, 1)), "gaussian"))  # no logarithm of zero
    assert_array_equal(exact.theta[:, 0], [1, 1])


def test_a_target_has_converged_when_its_share_changes_little_over_the_lag():
    """Shares of a slow and a fast target and one that gets worse; 2 steps back, not before the third iteration."""
    shares = np.array([[0.0, 0.5, 0.9], [0.2, 0.50, 0.8], [0.4, 0.50, 0.7], [0.5, 0.51, 0.6], [0.52, 0.51, 0.5],
                       [0.53, 0.51, 0.4], [0.53, 0.51, 0.4], [0.53, 0.51, 0.4]])  # fmt: skip
    total = np.array([4.0, 10.0, 100.0])
    seen = watch(total)
    ends = [seen.update(k, seen_with((1 - share) * total, np.zeros((3, 1)))) for k, share in enumerate(shares)]
    assert ends == [False] * 7 + [True]
    assert_array_equal(seen.n_iter, [7, 4, 8])
    assert seen.converged.all()
    unfinished = watch(total)
    assert not unfinished.update(0, seen_with(total, np.zeros((3, 1))))
    assert_array_equal(unfinished.n_iter, 50)
    assert not unfinished.converged.any()


def test_targets_with_shared_parameters_converge_together():
    seen = watch([1.0, 1.0], together=True)
    for k, shares in enumerate([[0.0, 0.5], [0.1, 0.5], [0.2, 0.5], [0.3, 0.5]]):
        assert not seen.update(k, seen_with(1 - np.array(shares), np.zeros((2, 1))))
    assert not seen.converged.any()  # the second stands still, but their mean moves


LAPLACE = NoiseModel("laplace", "sum_v log sum_t |r_tv|", "laplace", lambda r, xp=np: xp.abs(r).sum(0), own_scale=True)


@pytest.mark.parametrize("noise_model", [*NOISE_MODELS.values(), LAPLACE], ids=lambda record: record.name)
def test_a_step_descends_the_objective_of_its_noise_model(noise_model):
    leaf = torch.tensor([3.0, -1.0], dtype=torch.float64, requires_grad=True)
    unknowns = SimpleNamespace(columns=lambda: [leaf])
    factors = np.array([[1.0, 0.5], [-0.3, 2.0]])

    def residual(columns):
        return torch.as_tensor(factors) * columns[0]

    def objective(values):
        return noise_model.cost(noise_model.loss(factors * values)).sum()

    start, steps = leaf.detach().numpy().copy(), 1e-6 * np.eye(2)
    slope = [(objective(start + step) - objective(start - step)) / 2e-6 for step in steps]
    seen = _step(unknowns, residual, torch.optim.SGD([leaf], lr=0.1), noise_model)
    assert_allclose(seen.ssq, ((factors * start) ** 2).sum(0))
    assert_allclose(seen.cost, noise_model.cost(noise_model.loss(factors * start)))
    assert_allclose(seen.theta[:, 0], start)
    assert_allclose(leaf.detach().numpy(), start - 0.1 * np.array(slope), rtol=1e-6)


def test_residuals_have_amplitude_baseline_and_no_nuisance():
    rng = np.random.default_rng(0)
    x, confound = rng.uniform(-1, 1, (30, 1)), np.linalg.qr(np.ones((30, 1)))[0]
    data, model = rng.normal(size=(30, 2)), GaussianTuningModel()
    layout = SimpleNamespace(shape=[0, 1], amplitude=2, baseline=3)
    theta = np.array([[0.1, 0.5, 2.0, 0.3], [-0.2, 0.8, -1.0, 0.1]])
    recording = SimpleNamespace(stimulus=x, data=data, groups=None)
    columns = [torch.as_tensor(column) for column in theta.T]
    found = _residual(model, layout, recording, np.empty((30, 0)))(columns)
    assert_allclose(found, data - model.predict(x, theta))
    found = _residual(model, layout, recording, confound)(columns)
    prediction = model.predict(x, theta)
    assert_allclose(found, data - prediction + prediction.mean(0))
