import pickle
import sys
import tracemalloc
import types

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import least_squares, minimize
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from eegexplain.encoding import (
    DelayedModel,
    EncodingModel,
    GaussianTuningModel,
    LinearModelWithBaseline,
    LinearModelWithBaselineHRF,
    Parameter,
    ParameterFitter,
    SPMHRFModel,
)

MODEL = GaussianTuningModel()


class Saturation(EncodingModel):
    """A user's model: no derivatives, no grid."""

    parameter_space = (
        Parameter("half", lower=0.0),
        Parameter("power", lower=0.5, upper=4.0),
        Parameter("gain", "amplitude"),
        Parameter("offset", "baseline"),
    )

    def basis(self, paradigm, half, power, *, xp=np):
        contrast = paradigm[:, :1] ** power
        return contrast / (contrast + half**power)


@pytest.fixture(scope="module")
def tuned():
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, (150, 1))
    n = 40
    truth = np.c_[rng.uniform(-2, 2, n), rng.uniform(0.5, 1.3, n), rng.uniform(1, 2, n), rng.normal(size=n)]
    return x, truth, MODEL.simulate(x, truth, noise=0.3, random_state=1)


def ssq(fit, x, y):
    return ((y - fit.predict(x)) ** 2).sum(axis=0)


@pytest.mark.parametrize("start", ["grid", "given"])
def test_reaches_the_oracles_fit(oracle, start):
    init = None if start == "grid" else oracle["pf_init"]
    fit = ParameterFitter(MODEL, init_pars=init).fit(oracle["g_x"][:, None], oracle["pf_data"])
    assert (fit.r2_ >= oracle["pf_r2"] - 1e-6).all()
    assert_allclose(fit.parameters_, oracle["pf_par"], atol=2e-3)
    assert fit.converged_.all()
    assert fit.n_iter_.max() < 20


def test_shared_and_fixed_parameters_reach_the_oracles_fit(oracle):
    x, y = oracle["g_x"][:, None], oracle["pf_data"]
    shared = ParameterFitter(MODEL, shared_pars=["sd"]).fit(x, y)
    assert np.ptp(shared.parameters_["sd"]) == 0
    total = ((y - y.mean(0)) ** 2).sum(0)
    assert total @ shared.r2_ >= total @ oracle["pf_shared_sd_r2"] - 1e-4 * total.sum() * 1e-2
    assert_allclose(shared.parameters_, oracle["pf_shared_sd_par"], atol=2e-3)
    fixed = ParameterFitter(MODEL, init_pars=oracle["pf_init"], fixed_pars="sd").fit(x, y)
    assert_array_equal(fixed.parameters_["sd"], oracle["pf_init"][:, 1])
    assert (fixed.r2_ >= oracle["pf_fixed_sd_r2"] - 1e-6).all()
    assert fixed.standard_errors_["sd"].isna().all()


def test_grid_and_refinement_equal_oracle(oracle):
    x, y = oracle["g_x"][:, None], oracle["pf_data"]
    grid = {"mu": [-2.0, -1.0, 0.0, 1.0, 1.5], "sd": [0.5, 1.0, 1.5]}
    best = ParameterFitter(MODEL).fit_grid(x, y, grid)
    assert_array_equal(best[["mu", "sd"]], oracle["pf_grid"][:, :2])
    refined = ParameterFitter(MODEL).refine_baseline_and_amplitude(x, y, oracle["pf_grid"])
    assert_allclose(refined, oracle["pf_refine"], atol=1e-3)
    r2 = 1 - ((y - MODEL.predict(x, refined)) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)
    assert (r2 >= oracle["pf_refine_r2"] - 1e-6).all()


