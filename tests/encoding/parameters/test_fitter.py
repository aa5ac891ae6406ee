import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import least_squares, minimize
from scipy.signal import lfilter
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

    def basis(self, paradigm, half, power):
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
    shared = ParameterFitter(MODEL, shared_pars=["sd"], noise_model="ssq").fit(x, y)
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
    fit = ParameterFitter(MODEL, r2_atol=1e-12).fit(x, y[:, :2])
    for v in range(2):
        best = least_squares(lambda p, v=v: MODEL.predict(x, p[None])[:, 0] - y[:, v], fit.parameters_.loc[v])
        variance = 2 * best.cost / (len(x) - 4)
        expected = np.sqrt(np.diag(variance * np.linalg.inv(best.jac.T @ best.jac)))
        assert_allclose(fit.standard_errors_.loc[v], expected, rtol=1e-4)


def test_targets_do_not_depend_on_each_other_or_on_chunks(tuned):
    x, _, y = tuned
    whole = ParameterFitter(MODEL).fit(x, y)
    pieces = ParameterFitter(MODEL, memory_limit=1).fit(x, y[:, :5])
    assert_allclose(pieces.parameters_, whole.parameters_[:5], atol=1e-6)
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
    fit = ParameterFitter(MODEL, shared_pars=["sd"], noise_model=noise_model, r2_atol=1e-10).fit(x, y)
    pars = fit.parameters_
    start = [pars["sd"][0], *pars["mu"]]
    assert_allclose(start, naive_shared(x, y, np.array(start) * 1.05 + 0.02, noise_model), atol=1e-4)
    if noise_model == "gaussian":  # the likelihood listens to the target with little noise
        least_squares_sd = ParameterFitter(MODEL, shared_pars=["sd"], noise_model="ssq").fit(x, y).parameters_["sd"][0]
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


def test_a_users_model_needs_only_its_basis():
    x = np.linspace(0.02, 1, 60)[:, None]
    truth = pd.DataFrame({"half": [0.2, 0.5], "power": [2.0, 1.2], "gain": [3.0, 5.0], "offset": [1.0, 0.0]})
    y = Saturation().simulate(x, truth, noise=0.002, random_state=0)
    init = truth * 1.1 + 0.05
    fit = ParameterFitter(Saturation(), init_pars=init).fit(x, y)
    assert (fit.r2_ > 0.9999).all()
    assert_allclose(fit.parameters_, truth, atol=0.15)
    grid = {"half": [0.1, 0.3, 0.6], "power": [1.0, 2.0]}
    assert (ParameterFitter(Saturation(), grid=grid).fit(x, y).r2_ > 0.9999).all()


@pytest.mark.parametrize("shared", [None, ["baseline"]])
def test_large_offsets_cost_no_digits(tuned, shared):
    x, _, y = tuned
    fits = [ParameterFitter(MODEL, shared_pars=shared).fit(x, y[:, :4] + shift) for shift in (0.0, 1e6)]
    assert_allclose(fits[1].r2_, fits[0].r2_, atol=1e-7)
    assert_allclose(fits[1].parameters_ - [0, 0, 0, 1e6], fits[0].parameters_, atol=1e-4)
    assert_allclose(fits[1].standard_errors_, fits[0].standard_errors_, rtol=1e-4)


def test_known_shapes_leave_least_squares(tuned):
    x, truth, y = tuned
    fit = ParameterFitter(MODEL, init_pars=truth, fixed_pars=["mu", "sd"]).fit(x, y)
    columns = np.column_stack([MODEL.basis(x, truth[:1, 0], truth[:1, 1]), np.ones(len(x))])
    expected = np.linalg.lstsq(columns, y[:, 0], rcond=None)[0]
    assert_allclose(fit.parameters_.loc[0, ["amplitude", "baseline"]], expected)
    known = ParameterFitter(MODEL, init_pars=truth, fixed_pars=MODEL.get_parameter_labels()).fit(x, y)
    assert_array_equal(known.parameters_, truth)
    assert_allclose(known.r2_, known.score(x, y, multioutput="raw_values"))


def test_a_model_without_shapes():
    class Line(EncodingModel):
        parameter_space = (Parameter("slope", "amplitude"), Parameter("level", "baseline"))

        def basis(self, paradigm):
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
    x = rng.uniform(-3, 3, (1000, 1))
    peaks = {}
    for n in (200, 800):
        truth = np.c_[rng.uniform(-2, 2, n), np.full(n, 0.8), np.ones(n), np.zeros(n)]
        y = MODEL.simulate(x, truth, noise=0.2, random_state=0)
        tracemalloc.start()
        ParameterFitter(MODEL, memory_limit=2**22).fit(x, y)
        peaks[n] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[800] - peaks[200] < 0.3 * y.nbytes


