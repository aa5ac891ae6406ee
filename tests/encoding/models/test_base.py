import functools
import pathlib
import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from eegexplain.encoding import (
    DelayedModel,
    EncodingModel,
    GaussianTuningModel,
    HRFModel,
    LinearModelWithBaseline,
    LinearModelWithBaselineHRF,
    Parameter,
    ParameterFitter,
    SPMHRFModel,
)

HRF = SPMHRFModel(1.5, legacy=True)


def test_linear_models_equal_oracle(oracle):
    X, W, b = oracle["lin_X"], oracle["lin_W"], oracle["lin_b"][:, None]
    assert_allclose(LinearModelWithBaseline().predict(X, b, W), oracle["lin_pred"], atol=1e-5)
    hrf = LinearModelWithBaselineHRF(hrf_model=HRF)
    assert_allclose(hrf.predict(X, b, W), oracle["linhrf_pred"], atol=1e-5)
    assert_allclose(LinearModelWithBaseline().predict(X, np.ones((3, 1))), X + 1)


def test_gaussian_tuning_equals_oracle(oracle):
    x, pars = oracle["g_x"][:, None], oracle["g_pars"]
    assert_allclose(GaussianTuningModel().predict(x, pars), oracle["g_pred"], atol=1e-5)
    assert_allclose(GaussianTuningModel().predict(x, pars, oracle["g_W"]), oracle["g_predW"], atol=1e-5)
    assert_allclose(GaussianTuningModel(hrf_model=HRF).predict(x, pars), oracle["ghrf_pred"], atol=1e-5)


def test_two_dimensional_tuning_equals_oracle(oracle):
    kwargs = {"grid_coordinates": oracle["p2_co"], "n_dims": 2}
    model = GaussianTuningModel(**kwargs)
    assert model.get_parameter_labels() == ["x", "y", "sd", "baseline", "amplitude"]
    pars = oracle["p2_pars"].copy()  # braincoder's `normalize` scales amplitudes: spacing^2 / (sd sqrt(2 pi))
    pars[:, 4] *= np.diff(np.unique(oracle["p2_co"][:, 0])).min() ** 2 / (pars[:, 2] * np.sqrt(2 * np.pi))
    assert_allclose(model.predict(oracle["p2_S"], pars), oracle["p2_pred"], atol=1e-5)
    model = GaussianTuningModel(**kwargs, hrf_model=HRF)
    assert_allclose(model.predict(oracle["p2_S"], pars), oracle["p2hrf_pred"], atol=1e-5)


def test_logarithmic_tuning_is_tuning_in_octaves():
    frequency = np.geomspace(2, 64, 30)[:, None]
    tuning = GaussianTuningModel(log=True).predict(frequency, [[10.0, 0.5, 1.0, 0.0]])[:, 0]
    assert_allclose(tuning, np.exp(-0.5 * (np.log2(frequency[:, 0] / 10) / 0.5) ** 2))


def test_a_grid_with_one_place_lit_is_a_position():
    places = np.linspace(-2, 2, 9)
    pars = np.array([[0.3, 0.7, 2.0, 0.1]])
    lit = GaussianTuningModel(grid_coordinates=places).predict(np.eye(9), pars)
    assert_allclose(lit, GaussianTuningModel().predict(places[:, None], pars))


@pytest.mark.parametrize(
    "model",
    [
        GaussianTuningModel(),
        GaussianTuningModel(log=True),
        GaussianTuningModel(n_dims=2),
        GaussianTuningModel(grid_coordinates=[1.0, 2.0, 3.0]),
        GaussianTuningModel(grid_coordinates=[1.0, 2.0, 4.0], log=True),
        GaussianTuningModel(hrf_model=SPMHRFModel(2.0, unique_hrfs=True)),
    ],
    ids=["line", "log", "plane", "grid", "log grid", "unique hrfs"],
)
def test_derivatives_equal_differences(model):
    rng = np.random.default_rng(0)
    n_columns = 3 if model.linear_in_stimulus else model.n_dims
    paradigm = rng.uniform(1, 3, (20, n_columns))
    space = [par for par in model.get_parameter_space() if par.role == "shape"]
    pars = np.array([rng.uniform(0.6, 1.4, 4) * (5 if par.label == "hrf_delay" else 1) for par in space])
    response, derivatives = model.response_gradient(paradigm, *pars)
    assert_allclose(response, model.response(paradigm, *pars))
    assert len(derivatives) == len(space)
    for i, derivative in enumerate(derivatives):
        step = np.zeros_like(pars)
        step[i] = 1e-5
        numeric = (model.response(paradigm, *(pars + step)) - model.response(paradigm, *(pars - step))) / 2e-5
        assert_allclose(derivative, numeric, atol=2e-7)