def test_grid_search_equals_loops(tuned):
    x, _, y = tuned
    grid = {"mu": np.linspace(-2, 2, 5), "sd": np.array([0.5, 1.0])}
    best = ParameterFitter(MODEL, memory_limit=1).fit_grid(x, y, grid)
    for v in range(5):
        candidates = [(mu, sd) for mu in grid["mu"] for sd in grid["sd"]]
        errors = []
        for mu, sd in candidates:
            columns = np.column_stack([np.exp(-0.5 * ((x[:, 0] - mu) / sd) ** 2), np.ones(len(x))])
            errors.append(np.linalg.lstsq(columns, y[:, v], rcond=None)[1][0])
        assert tuple(best.loc[v, ["mu", "sd"]]) == candidates[int(np.argmin(errors))]
        assert_allclose(((y[:, v] - MODEL.predict(x, best.loc[[v]])[:, 0]) ** 2).sum(), min(errors))


def test_recovers_planted_parameters_with_calibrated_errors(tuned):
    x, truth, y = tuned
    fit = ParameterFitter(MODEL).fit(x, y)
    z = (fit.parameters_ - truth) / fit.standard_errors_
    assert 0.8 < np.sqrt((z**2).mean().mean()) < 1.25
    assert_allclose(fit.estimated_sigma2_, 0.09, rtol=0.5)
    assert_allclose(fit.estimated_sigma2_, ssq(fit, x, y) / len(x))
    assert_allclose(fit.score(x, y, multioutput="raw_values"), fit.r2_)


def test_standard_errors_equal_the_inverse_of_the_full_jacobian(tuned):
    x, _, y = tuned
    fit = ParameterFitter(MODEL).fit(x, y[:, :2])
    for v in range(2):
        best = least_squares(lambda p, v=v: MODEL.predict(x, p[None])[:, 0] - y[:, v], fit.parameters_.loc[v])
        variance = 2 * best.cost / (len(x) - 4)
        expected = np.sqrt(np.diag(variance * np.linalg.inv(best.jac.T @ best.jac)))
        assert_allclose(fit.standard_errors_.loc[v], expected, rtol=1e-4)


def test_targets_do_not_depend_on_each_other_or_on_chunks(tuned):
    x, _, y = tuned
    whole = ParameterFitter(MODEL).fit(x, y)
    pieces = ParameterFitter(MODEL, memory_limit=1).fit(x, y)
    assert_allclose(pieces.parameters_, whole.parameters_, atol=1e-6)
    order = np.random.default_rng(0).permutation(y.shape[1])[:7]
    some = ParameterFitter(MODEL).fit(x, y[:, order])
    assert_allclose(some.parameters_, whole.parameters_.iloc[order], atol=1e-6)
    assert_allclose(ParameterFitter(MODEL).fit(x, y[:, 0]).predict(x), whole.predict(x)[:, 0], atol=1e-6)


def naive_shared(x, y, start, noise_model):
    """Minimise over one sd and everybody's mu by Nelder-Mead; amplitude and baseline by least squares."""

    def errors(u):
        result = []
        for v in range(y.shape[1]):
            columns = np.column_stack([np.exp(-0.5 * ((x[:, 0] - u[1 + v]) / u[0]) ** 2), np.ones(len(x))])
            result.append(((y[:, v] - columns @ np.linalg.lstsq(columns, y[:, v], rcond=None)[0]) ** 2).sum())
        return np.array(result)

    loss = (lambda u: np.log(errors(u)).sum()) if noise_model == "gaussian" else (lambda u: errors(u).sum())
    options = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 20000, "maxfev": 20000}
    return minimize(loss, start, method="Nelder-Mead", options=options).x


@pytest.mark.parametrize("noise_model", ["ssq", "gaussian"])
def test_shared_parameters_minimise_their_loss(noise_model):
    rng = np.random.default_rng(3)
    x = rng.uniform(-3, 3, (100, 1))
    truth = np.array([[-1.0, 0.8, 1.0, 0.0], [1.0, 1.2, 1.0, 0.0]])
    y = MODEL.predict(x, truth) + rng.standard_normal((100, 2)) * [0.2, 1.5]
    fit = ParameterFitter(MODEL, shared_pars=["sd"], noise_model=noise_model).fit(x, y)
    pars = fit.parameters_
    start = [pars["sd"][0], *pars["mu"]]
    assert_allclose(start, naive_shared(x, y, np.array(start) * 1.05 + 0.02, noise_model), atol=1e-4)
    if noise_model == "gaussian":  # the likelihood listens to the target with little noise
        least_squares_sd = ParameterFitter(MODEL, shared_pars=["sd"]).fit(x, y).parameters_["sd"][0]
        assert abs(start[0] - 0.8) < abs(least_squares_sd - 0.8)