def test_a_second_start_finds_the_better_optimum(monkeypatch):
    x, truth, _, y = simulated(0.1, 300, n_times=120)
    r2 = ParameterFitter(MODEL).fit(x, y).r2_
    assert (r2 >= ParameterFitter(MODEL, init_pars=truth).fit(x, y).r2_ - 1e-5).mean() > 0.97
    monkeypatch.setattr("eegexplain.encoding.parameters._search.RIVAL_MARGIN", -1.0)
    single = ParameterFitter(MODEL).fit(x, y).r2_
    assert (single <= r2 + 1e-9).all()
    assert (single < r2 - 1e-4).any()


def test_targets_that_hardly_respond_stay_finite():
    rng = np.random.default_rng(10)
    x, y = rng.uniform(-3, 3, (60, 1)), rng.standard_normal((60, 200))
    fit = ParameterFitter(MODEL).fit(x, y)
    assert np.isfinite(fit.parameters_).all(axis=None)
    assert (fit.r2_ >= 0).all()
    assert_allclose(fit.score(x, y, multioutput="raw_values"), fit.r2_, atol=1e-6)


def test_pandas_in_pandas_out(tuned):
    x, _, y = tuned
    paradigm = pd.DataFrame(x, columns=["x"])
    fit = ParameterFitter(MODEL).fit(paradigm, pd.DataFrame(y[:, :3], columns=["a", "b", "c"]))
    assert_array_equal(fit.predict(paradigm).columns, ["a", "b", "c"])
    assert_array_equal(fit.parameters_.index, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("settings", "change", "message"),
    [
        ({"fixed_pars": ["mue"]}, {}, "no parameter 'mue'.*Did you mean 'mu'"),
        ({"shared_pars": ["sdd"]}, {}, "Did you mean 'sd'"),
        ({"fixed_pars": ["sd"]}, {}, "needs its value for every target"),
        ({"fixed_pars": ["sd"], "shared_pars": ["sd"]}, {}, "both fixed and shared"),
        ({"init_pars": [0.0, -1.0, 1.0, 0.0]}, {}, "'sd' are outside its bounds.*bounds={'sd'"),
        ({"init_pars": np.ones((2, 4))}, {}, "40 target"),
        ({"init_pars": pd.DataFrame({"centre": [1.0]})}, {}, "no parameter 'centre'"),
        ({"grid": {"mu": []}}, {}, "at least one 'mu'"),
        ({"grid": {"sd": [-1.0]}}, {}, "inside the bounds"),
        ({"bounds": {"mue": (0, 1)}}, {}, "bounds: the model has no parameter 'mue'"),
        ({"bounds": {"mu": 3.0}}, {}, "bounds.*'mu'"),
        ({"bounds": {"mu": (0, 1, 2)}}, {}, "must be .lower, upper."),
        ({"bounds": {"mu": (1.0, 0.0)}}, {}, "lower < upper"),
        ({"errors": "ar2"}, {}, "errors=.*Did you mean 'ar1'"),
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


def simulated(level, n_targets, seed=0, n_times=60):
    """Curves in noise that leaves them this share of the variance; at 0, noise alone."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (n_times, 1))
    truth = np.c_[rng.uniform(-2.5, 2.5, n_targets), rng.uniform(0.4, 1.5, n_targets)]
    truth = np.c_[truth, rng.uniform(0.8, 2, n_targets) * (level > 0), rng.standard_normal(n_targets)]
    signal = MODEL.predict(x, truth)
    scale = signal.std(axis=0) * np.sqrt((1 - level) / level) if level else 1.0
    return x, truth, signal, signal + scale * rng.standard_normal(signal.shape)


def bounded_scipy(x, data, space):
    """SciPy's bounded least squares from several starts."""
    bounds = [[getattr(par, end) for par in space] for end in ("lower", "upper")]

    def jacobian(p):
        response, derivatives = MODEL.basis_gradient(x, p[:1], p[1:2])
        return np.hstack([*(p[2] * each for each in derivatives), response, np.ones_like(response)])

    def residual(p):
        return p[2] * MODEL.basis(x, p[:1], p[1:2])[:, 0] + p[3] - data

    starts = [(mu, sd, 1.0, data.mean()) for mu in (-2, -0.7, 0.7, 2) for sd in (0.4, 1.2)]
    return min((least_squares(residual, one, jacobian, bounds) for one in starts), key=lambda fit: fit.cost).x


@pytest.mark.parametrize("level", [0.5, 0.2])
def test_at_low_signal_curves_are_as_near_the_truth_as_those_of_bounded_scipy(level):
    x, truth, _, y = simulated(level, 12)
    fit, space = ParameterFitter(MODEL).fit(x, y), MODEL.fitting_space(x)
    peer = np.array([bounded_scipy(x, data, space) for data in y.T])
    dense = np.linspace(-3, 3, 200)[:, None]
    curve = MODEL.predict(dense, truth)

    def recovered(parameters):
        return 1 - (((MODEL.predict(dense, parameters) - curve) ** 2).mean(0) / curve.var(0)).mean()

    assert recovered(fit.parameters_) >= recovered(peer) - 0.01
    best = 1 - ((y - MODEL.predict(x, peer)) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)
    assert (fit.r2_ > best - 1e-5).mean() >= 0.9  # as good an optimum, too


def test_noise_alone_keeps_every_parameter_within_its_bounds_and_takes_few_steps():
    x, _, _, y = simulated(0.0, 300)
    fit, space = ParameterFitter(MODEL).fit(x, y), MODEL.fitting_space(x)
    for par in space:
        values, errors = fit.parameters_[par.label], fit.standard_errors_[par.label]
        assert par.holds(values).all() and (errors > 0).all()
    assert [par.lower for par in space][2:] == [0.0, -np.inf]
    assert (fit.parameters_[["mu", "sd"]] == fit.parameters_[["mu", "sd"]].max()).any(axis=None)  # some are at a bound
    assert fit.converged_.all() and fit.n_iter_.mean() < 20


def test_bounds_are_asked_for_by_label():
    x = np.linspace(-1, 1, 60)[:, None]
    y = MODEL.simulate(x, [[2.0, 1.0, -3.0, 0.5]], noise=0.01, random_state=0)
    inside = ParameterFitter(MODEL).fit(x, y).parameters_
    assert -1 <= inside["mu"][0] <= 1 and inside["amplitude"][0] >= 0
    free = ParameterFitter(MODEL, bounds={"mu": (-5, 5), "amplitude": (-np.inf, np.inf)}).fit(x, y)
    assert_allclose(free.parameters_, [[2.0, 1.0, -3.0, 0.5]], atol=0.3)
    narrow = ParameterFitter(MODEL, bounds={"mu": (0.2, 0.3), "baseline": (-0.1, 0.1), "amplitude": (0.5, 0.6)})
    parameters = narrow.fit(x, y).parameters_
    assert 0.2 <= parameters["mu"][0] <= 0.3 and -0.1 <= parameters["baseline"][0] <= 0.1
    assert 0.5 <= parameters["amplitude"][0] <= 0.6


@pytest.mark.parametrize("shared", [None, ["amplitude"], ["baseline", "sd"]])
def test_bounded_amplitudes_and_baselines_are_at_the_least_sum_of_squares(shared):
    """Against SciPy over all parameters of two targets together, with bounds that hold some of them."""
    x, _, _, y = simulated(0.5, 2, seed=4)
    bounds = {"amplitude": (0.0, 0.7), "baseline": (-0.2, 0.3), "sd": (0.5, 1.0), "mu": (-3, 3)}
    fit = ParameterFitter(MODEL, bounds=bounds, shared_pars=shared, noise_model="ssq", r2_atol=1e-12).fit(x, y)
    labels = list(bounds)
    tied = [label for label in MODEL.get_parameter_labels() if label in (shared or [])]

    def spread(joint):
        values, joint = {}, list(joint)
        for label in labels:
            values[label] = [joint.pop(0)] * 2 if label in tied else [joint.pop(0), joint.pop(0)]
        return pd.DataFrame(values)

    def residual(joint):
        return (MODEL.predict(x, spread(joint)) - y).ravel()

    start = [fit.parameters_[label][v] for label in labels for v in ([0] if label in tied else [0, 1])]
    low, high = np.array([bounds[label] for label in labels for _ in ([0] if label in tied else [0, 1])]).T
    start = np.clip(start, low + 1e-3, high - 1e-3)
    best = least_squares(residual, start, bounds=(low, high), xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert ((y - fit.predict(x)) ** 2).sum() <= 2 * best.cost + 1e-6
    held = fit.parameters_.isin([0.0, 0.7, -0.2, 0.3, 0.5, 1.0])
    assert held.any(axis=None)


@pytest.mark.parametrize(("errors", "rho", "lowest", "highest"), [("iid", 0.0, 0.9, 0.97), ("ar1", 0.5, 0.9, 0.97),
                                                                 ("iid", 0.5, 0.6, 0.85)])  # fmt: skip
def test_intervals_cover_as_often_as_they_say(errors, rho, lowest, highest):
    """Curves at R2 .5; noise that follows upon itself needs ``errors="ar1"``."""
    n_targets = 300
    x, truth, signal, _ = simulated(0.5, n_targets, n_times=150)
    x = np.sort(x, axis=0)  # slow stimuli, which slow noise looks like
    signal = MODEL.predict(x, truth)
    white = np.random.default_rng(1).standard_normal((200, n_targets))
    noise = lfilter([np.sqrt(1 - rho**2)], [1, -rho], white, axis=0)[50:] * signal.std(0)
    confounds = np.random.default_rng(2).standard_normal((150, 2))
    fit = ParameterFitter(MODEL, errors=errors).fit(x, signal + noise + confounds @ [[1.0], [-2.0]], confounds)
    truth[:, 3] += confounds.mean(0) @ [1.0, -2.0]  # means of confounds count as baseline
    covers = (np.abs(fit.parameters_ - truth) < 1.96 * fit.standard_errors_).mean()
    assert covers.between(lowest, highest).all(), covers
