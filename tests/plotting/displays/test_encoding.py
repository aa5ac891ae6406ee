import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from eegexplain.encoding import (
    DelayedModel,
    EncodingModel,
    GaussianTuningModel,
    HRFModel,
    Parameter,
    ParameterFitter,
    SPMHRFModel,
    WeightFitter,
)
from eegexplain.plotting import HRFDisplay, R2Display, TRFDisplay, TuningCurveDisplay

NAMES = ["Fz", "C3", "Cz", "C4", "Pz", "Oz"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def tuned():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.5, 3, (120, 1))
    pars = np.column_stack([np.linspace(0.7, 2.8, 8), np.full(8, 0.6), np.linspace(0.2, 2, 8), np.linspace(-1, 1, 8)])
    y = GaussianTuningModel().simulate(x, pars, noise=0.2, random_state=0)
    return x, y, ParameterFitter(GaussianTuningModel()).fit(x, y)


def test_hrf_lines_are_the_responses():
    models = {"a": SPMHRFModel(1.0), "b": SPMHRFModel(0.5, time_length=20.0)}
    display = HRFDisplay.from_models(models).plot()
    for line, model in zip(display.lines_, models.values(), strict=True):
        assert_array_equal(line.get_xdata(), model.get_times())
        assert_array_equal(line.get_ydata(), model.get_hrf())
    _, ax = plt.subplots()
    assert HRFDisplay.from_models(SPMHRFModel(1.0)).plot(ax=ax).ax_ is ax
    with pytest.raises(ValueError, match="one entry"):
        HRFDisplay([[0.0]], [], ["a"])
    with pytest.raises(AttributeError):
        HRFDisplay.from_models(HRFModel(hrf=[1.0]))


def test_tuning_curves_are_predictions_and_points_are_bin_means(tuned):
    x, y, fitter = tuned
    display = TuningCurveDisplay.from_estimator(fitter, x, y)
    best = sorted(np.argsort(-fitter.r2_.to_numpy())[:6])
    assert display.labels == [str(v) for v in best]
    for line, v in zip(display.lines_, best, strict=True):
        predicted = fitter.model.predict(line.get_xdata()[:, None], fitter.parameters_)[:, v]
        assert_allclose(line.get_ydata(), predicted)
    place, mean, error = display.points[0]
    lowest = np.argsort(x[:, 0])[:10]
    assert_allclose([place[0], mean[0]], [x[lowest, 0].mean(), y[lowest, best[0]].mean()])
    assert_allclose(error[0], y[lowest, best[0]].std(ddof=1) / np.sqrt(10))
    two = TuningCurveDisplay.from_estimator(fitter, targets=[3, 1])
    assert two.points is None
    assert two.labels == ["3", "1"]


@pytest.mark.parametrize("log", [False, True])
def test_tuning_on_a_grid_and_with_a_response_is_drawn_before_the_response(log):
    rng = np.random.default_rng(1)
    places = np.arange(1.0, 9)
    stimulus = rng.random((150, 8))
    model = GaussianTuningModel(grid_coordinates=places, log=log, hrf_model=SPMHRFModel(1.0))
    y = model.simulate(stimulus, [[4.0, 0.8, 2.0, 1.0]], noise=0.01, random_state=0)
    display = TuningCurveDisplay.from_estimator(ParameterFitter(model).fit(stimulus, y), stimulus, y)
    assert display.points is None
    positions, curve = display.lines_[0].get_data()
    assert (positions[0], positions[-1]) == pytest.approx((1.0, 8.0))
    assert positions[curve.argmax()] == pytest.approx(4.0, abs=0.4)
    assert display.ax_.get_xscale() == ("log" if log else "linear")


def test_fields_in_the_plane_are_circles_of_one_sd():
    rng = np.random.default_rng(2)
    x = rng.uniform(-3, 3, (200, 2))
    model = GaussianTuningModel(n_dims=2)
    truth = np.array([[1.0, -1.0, 0.8, 0.0, 1.0], [-1.0, 0.5, 1.2, 0.0, 1.0]])
    fitter = ParameterFitter(model).fit(x, model.simulate(x, truth, noise=0.05, random_state=0))
    circles = TuningCurveDisplay.from_estimator(fitter).circles_
    order = np.argsort(-fitter.parameters_["sd"].to_numpy())
    assert_allclose(circles.get_offsets(), fitter.parameters_[["x", "y"]].to_numpy()[order])
    assert_allclose(circles.get_array(), fitter.r2_.to_numpy()[order])