def test_standard_errors_of_shared_parameters_equal_the_inverse_of_the_joint_jacobian():
    rng = np.random.default_rng(3)
    x = rng.uniform(-3, 3, (100, 1))
    truth = np.array([[-1.0, 0.8, 1.0, 0.0], [1.0, 0.8, 2.0, 0.0]])
    y = MODEL.predict(x, truth) + rng.standard_normal((100, 2)) * [0.2, 0.5]
    fit = ParameterFitter(MODEL, shared_pars=["sd"], noise_model="gaussian").fit(x, y)
    found = fit.parameters_.to_numpy()
    sigma = np.sqrt(ssq(fit, x, y) / (len(x) - 4))

    def predict(joint):  # sd, then mu, amplitude and baseline of each target; in units of the targets' noise
        rest = joint[1:].reshape(2, 3)
        return (MODEL.predict(x, np.insert(rest, 1, joint[0], axis=1)) / sigma).ravel()

    joint = np.concatenate([found[:1, 1], np.delete(found, 1, axis=1).ravel()])
    steps = 1e-5 * np.eye(len(joint))
    jacobian = np.column_stack([(predict(joint + step) - predict(joint - step)) / 2e-5 for step in steps])
    expected = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)))
    assert_allclose(fit.standard_errors_["sd"], expected[0], rtol=1e-4)
    assert_allclose(np.delete(fit.standard_errors_.to_numpy(), 1, axis=1).ravel(), expected[1:], rtol=1e-4)


def test_noise_models_agree_without_shared_parameters(tuned):
    x, _, y = tuned
    a, b = (ParameterFitter(MODEL, noise_model=name).fit(x, y[:, :5]).parameters_ for name in ("ssq", "gaussian"))
    assert_allclose(a, b)


def test_shared_amplitude_and_fixed_baseline_of_known_value():
    rng = np.random.default_rng(4)
    x = rng.uniform(-3, 3, (200, 1))
    truth = np.c_[[-1.0, 0.0, 1.5], [0.7, 1.0, 0.8], [2.0, 2.0, 2.0], [0.5, 0.5, 0.5]]
    y = MODEL.simulate(x, truth, noise=0.05, random_state=0)
    init = pd.DataFrame({"baseline": [0.5, 0.5, 0.5]})
    fit = ParameterFitter(MODEL, init_pars=init, fixed_pars=["baseline"], shared_pars=["amplitude"]).fit(x, y)
    assert_allclose(fit.parameters_, truth, atol=0.05)
    assert np.ptp(fit.parameters_["amplitude"]) == 0
    assert_array_equal(fit.parameters_["baseline"], 0.5)


def test_confounds_are_projected_out(tuned):
    x, _, y = tuned
    confounds = np.random.default_rng(5).standard_normal((len(x), 2))
    confounds -= confounds.mean(axis=0)
    dirty = y[:, :6] + confounds @ np.random.default_rng(6).standard_normal((2, 6)) * 5
    fit = ParameterFitter(MODEL).fit(x, dirty, confounds=confounds)
    assert_allclose(
        fit.parameters_, ParameterFitter(MODEL).fit(x, y[:, :6], confounds=confounds).parameters_, atol=1e-4
    )
    moved = ParameterFitter(MODEL).fit(x, dirty, confounds=confounds + [100.0, 0.0])
    assert_allclose(moved.parameters_, fit.parameters_, atol=1e-6)
    for v in range(2):  # naive: confounds as further columns
        mu, sd = fit.parameters_.loc[v, ["mu", "sd"]]
        columns = np.column_stack(
            [np.exp(-0.5 * ((x[:, 0] - mu) / sd) ** 2), np.ones(len(x)), confounds - confounds.mean(0)]
        )
        solution, (rest,) = np.linalg.lstsq(columns, dirty[:, v], rcond=None)[:2]
        assert_allclose(fit.parameters_.loc[v, ["amplitude", "baseline"]], solution[:2], rtol=1e-6)
        total = np.linalg.lstsq(columns[:, 1:], dirty[:, v], rcond=None)[1][0]
        assert_allclose(fit.r2_[v], 1 - rest / total, rtol=1e-6)


