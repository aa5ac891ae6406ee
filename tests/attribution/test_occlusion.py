"""Occlusion: linear models in every basis, naive loops, redundant channels, planted bands, captum, bad input."""

import numpy as np
import pytest
import torch
import xarray as xr
from captum.attr import Occlusion
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from eegexplain.attribution import OcclusionAttributor, class_contrast
from eegexplain.bases import Windows, as_basis, spatial
from eegexplain.datasets import make_oscillatory_eeg
from tests.estimators import AmplitudeClassifier, trials

N, C, T, SFREQ = 10, 3, 40, 40.0
rng = np.random.default_rng(0)
X = rng.standard_normal((N, C, T))
Y = np.arange(N) % 2
BANDS = {"low": (2.0, 8.0), "high": (8.0, 15.0)}
WEIGHTS = rng.standard_normal((C, T))
PATTERNS = rng.standard_normal((C, 2))


class Sum(RegressorMixin, BaseEstimator):
    """A linear model: the sum of weight times input."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.einsum("nct,ct->n", X, WEIGHTS)


class Largest(ClassifierMixin, BaseEstimator):
    """A class whose logit is the largest power of the first two channels: either of them is enough."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return np.square(X[:, :2]).mean(-1).max(-1)


def occluded(estimator, **params):
    return OcclusionAttributor(FrozenEstimator(estimator.fit(X, Y)), sfreq=SFREQ, **params)


@pytest.mark.parametrize("basis", ["time", "windows", "fourier", "bands", "time_bands", "stft", "wavelet",
                                   spatial(PATTERNS, "bands")])  # fmt: skip
def test_a_linear_model_loses_weight_times_input(basis):
    """As the attribution of a constant gradient; cells that no basis function spans are not there."""
    found = occluded(Sum(), basis=basis, bands=BANDS).fit(X, 1.0 * Y).explain(X)["value"].values[:, 0]
    bound = as_basis(basis, BANDS).bind(T, SFREQ)
    expected = bound.attribute(X, WEIGHTS)[:, : found.shape[1], : found.shape[2]]
    np.testing.assert_allclose(found, expected, atol=1e-10)
    n_cells = {len(values) for values in bound.coordinates().values()}
    assert found.shape[1:] == (2 if bound.name == "spatial_bands" else C, *n_cells)


def naive(respond, fillings, n_windows):
    """Windows of single channels, one trial at a time."""
    edges = np.linspace(0, T, n_windows + 1).astype(int)
    lost = np.zeros((N, 2, C, n_windows))
    for trial in range(N):
        for channel in range(C):
            for window, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
                for filling in fillings:
                    other = X[trial].copy()
                    other[channel, low:high] = filling[trial][channel, low:high]
                    change = respond(X[trial : trial + 1]) - respond(other[None])
                    lost[trial, :, channel, window] += change[0] / len(fillings)
    return lost


@pytest.mark.parametrize("baseline", ["zeros", "mean", "trials", "surrogate", "given"])
def test_against_a_loop(baseline):
    given = {"given": 3 * WEIGHTS}.get(baseline, baseline)
    params = {"basis": Windows(windows=3), "baseline": given, "n_baselines": 2, "random_state": 0}
    occlusion = occluded(AmplitudeClassifier(), **params).fit(X, Y)
    bank = occlusion._bank
    fillings = [bank.draw(number, X, slice(None)) for number in range(len(bank))]
    assert len(fillings) == (2 if baseline in ("trials", "surrogate") else 1)
    if baseline == "mean":
        np.testing.assert_allclose(fillings[0][0], X.mean(0))

    def respond(X):
        logits = np.log(occlusion.estimator_.predict_proba(X))
        return logits - logits.mean(1, keepdims=True)

    expected = naive(respond, fillings, 3)
    np.testing.assert_allclose(occlusion.explain(X)["value"], expected, atol=1e-10)
    np.testing.assert_allclose(occlusion.transform(X), expected.reshape(N, -1), atol=1e-10)
    np.testing.assert_allclose(occlusion.attributions_, expected.mean(0), atol=1e-10)
    np.testing.assert_allclose(occlusion.standard_errors_, expected.std(0, ddof=1) / np.sqrt(N), atol=1e-10)
    for number in (0, 1):
        own = expected[Y == number, number]
        np.testing.assert_allclose(occlusion.class_attributions_[number], own.mean(0), atol=1e-10)
        error = own.std(0, ddof=1) / np.sqrt(5)
        np.testing.assert_allclose(occlusion.class_standard_errors_[number], error, atol=1e-10)


def test_errors_are_clustered_by_groups():
    occlusion = occluded(Sum(), basis="windows").fit(X, 1.0 * Y)
    groups = np.repeat([0, 1], 5)
    single = occlusion.explain(X)["value"].values
    sums = np.stack([(single - single.mean(0))[groups == group].sum(0) for group in (0, 1)])
    found = occlusion.explain_population(X, groups=groups)
    np.testing.assert_allclose(found["standard_error"], np.sqrt(2 * (sums**2).sum(0)) / N, atol=1e-12)
    assert found.attrs["degrees_of_freedom"] == 1


