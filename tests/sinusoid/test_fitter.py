"""SinusoidFitter as a description of templates and as a plain transformer."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

from eegexplain import ReverseCorrelator, SinusoidFitter, SyncNetClassifier
from eegexplain.sinusoid import fit_sinusoids

SFREQ = 128.0
TIME = np.arange(64) / SFREQ


class WithTemplates(LogisticRegression):
    """A classifier that has templates, as a facade does: the class-mean trials."""

    def fit(self, X, y):
        super().fit(X.reshape(len(X), -1), y)
        X = X.reshape(len(X), -1, X.shape[-1])
        self.templates_ = np.stack([X[y == label].mean(0) for label in self.classes_])
        return self

    def predict(self, X):
        return super().predict(X.reshape(len(X), -1))


@pytest.fixture
def trials():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 20)
    frequency = np.where(y, 20.0, 11.0)[:, None, None]
    gain = np.array([1.0, 3.0])[:, None]
    X = gain * np.cos(2 * np.pi * frequency * TIME + 0.4) + 0.1 * rng.normal(size=(40, 2, 64)) + 5.0
    return X, y


def test_templates_of_a_fitted_estimator(trials):
    X, y = trials
    fitter = SinusoidFitter(WithTemplates(), sfreq=SFREQ, ch_names=["C3", "C4"]).fit(X, y)
    np.testing.assert_allclose(fitter.params_sin_[..., 0], [[11, 11], [20, 20]], rtol=2e-3)
    np.testing.assert_allclose(fitter.params_sin_[..., 1], [[1, 3], [1, 3]], rtol=0.05)
    np.testing.assert_allclose(fitter.params_sin_[..., 2], 0.4, atol=0.05)
    assert fitter.r2_sin_.min() > 0.97 and fitter.aic_difference_.min() > 0
    assert fitter.explanation_["value"].dims == ("filter", "channel", "parameter")
    np.testing.assert_array_equal(fitter.explanation_["value"].sel(channel="C4"), fitter.params_sin_[:, 1])
    assert fitter.predict(X).shape == (40,) and not hasattr(fitter, "transform_proba")


def test_transform_describes_each_trial_without_the_network(trials):
    X, y = trials
    fitter = SinusoidFitter(WithTemplates(), sfreq=SFREQ, ch_names=["C3", "C4"]).fit(X, y)
    features = fitter.transform(X)
    names = list(fitter.get_feature_names_out())
    assert features.shape == (40, 12) and names[:6] == [
        f"C3@{name}" for name in ("frequency", "amplitude", "phase_cos", "phase_sin", "offset", "r2")
    ]
    np.testing.assert_allclose(features[:, names.index("C4@frequency")], np.where(y, 20, 11), rtol=5e-3)
    np.testing.assert_allclose(features[:, names.index("C3@offset")], 5, atol=0.1)
    assert fitter.explain(X)["value"].sel(trial=3, channel="C4", parameter="r2") == features[3, names.index("C4@r2")]
    flat = fitter.transform(np.ones_like(X[:2]))
    assert not flat.any()


def test_passthrough_is_a_plain_transformer(trials):
    X, y = trials
    pipeline = make_pipeline(SinusoidFitter("passthrough", sfreq=SFREQ, fmin=5, fmax=40), LogisticRegression())
    assert pipeline.fit(X[:20], y[:20]).score(X[20:], y[20:]) == 1.0
    fitter = SinusoidFitter("passthrough", sfreq=SFREQ).fit(X[y == 0])
    np.testing.assert_allclose(fitter.params_sin_[0, :, 0], 11, rtol=2e-3)
    assert not hasattr(fitter, "predict")
    np.testing.assert_array_equal(
        SinusoidFitter("passthrough").fit(X[:, 0]).transform(X[:, 0]),
        SinusoidFitter("passthrough").fit(X[:, :1]).transform(X[:, :1]),
    )


@pytest.mark.parametrize("detrend", [False, True])
def test_every_number_is_that_of_the_fit_with_the_same_options(trials, detrend):
    X, _ = trials
    X = X + np.linspace(0, 3, 64)  # a drift, which detrending takes away
    options = {"fmin": 5.0, "fmax": 30.0, "detrend": detrend}
    fitter = SinusoidFitter("passthrough", sfreq=SFREQ, ch_names=["C3", "C4"], **options).fit(X)
    mean, each = fit_sinusoids(X.mean(0)[None], SFREQ, **options), fit_sinusoids(X, SFREQ, **options)
    for name in ("params_sin", "params_lin", "err_sin", "err_lin", "r2_sin", "aic_difference", "standard_errors"):
        np.testing.assert_allclose(getattr(fitter, f"{name}_"), getattr(mean, name), rtol=1e-12)
    frequency, amplitude, phase, offset = np.moveaxis(each.params_sin, -1, 0)
    columns = [frequency, amplitude, np.cos(phase), np.sin(phase), offset, each.r2_sin]
    np.testing.assert_allclose(fitter.transform(X), np.stack(columns, -1).reshape(40, 12), rtol=1e-12)
    attrs = fitter.explanation_.attrs
    assert (attrs["method"], attrs["detrend"], attrs["sfreq"]) == ("sinusoid fit", int(detrend), SFREQ)


def test_limits_are_checked_before_training_against_what_signals_of_that_length_hold(trials):
    """Below 6 samples nothing is detrended, below 4 nothing is fitted."""
    X, y = trials
    assert not SinusoidFitter("passthrough", fmax=0.1).fit(X[..., :3]).params_sin_.any()
    for n_times, fmax, possible in [(4, 0.1, False), (4, 0.2, True), (5, 0.15, True), (6, 0.15, False), (6, 0.2, True)]:
        fitter = SinusoidFitter(LogisticRegression(), fmax=fmax)  # training it on these trials is a TypeError
        with pytest.raises(TypeError if possible else ValueError, match="templates_" if possible else "No frequency"):
            fitter.fit(X[:, 0, :n_times], y)
    fitter = SinusoidFitter(LogisticRegression(), fmax=0.1, detrend=False)
    with pytest.raises(TypeError, match="templates_"):
        fitter.fit(X[:, 0, :6], y)


def test_only_the_word_passthrough_means_no_network(trials):
    with pytest.raises((TypeError, ValueError, AttributeError)):
        SinusoidFitter("passthru").fit(trials[0])


def test_no_templates_is_a_type_error_with_a_cure(trials):
    X, y = trials
    with pytest.raises(TypeError, match="templates_.*ReverseCorrelator"):
        SinusoidFitter(LogisticRegression()).fit(X[:, 0], y)


def test_a_limit_above_nyquist_is_refused_before_any_training(trials):
    X, y = trials
    with pytest.raises(ValueError, match="Nyquist"):
        SinusoidFitter(LogisticRegression(), sfreq=SFREQ, fmax=70).fit(X, y)


def test_scikit_learn_checks_of_the_passthrough():
    checks = list(estimator_checks_generator(SinusoidFitter("passthrough")))
    assert len(checks) >= 40
    for estimator, check in checks:
        check(clone(estimator))


def test_what_reverse_correlation_found_in_training_is_not_computed_again(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 2, 64)), np.arange(30) % 2
    net = FrozenEstimator(SyncNetClassifier(num_filters=2, training="closed", sfreq=SFREQ, random_state=0).fit(X, y))
    asked, plain = [], ReverseCorrelator._explain_population
    monkeypatch.setattr(
        ReverseCorrelator, "_explain_population", lambda self, X, *y: asked.append(len(X)) or plain(self, X, *y)
    )
    fitter = SinusoidFitter(ReverseCorrelator(net)).fit(X[:20], y[:20])
    assert asked == [20]
    again = SinusoidFitter(FrozenEstimator(ReverseCorrelator(net).fit(X, y))).fit(X[:20], y[:20])
    assert asked == [20, 30, 20]  # another's trials are not these
    np.testing.assert_array_equal(fitter.params_sin_, again.params_sin_)
    fitter.explain_population(X[20:], y[20:])
    assert asked == [20, 30, 20, 10]