@pytest.mark.parametrize("unique", [False, True])
def test_two_dimensional_fields_with_responses(unique):
    rng = np.random.default_rng(7)
    axis = np.linspace(-3, 3, 7)
    places = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    stimulus = (rng.random((160, 49)) < 0.08).astype(float)
    groups = np.repeat([0, 1], 80)
    hrf = SPMHRFModel(1.0, unique_hrfs=unique)
    model = GaussianTuningModel(grid_coordinates=places, n_dims=2, hrf_model=hrf)
    truth = np.array([[0.5, -1.0, 1.0, 0.3, 2.0], [-1.5, 1.0, 0.8, -1.0, 1.0]])
    if unique:
        truth = np.hstack([truth, [[5.0, 1.0], [6.2, 0.8]]])
    y = model.predict(stimulus, truth, groups=groups) + 0.005 * rng.standard_normal((160, 2))
    fit = ParameterFitter(model).fit(stimulus, y, groups=groups)
    assert_allclose(fit.parameters_, truth, atol=0.15)
    assert (fit.r2_ > 0.97).all()
    rotated = ParameterFitter(model).fit(stimulus, y, groups=groups, confounds=np.ones((160, 1)))
    assert_allclose(rotated.parameters_, fit.parameters_, atol=1e-4)


@pytest.mark.parametrize("solver", ["varpro", "adam"])
def test_a_users_model_needs_only_its_basis(solver):
    x = np.linspace(0.02, 1, 60)[:, None]
    truth = pd.DataFrame({"half": [0.2, 0.5], "power": [2.0, 1.2], "gain": [3.0, 5.0], "offset": [1.0, 0.0]})
    y = Saturation().simulate(x, truth, noise=0.002, random_state=0)
    init = truth * 1.1 + 0.05
    fit = ParameterFitter(Saturation(), solver, init_pars=init, learning_rate=0.05, max_n_iterations=3000).fit(x, y)
    assert (fit.r2_ > 0.9999).all()
    assert_allclose(fit.parameters_, truth, atol=0.15)
    grid = {"half": [0.1, 0.3, 0.6], "power": [1.0, 2.0]}
    assert (ParameterFitter(Saturation(), grid=grid).fit(x, y).r2_ > 0.9999).all()


@pytest.mark.parametrize(
    ("solver", "learning_rate", "n_iterations"), [("adam", 0.05, 1000), ("lbfgs", 1.0, 30), ("AdamW", 0.05, 500)]
)
def test_torch_optimisers_reach_the_same_fit(oracle, solver, learning_rate, n_iterations):
    x, y = oracle["g_x"][:, None], oracle["pf_data"]
    best = ParameterFitter(MODEL).fit(x, y)
    settings = {"max_n_iterations": n_iterations, "learning_rate": learning_rate, "min_n_iterations": 5, "lag": 20}
    if solver == "AdamW":
        settings["optimizer_params"] = {"weight_decay": 0.0}
    fit = ParameterFitter(MODEL, solver, init_pars=oracle["pf_init"], **settings).fit(x, y)
    assert_allclose(fit.r2_, best.r2_, atol=1e-5)
    assert fit.converged_.all()
    again = clone(fit).set_params(memory_limit=1).fit(x, y)
    assert_allclose(again.r2_, fit.r2_, atol=1e-5)