def test_what_is_redundant_is_lost_only_with_all_that_hold_it():
    """Two channels with the same: without one of them nothing is missed."""
    twins = X.copy()
    twins[:, 1] = twins[:, 0]
    whole = {"basis": Windows(windows=1), "response": "logit"}
    with pytest.warns(UserWarning, match="The whole map is 0"):
        each = occluded(Largest(), **whole).fit(twins, Y).explain(twins)["value"]
    both = occluded(Largest(), joint=True, **whole).fit(twins, Y).explain(twins)["value"]
    np.testing.assert_allclose(each, 0, atol=1e-12)
    assert both.dims == ("trial", "output", "window")
    power = np.square(twins[:, 0]).mean(-1)
    np.testing.assert_allclose(both.values[..., 0], np.stack([-power / 2, power / 2], 1), atol=1e-12)


def band_powers(X):
    spectra = np.abs(np.fft.rfft(X)) ** 2
    return np.log(spectra.reshape(len(X), -1) + 1e-3)


def test_the_planted_band_and_channel_are_found_without_gradients():
    eeg = make_oscillatory_eeg(n_trials=60, snr=4, random_state=0)
    decoder = make_pipeline(FunctionTransformer(band_powers), LogisticRegression(C=1e-3))
    bands = {"theta": (4, 8), "alpha": (8, 13), "beta": (13, 30)}
    settings = {"basis": "bands", "bands": bands, "baseline": "trials", "n_baselines": 2, "random_state": 0}
    occlusion = OcclusionAttributor(decoder, sfreq=eeg.sfreq, ch_names=eeg.ch_names, **settings).fit(eeg.X, eeg.y)
    effect = eeg.truth.effect[1]
    frequencies = np.fft.rfftfreq(eeg.X.shape[-1], 1 / eeg.sfreq)
    truth = [np.abs(effect[:, (frequencies >= low) & (frequencies < high)]).max(-1) for low, high in bands.values()]
    contrast = np.abs(class_contrast(occlusion.explanation_, "1", "0")["value"].values)
    strongest = np.unravel_index(contrast.argmax(), contrast.shape)
    assert np.stack(truth, -1)[strongest] > 0.9 * np.max(truth)


def test_a_bare_network_is_occluded_as_captum_does_it():
    """Windows of one channel, replaced by zeros; a network with a nonlinearity and three outputs."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv1d(C, 4, 5), torch.nn.ELU(), torch.nn.Flatten(), torch.nn.Linear(144, 3))
    found = OcclusionAttributor(net, basis="windows", response="logit").fit(X, np.arange(N) % 3).explain(X)["value"]
    x = torch.as_tensor(X, dtype=torch.float32)
    for target in range(3):
        expected = Occlusion(net.eval()).attribute(x, (1, 5), strides=(1, 5), target=target)
        np.testing.assert_allclose(found[:, target], expected.detach().numpy()[..., ::5], atol=1e-5)


def test_named_axes_are_kept():
    """A container gives names and rate; the map names the windows and says where they lie."""
    data = xr.DataArray(X, dims=("trial", "channel", "time"),
                        coords={"channel": ["C3", "Cz", "C4"], "time": np.arange(T) / SFREQ})  # fmt: skip
    found = OcclusionAttributor(AmplitudeClassifier(), basis=Windows(windows=2)).fit(data, Y)
    assert found.explanation_["channel"].values.tolist() == ["C3", "Cz", "C4"]
    assert found.explanation_["window"].values.tolist() == ["0-0.5 s", "0.5-1 s"]
    np.testing.assert_allclose(found.explanation_["time"], [0.25, 0.75])
    assert found.get_feature_names_out()[1] == "C3@0.5-1 s@0"
    attributes = found.explanation_.attrs
    assert (attributes["method"], attributes["label"]) == ("occlusion", "lost centered logit")


def test_a_trial_alone_and_blocks_of_trials_agree():
    many, labels = trials(n_trials=130)
    occlusion = OcclusionAttributor(AmplitudeClassifier()).fit(many, labels)
    whole = occlusion.explain(many)["value"].values
    np.testing.assert_allclose(occlusion.explain(many[128:])["value"], whole[128:], atol=1e-12)
    np.testing.assert_allclose(occlusion.attributions_, whole.mean(0), atol=1e-12)


@pytest.mark.parametrize(("params", "words"), [
    ({"baseline": "noise"}, "baseline"),
    ({"baseline": X}, "give one trial"),
    ({"baseline": np.full((C, T), np.nan)}, "NaN"),
    ({"basis": "wavelets"}, "did you mean 'wavelet'"),
    ({"basis": Windows(windows=0)}, "windows is 0"),
    ({"basis": "bands", "bands": {"a": (1, 3), "b": (1.5, 4)}}, "overlap"),
    ({"n_baselines": 0}, "n_baselines"),
    ({"response": "output"}, "response"),
])  # fmt: skip
def test_bad_parameters(params, words):
    with pytest.raises(ValueError, match=f"(?i){words}"):
        occluded(AmplitudeClassifier(), **params).fit(X, Y)