def test_pandas_in_pandas_out(oracle):
    index = pd.Index(np.arange(80) * 0.5, name="time")
    paradigm = pd.DataFrame({"x": oracle["g_x"]}, index=index)
    pars = pd.DataFrame(oracle["g_pars"], columns=["mu", "sd", "amplitude", "baseline"], index=["a", "b", "c"])
    model = GaussianTuningModel(paradigm=paradigm, parameters=pars[["sd", "baseline", "mu", "amplitude"]])
    prediction = model.predict()
    assert_array_equal(prediction.columns, ["a", "b", "c"])
    assert prediction.index.equals(index)
    assert_allclose(prediction, oracle["g_pred"], atol=1e-5)
    assert model.get_paradigm() is paradigm
    data = model.simulate(noise=0.1, n_repeats=2, random_state=0)
    assert data.index.names == ["repeat", "time"]
    assert isinstance(model.predict(paradigm.to_numpy()), np.ndarray)


def test_clone_keeps_parameters():
    model = GaussianTuningModel(parameters=np.ones((2, 4)), hrf_model=SPMHRFModel(2.0))
    assert_array_equal(clone(model).parameters, model.parameters)
    assert clone(model).hrf_model.tr == 2.0


def test_simulated_noise_has_the_covariance_asked_for():
    omega = np.array([[1.0, 0.6], [0.6, 2.0]])
    model = LinearModelWithBaseline(omega=omega)
    X = np.zeros((20000, 2))
    assert_allclose(np.cov(model.simulate(X, noise=None, random_state=0).T), omega, atol=0.06)
    assert_allclose(model.simulate(X, noise=2.0, random_state=0).std(), 2.0, rtol=0.02)
    heavy = model.simulate(X, noise=1.0, dof=5.0, random_state=0)
    assert_allclose(heavy.var(), 5 / 3, rtol=0.08)
    assert model.simulate(X, noise=1.0, n_repeats=3, random_state=0).shape == (3, 20000, 2)
    assert_array_equal(model.simulate(X, random_state=1), model.simulate(X, random_state=1))


def test_repeats_have_noise_of_their_own_and_one_scale_of_t_noise_per_sample():
    model, X = LinearModelWithBaseline(), np.zeros((4000, 2))
    one, two = model.simulate(X, n_repeats=2, random_state=0)
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.05
    heavy = model.simulate(X, dof=3.0, n_repeats=2, random_state=0)
    sizes = np.abs(heavy[:, :, 0]) > 4, np.abs(heavy[:, :, 1]) > 4
    assert sizes[0].any() and (sizes[0] & sizes[1]).mean() > 5 * sizes[0].mean() * sizes[1].mean()
    assert not np.allclose(heavy[0], heavy[1])


def test_delayed_design_never_crosses_runs():
    X = np.arange(1.0, 13).reshape(6, 2)
    groups = [0, 0, 0, 1, 1, 1]
    model = DelayedModel(tmin=-1, tmax=1, sfreq=1.0)
    design = model.design(X, groups).reshape(6, 2, 3)
    for t in range(6):
        for i, lag in enumerate((-1, 0, 1)):
            same_run = 0 <= t - lag < 6 and groups[t - lag] == groups[t]
            assert_array_equal(design[t, :, i], X[t - lag] if same_run else 0)
    assert_array_equal(model.valid_samples(6, groups), [False, True, False] * 2)
    assert DelayedModel(tmin=-1, tmax=1, edges="zero").valid_samples(6, groups).all()
    assert_array_equal(DelayedModel(tmax=0.5, sfreq=4.0).get_times(), [0, 0.25, 0.5])


class Saturation(EncodingModel):
    parameter_space = (Parameter("half", lower=0.0), Parameter("gain", "amplitude"))

    def basis(self, paradigm, half):
        return paradigm[:, :1] / (paradigm[:, :1] + half)