@pytest.mark.parametrize("noise_model", ["ssq", "gaussian"])
def test_adam_with_shared_fixed_and_confounds_equals_variable_projection(oracle, noise_model):
    x, y = oracle["g_x"][:, None], oracle["pf_data"]
    settings = {
        "init_pars": oracle["pf_init"],
        "shared_pars": ["sd"],
        "fixed_pars": ["baseline"],
        "noise_model": noise_model,
        "max_n_iterations": 2000,
    }
    confounds = np.sin(np.arange(80.0))[:, None]
    exact = ParameterFitter(MODEL, **settings).fit(x, y, confounds=confounds)
    adam = ParameterFitter(MODEL, "adam", learning_rate=0.05, r2_atol=1e-9, **settings).fit(x, y, confounds=confounds)
    assert_allclose(adam.parameters_, exact.parameters_, atol=2e-4)
    assert_array_equal(adam.parameters_["baseline"], oracle["pf_init"][:, 3])


def test_adam_differentiates_through_responses_of_every_target():
    rng = np.random.default_rng(9)
    x = rng.uniform(-3, 3, (120, 1))
    model = GaussianTuningModel(hrf_model=SPMHRFModel(1.0, unique_hrfs=True))
    truth = np.array([[0.5, 1.0, 2.0, 0.3, 4.5, 1.2], [-0.5, 0.8, 1.0, 0.0, 6.0, 0.7]])
    y = model.predict(x, truth)
    init = truth + [0.1, 0.1, 0.1, 0.1, 0.3, 0.1]
    fit = ParameterFitter(model, "adam", init_pars=init, learning_rate=0.03, max_n_iterations=600).fit(x, y)
    assert (fit.r2_ > 0.999).all()
    assert_allclose(fit.parameters_[["hrf_delay"]], truth[:, [4]], atol=0.1)


def test_adam_equals_variable_projection_for_fields_behind_a_response_in_runs():
    rng = np.random.default_rng(11)
    places, groups = np.linspace(-2, 2, 9), np.repeat([0, 1], 60)
    stimulus = (rng.random((120, 9)) < 0.2).astype(float)
    model = GaussianTuningModel(grid_coordinates=places, hrf_model=SPMHRFModel(2.0), normalize=True)
    truth = np.array([[0.3, 0.6, 2.0, 0.5], [-1.0, 0.8, 1.0, -0.5]])
    y = model.simulate(stimulus, truth, noise=0.05, random_state=0, groups=groups)
    exact = ParameterFitter(model).fit(stimulus, y, groups=groups)
    adam = ParameterFitter(model, "adam", learning_rate=0.05, r2_atol=1e-8).fit(stimulus, y, groups=groups)
    assert_allclose(adam.parameters_, exact.parameters_, atol=1e-3)
    assert (exact.r2_ >= adam.r2_ - 1e-9).all()


@pytest.mark.parametrize("shared", [None, ["baseline"]])
def test_large_offsets_cost_no_digits(tuned, shared):
    x, _, y = tuned
    fits = [ParameterFitter(MODEL, shared_pars=shared).fit(x, y[:, :4] + shift) for shift in (0.0, 1e6)]
    assert_allclose(fits[1].r2_, fits[0].r2_, atol=1e-7)
    assert_allclose(fits[1].parameters_ - [0, 0, 0, 1e6], fits[0].parameters_, atol=1e-4)
    assert_allclose(fits[1].standard_errors_, fits[0].standard_errors_, rtol=1e-4)


@pytest.mark.parametrize("solver", ["varpro", "adam"])
def test_known_shapes_leave_least_squares(tuned, solver):
    x, truth, y = tuned
    fit = ParameterFitter(MODEL, solver, init_pars=truth, fixed_pars=["mu", "sd"]).fit(x, y)
    columns = np.column_stack([MODEL.basis(x, truth[:1, 0], truth[:1, 1]), np.ones(len(x))])
    expected = np.linalg.lstsq(columns, y[:, 0], rcond=None)[0]
    assert_allclose(fit.parameters_.loc[0, ["amplitude", "baseline"]], expected)
    known = ParameterFitter(MODEL, solver, init_pars=truth, fixed_pars=MODEL.get_parameter_labels()).fit(x, y)
    assert_array_equal(known.parameters_, truth)
    assert_allclose(known.r2_, known.score(x, y, multioutput="raw_values"))