def test_a_users_model_needs_the_stimulus():
    class Power(EncodingModel):
        parameter_space = (Parameter("exponent", lower=0.0), Parameter("gain", "amplitude"))

        def basis(self, paradigm, exponent, *, xp=np):
            return paradigm[:, :1] ** exponent

    x = np.linspace(0.1, 2, 50)[:, None]
    fitter = ParameterFitter(Power(), grid={"exponent": [0.5, 1.0, 2.0]}).fit(x, 3 * x**1.5)
    curve = TuningCurveDisplay.from_estimator(fitter, x).lines_[0]
    assert_allclose(curve.get_ydata(), 3 * curve.get_xdata() ** 1.5, rtol=1e-4)
    with pytest.raises(ValueError, match="X is needed"):
        TuningCurveDisplay.from_estimator(fitter)
    with pytest.raises(ValueError, match="curves"):
        TuningCurveDisplay(labels=[])


def test_r2_histogram_counts_every_finite_target():
    display = R2Display([0.1, 0.2, 0.7, np.nan], null=[0.0, 0.1]).plot(bins=5)
    assert sum(bar.get_height() for bar in display.bars_) == 3
    assert display.median_.get_xdata()[0] == 0.2
    with pytest.raises(ValueError, match="no finite"):
        R2Display([np.nan])


@pytest.fixture(scope="module")
def trf():
    rng = np.random.default_rng(3)
    sound = rng.standard_normal((400, 2))
    kernels = np.zeros((6, 2, 9))
    kernels[0, 0, 2], kernels[5, 0, 6], kernels[2, 1, 4] = 3.0, -2.0, 0.5
    model = DelayedModel(tmax=0.16, sfreq=50.0)
    eeg = model.predict(sound, weights=kernels.reshape(6, -1).T) + 0.1 * rng.standard_normal((400, 6))
    return sound, eeg, WeightFitter(model, 1.0).fit(sound, eeg)


def test_trf_shows_maps_at_peaks_and_the_kernels(trf):
    _, _, fitter = trf
    display = TRFDisplay.from_estimator(fitter, NAMES, features=["onset", "pitch"])
    assert_allclose(display.lags_, [0.04, 0.12])
    assert [ax.get_title() for ax in display.maps_] == ["40 ms", "120 ms"]
    assert_allclose([line.get_ydata() for line in display.lines_], fitter.kernels_[:, 0])
    assert_allclose(display.rms_.get_ydata(), np.sqrt((fitter.kernels_[:, 0] ** 2).mean(axis=0)))
    assert_allclose(display.image_.get_array(), np.sqrt((fitter.kernels_**2).mean(axis=0)))
    chosen = display.plot(feature="pitch", lags=[0.08])
    assert_allclose(chosen.lags_, [0.08])
    assert_allclose(chosen.lines_[2].get_ydata()[4], fitter.kernels_[2, 1, 4])
    without = TRFDisplay(fitter.kernels_[:, :1], fitter.model_.get_times()).plot()
    assert (without.maps_, without.image_) == ([], None)


def test_backward_models_show_patterns(trf):
    sound, eeg, _ = trf
    model = DelayedModel(tmin=-0.16, tmax=0.0, sfreq=50.0)
    fitter = WeightFitter(model, 1.0).fit(eeg, sound[:, 0])
    display = TRFDisplay.from_estimator(fitter, NAMES, scalp="features")
    assert_allclose(display.kernels[:, 0], fitter.patterns_[:, 0].reshape(6, 9))
    assert_allclose(display.lags_, [-0.12, -0.04])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TRFDisplay(np.ones((2, 3)), [0.0]), "n_lags"),
        (lambda: TRFDisplay(np.ones((2, 1, 3)), np.arange(3), ["Cz"]), "1 channel names for 2"),
        (lambda: TRFDisplay(np.ones((2, 1, 3)), np.arange(3), features=["a", "b"]), "2 names for 1"),
        (lambda: TRFDisplay(np.ones((2, 1, 3)), np.arange(3)).plot(feature="b"), "feature='b'"),
        (lambda: TRFDisplay.from_estimator(None, scalp="head"), "scalp='head'"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()