def test_a_single_lag_is_no_empty_range():
    assert DelayedModel(tmin=0.5, tmax=0.5, sfreq=4.0).get_times() == [0.5]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LinearModelWithBaseline().predict(), "no paradigm"),
        (lambda: GaussianTuningModel().predict(np.ones((3, 1))), "no parameters: .*'mu'"),
        (lambda: GaussianTuningModel().predict(np.ones((3, 1)), np.ones((2, 3))), "3 columns"),
        (lambda: GaussianTuningModel().predict(np.ones((3, 2)), np.ones((2, 4))), "give grid_coordinates"),
        (lambda: GaussianTuningModel(log=True).predict(np.zeros((3, 1)), np.ones((2, 4))), "positive paradigm"),
        (lambda: GaussianTuningModel(n_dims=3).get_parameter_labels(), "n_dims"),
        (lambda: GaussianTuningModel(grid_coordinates=np.ones((3, 2))).get_parameter_labels(), "grid_coordinates"),
        (lambda: GaussianTuningModel().candidate_grid(np.ones((5, 1))), "never changes"),
        (lambda: Saturation().candidate_grid(np.ones((5, 1))), "'half' has no two finite bounds"),
        (lambda: EncodingModel().design(np.ones((2, 1))), "needs parameters"),
        (lambda: LinearModelWithBaselineHRF().predict(np.ones((3, 1))), "needs hrf_model"),
        (lambda: LinearModelWithBaseline().simulate(np.ones((3, 2)), noise=np.eye(3)), "covariance of shape"),
        (lambda: LinearModelWithBaseline().simulate(np.ones((3, 2)), noise=None), "no noise"),
        (lambda: DelayedModel(sfreq=0.0).get_lags(), "sfreq"),
        (lambda: DelayedModel(tmin=1.0, tmax=0.0).get_lags(), "comes before"),
        (lambda: DelayedModel(tmax=5.0).design(np.ones((5, 1))), "spans 6 samples"),
        (lambda: DelayedModel(edges="wrap").valid_samples(5), "edges"),
        (lambda: LinearModelWithBaseline().simulate(np.ones((3, 2)), noise=-1.0), "standard deviation >= 0"),
        (lambda: LinearModelWithBaseline().simulate(np.ones((3, 2)), noise=-np.eye(2)), "positive semi-definite"),
        (lambda: LinearModelWithBaseline().simulate(np.ones((3, 2)), noise=np.eye(3)), "covariance of shape"),
        (lambda: LinearModelWithBaseline().simulate(np.ones((3, 2)), dof=0.0), "dof must be positive"),
        (lambda: HRFModel(hrf=[1.0]).convolve(np.ones((3, 1)), groups=[0, 1]), "one label per sample"),
        (
            lambda: LinearModelWithBaselineHRF(hrf_model=SPMHRFModel(1.0, unique_hrfs=True)).predict(
                np.ones((40, 1)), weights=np.ones((1, 1))
            ),
            "one response for all",
        ),
        (lambda: GaussianTuningModel().predict(np.ones((3, 1)), pd.DataFrame({"mu": [0.0]})), "lack .*'sd'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_basis_is_needed():
    with pytest.raises(NotImplementedError, match="must define basis"):
        EncodingModel().predict(np.ones((2, 1)), np.ones((1, 0)))


@functools.cache
def declared():
    """What the page of models by declaration leaves behind."""
    page = pathlib.Path(__file__).resolve().parents[3] / "docs" / "how-to" / "encoding-models.md"
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
        exec(block, names)
    return names


# Model, stimulus, planted parameters, noise, and how near they come.
DECLARED = {
    "VonMises": ("orientation", [[0.1, 2.0, 1.5, 0.3], [3.0, 6.0, 1.0, 0.0]], [0.1, 1.5, 0.3, 0.2]),
    "DifferenceOfGaussians": ("position", [[0.5, 0.5, 3.0, 0.4, 2.0, 0.2], [-1.0, 0.7, 2.5, 0.6, 1.5, 0.0]],
                              [0.1, 0.1, 1.0, 0.2, 0.5, 0.1]),
    "CompressiveSummation": ("bars", [[0.5, 0.8, 0.4, 2.0, 1.0], [-1.5, 1.2, 0.7, 0.5, 0.0]],
                             [0.2, 0.3, 0.2, 1.0, 0.3]),
}  # fmt: skip


@pytest.mark.parametrize("name", DECLARED)
def test_declared_models_find_what_was_planted(name):
    stimulus, truth, nearness = DECLARED[name]
    model, x = declared()[name](), declared()[stimulus]
    fit = ParameterFitter(model).fit(x, model.simulate(x, truth, noise=0.05, random_state=1))
    assert (fit.r2_ > 0.95).all() and fit.converged_.all()
    assert (np.abs(fit.parameters_ - np.array(truth)) < nearness).all(axis=None)
    for par in model.get_parameter_space():
        assert par.holds(fit.parameters_[par.label]).all()


@pytest.mark.parametrize("name", DECLARED)
def test_gradients_of_declared_models_equal_differences_of_fourth_order(name):
    stimulus, truth, _ = DECLARED[name]
    model, x, pars = declared()[name](), declared()[stimulus], np.array(truth).T[:-2]
    response, derivatives = model.response_gradient(x, *pars)
    assert_allclose(response, model.response(x, *pars))
    for i, derivative in enumerate(derivatives):
        h = np.zeros_like(pars)
        h[i] = 1e-3
        near, far = (model.response(x, *(pars + k * h)) - model.response(x, *(pars - k * h)) for k in (1, 2))
        assert_allclose(derivative, (8 * near - far) / 12e-3, atol=1e-7 * np.abs(derivative).max() + 1e-9)