def test_a_model_without_shapes():
    class Line(EncodingModel):
        parameter_space = (Parameter("slope", "amplitude"), Parameter("level", "baseline"))

        def basis(self, paradigm, *, xp=np):
            return paradigm[:, :1]

    x = np.linspace(0, 1, 20)[:, None]
    fit = ParameterFitter(Line()).fit(x, x * [2.0, -3.0] + [1.0, 0.5])
    assert_allclose(fit.parameters_, [[2.0, 1.0], [-3.0, 0.5]])


def test_pickle_clone_and_number_types(tuned):
    x, _, y = tuned
    fit = ParameterFitter(MODEL).fit(x, y[:, :3])
    assert_array_equal(pickle.loads(pickle.dumps(fit)).predict(x), fit.predict(x))
    assert_array_equal(clone(fit).fit(x, y[:, :3]).parameters_, fit.parameters_)
    single = ParameterFitter(MODEL).fit(x.astype(np.float32), np.asfortranarray(y[:, :3].astype(np.float32)))
    assert_allclose(single.parameters_, fit.parameters_, atol=1e-4)
    frozen = y[:, :3].copy()
    frozen.flags.writeable = False
    assert_array_equal(ParameterFitter(MODEL).fit(x, frozen).parameters_, fit.parameters_)


@pytest.mark.parametrize("n_confounds", [0, 2])
def test_linear_models_have_a_closed_form(oracle, n_confounds):
    X, W, b = oracle["lin_X"], oracle["lin_W"], oracle["lin_b"]
    confounds = np.random.default_rng(0).standard_normal((60, n_confounds))
    confounds -= confounds.mean(axis=0)
    y = LinearModelWithBaseline().predict(X, b[:, None], W) + confounds.sum(axis=1, keepdims=True)
    fit = ParameterFitter(LinearModelWithBaseline()).fit(X, y, confounds=confounds if n_confounds else None)
    assert_allclose(fit.parameters_["baseline"], b, atol=1e-10)
    assert_allclose(fit.weights_, W, atol=1e-10)
    assert_allclose(fit.r2_, 1.0)
    known = ParameterFitter(LinearModelWithBaseline(weights=W)).fit(X, y + 1.0, confounds=confounds)
    assert_allclose(known.parameters_["baseline"], b + 1, atol=1e-10)
    hrf = LinearModelWithBaselineHRF(hrf_model=SPMHRFModel(1.0))
    fit = ParameterFitter(hrf).fit(X, hrf.predict(X, b[:, None], W))
    assert_allclose(fit.predict(X), hrf.predict(X, b[:, None], W), atol=1e-8)
    fixed = ParameterFitter(LinearModelWithBaseline(), init_pars=b[:, None], fixed_pars="baseline")
    fixed.fit(X, y - confounds.sum(axis=1, keepdims=True))
    assert_allclose(fixed.weights_, W, atol=1e-10)
    lags = ParameterFitter(DelayedModel(tmax=2.0)).fit(X, DelayedModel(tmax=2.0).predict(X, weights=np.ones((9, 1))))
    assert_allclose(lags.weights_, 1.0)


def test_constant_targets_warn_once_and_leave_others_alone(tuned):
    x, _, y = tuned
    broken = pd.DataFrame(y[:, :4].copy(), columns=list("abcd"))
    broken[["b", "d"]] = 3.0
    with pytest.warns(UserWarning, match=r"2 target\(s\) never vary: b, d") as record:
        fit = ParameterFitter(MODEL).fit(x, broken)
    assert len(record) == 1
    assert fit.parameters_.loc[["b", "d"]].isna().all(axis=None)
    assert fit.r2_.isna().tolist() == [False, True, False, True]
    assert_allclose(fit.parameters_.loc[["a", "c"]], ParameterFitter(MODEL).fit(x, y[:, [0, 2]]).parameters_, atol=1e-6)
    scores = fit.score(x, broken, multioutput="raw_values")
    assert_allclose(scores, fit.r2_)
    assert fit.score(x, broken) == pytest.approx(np.nanmean(scores))
    with pytest.warns(UserWarning, match="never vary"):
        lost = ParameterFitter(MODEL).fit(x, broken[["b"]])
    assert lost.parameters_.isna().all(axis=None)
    assert np.isnan(lost.score(x, broken[["b"]]))


@pytest.mark.parametrize("given", [False, True])
def test_a_constant_target_leaves_the_others_of_a_linear_model_alone(oracle, given):
    X, W = oracle["lin_X"], oracle["lin_W"]
    y = LinearModelWithBaseline().predict(X, oracle["lin_b"][:, None], W)
    broken = y.copy()
    broken[:, 0] = 2.0
    with pytest.warns(UserWarning, match="never vary: 0"):
        fit = ParameterFitter(LinearModelWithBaseline(weights=W if given else None)).fit(X, broken)
    assert_allclose(fit.weights_[:, 1:], W[:, 1:], atol=1e-10)
    assert np.isnan(fit.weights_[:, 0]).all()
    assert_allclose(fit.predict(X)[:, 1:], y[:, 1:], atol=1e-10)
    assert np.isnan(fit.predict(X)[:, 0]).all()
    with pytest.warns(UserWarning, match="never vary: 0"):
        lost = clone(fit).set_params(model__weights=None).fit(X, broken[:, :1])
    assert np.isnan(lost.predict(X)).all()
    with pytest.raises(ValueError, match="weights have shape"):
        ParameterFitter(LinearModelWithBaseline(weights=W[:, 1:])).fit(X, y)


def test_memory_holds_a_chunk_of_targets_and_the_result():
    rng = np.random.default_rng(12)
    x = rng.uniform(-3, 3, (2000, 1))
    peaks = {}
    for n in (200, 800):
        truth = np.c_[rng.uniform(-2, 2, n), np.full(n, 0.8), np.ones(n), np.zeros(n)]
        y = MODEL.simulate(x, truth, noise=0.2, random_state=0)
        tracemalloc.start()
        ParameterFitter(MODEL, memory_limit=2**22).fit(x, y)
        peaks[n] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[800] - peaks[200] < 0.2 * y.nbytes


def test_a_second_start_finds_the_better_optimum(monkeypatch):
    rng = np.random.default_rng(0)
    x, n = rng.uniform(-3, 3, (300, 1)), 1000
    truth = np.c_[rng.uniform(-2.5, 2.5, n), rng.uniform(0.4, 1.5, n), rng.uniform(0.5, 2, n), rng.standard_normal(n)]
    signal = MODEL.predict(x, truth)
    y = signal + rng.standard_normal(signal.shape) * signal.std(axis=0)
    r2 = ParameterFitter(MODEL).fit(x, y).r2_
    assert (r2 >= ParameterFitter(MODEL, init_pars=truth).fit(x, y).r2_ - 1e-6).all()
    monkeypatch.setattr("eegexplain.encoding.parameters._search.RIVAL_MARGIN", -1.0)
    single = ParameterFitter(MODEL).fit(x, y).r2_
    assert (single <= r2 + 1e-9).all()
    assert (single < r2 - 1e-6).any()


def test_targets_that_hardly_respond_stay_finite():
    rng = np.random.default_rng(10)
    x, y = rng.uniform(-3, 3, (60, 1)), rng.standard_normal((60, 200))
    fit = ParameterFitter(MODEL).fit(x, y)
    assert np.isfinite(fit.parameters_).all(axis=None)
    assert (fit.r2_ >= 0).all()
    assert_allclose(fit.score(x, y, multioutput="raw_values"), fit.r2_, atol=1e-6)


def test_intermediate_parameters_and_pandas(tuned):
    x, _, y = tuned
    data = pd.DataFrame(y[:, :3], columns=["a", "b", "c"])
    paradigm = pd.DataFrame(x, columns=["x"])
    fit = ParameterFitter(MODEL, store_intermediate_parameters=True).fit(paradigm, data)
    table = fit.intermediate_parameters_
    assert table.index.names == ["iteration", "target"]
    assert len(table) == 3 * fit.n_iter_.max()
    assert (table["r2"].unstack("target").diff().iloc[1:] > -1e-12).all(axis=None)
    assert_allclose(table.xs(fit.n_iter_.max() - 1)[["mu", "sd"]], fit.parameters_[["mu", "sd"]])
    assert_array_equal(fit.predict(paradigm).columns, ["a", "b", "c"])
    assert_array_equal(fit.parameters_.index, ["a", "b", "c"])


def test_log_dir_writes_scalars_when_tensorboard_is_there(tuned, monkeypatch, tmp_path):
    x, _, y = tuned
    written = []

    class Writer:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def close(self):
            written.append("closed")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    fit = ParameterFitter(MODEL, log_dir=tmp_path).fit(x, y[:, :2])
    assert written[-1] == "closed"
    means = [value for name, value, _ in written[:-1] if name == "mean_r2"]
    assert len(means) == fit.n_iter_.max()
    assert means[-1] == pytest.approx(fit.r2_.mean(), abs=1e-6)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="tensorboard"):
        ParameterFitter(MODEL, log_dir=tmp_path).fit(x, y[:, :2])
    written.clear()
    ParameterFitter(MODEL, log_dir=False).fit(x, y[:, :2])
    assert not written


def test_progress_bar_goes_to_stderr(tuned, capsys):
    x, _, y = tuned
    ParameterFitter(MODEL, verbose=1).fit(x, y[:, :2])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "fitting parameters" in captured.err


@pytest.mark.parametrize(
    ("settings", "change", "message"),
    [
        ({"fixed_pars": ["mue"]}, {}, "no parameter 'mue'.*Did you mean 'mu'"),
        ({"shared_pars": ["sdd"]}, {}, "Did you mean 'sd'"),
        ({"fixed_pars": ["sd"]}, {}, "needs its value for every target"),
        ({"fixed_pars": ["sd"], "shared_pars": ["sd"]}, {}, "both fixed and shared"),
        ({"init_pars": [0.0, -1.0, 1.0, 0.0]}, {}, "'sd' are outside its open bounds"),
        ({"init_pars": np.ones((2, 4))}, {}, "40 target"),
        ({"init_pars": pd.DataFrame({"centre": [1.0]})}, {}, "no parameter 'centre'"),
        ({"grid": {"mu": []}}, {}, "at least one 'mu'"),
        ({"grid": {"sd": [-1.0]}}, {}, "inside the open bounds"),
        ({"solver": "adamm"}, {}, "neither 'varpro' nor.*Did you mean 'adam'"),
        ({"noise_model": "gausian"}, {}, "noise_model=.*Did you mean 'gaussian'"),
        ({}, {"X": np.ones((7, 1))}, "paradigm has 7 samples, but the data have 150"),
        ({}, {"confounds": np.ones((7, 1))}, "confounds has 7 samples"),
        ({}, {"groups": np.ones(7)}, "one label per sample"),
        ({}, {"y": None}, "no data"),
        ({}, {"X": np.ones((0, 1)), "y": np.ones((0, 2))}, "no samples"),
        ({}, {"X": None}, "no paradigm"),
    ],
)
def test_bad_input(tuned, settings, change, message):
    x, _, y = tuned
    with pytest.raises(ValueError, match=message):
        ParameterFitter(MODEL, **settings).fit(**{"X": x, "y": y, **change})


def test_missing_data_names_the_target(tuned):
    x, _, y = tuned
    y = y.copy()
    y[3, 17] = np.nan
    y[4, 20], y[5, 20] = np.inf, -np.inf
    with pytest.raises(ValueError, match="NaN. Targets concerned: 17"):
        ParameterFitter(MODEL).fit(x, y)
    x = x.copy()
    x[0] = np.nan
    with pytest.raises(ValueError, match="Input paradigm contains NaN"):
        ParameterFitter(MODEL).fit(x, y)
    with pytest.raises(NotFittedError):
        ParameterFitter(MODEL).predict(x)
    bounded = Saturation()
    bounded.parameter_space = (*Saturation.parameter_space[:2], Parameter("gain", "amplitude", lower=0.0))
    with pytest.raises(ValueError, match="'gain' is bounded"):
        ParameterFitter(bounded, grid={"half": [0.2], "power": [1.0]}).fit(np.abs(x[1:]), y[1:, :2])
