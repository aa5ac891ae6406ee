"""The estimator: bases, baselines, targets, methods, population, networks of other libraries, bad input."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from eegexplain._io import load_explanation, save_explanation
from eegexplain.attribution import FLEXAttributor, attribute, class_contrast
from eegexplain.bases import STFT, spatial
from tests.estimators import SFREQ, fast_classifier, fast_regressor, trials

X, Y = trials(n_trials=24)
BANDS = {"low": (4.0, 8.0), "mu": (8.0, 13.0)}


@pytest.fixture(scope="module")
def net():
    return FrozenEstimator(fast_classifier(max_epochs=15, lr=0.03).fit(X, Y))


@pytest.fixture(scope="module")
def flex(net):
    return FLEXAttributor(net, bands=BANDS, ch_names=["C3", "Cz", "C4"], population_tol=None).fit(X, Y)


def response(net, X, kind="centered_logit"):
    """Responses of a facade, from its module alone."""
    module = net.estimator.net_.module_
    with torch.no_grad():
        logits = module(torch.as_tensor(X, dtype=torch.float32)).double().numpy()
    return logits - logits.mean(1, keepdims=True) if kind == "centered_logit" else logits


def test_population_is_the_mean_of_trials(flex):
    single = flex.explain(X)["value"].values
    assert single.shape == (24, 2, 3, 17)
    np.testing.assert_allclose(flex.attributions_, single.mean(0), atol=1e-12)
    np.testing.assert_allclose(flex.standard_errors_, single.std(0, ddof=1) / np.sqrt(24), atol=1e-12)
    for number, label in enumerate(flex.classes_):
        own = single[label == Y, number]
        np.testing.assert_allclose(flex.class_attributions_[number], own.mean(0), atol=1e-12)
        np.testing.assert_allclose(flex.class_standard_errors_[number], own.std(0, ddof=1) / np.sqrt(12), atol=1e-12)
    np.testing.assert_array_equal(flex.transform(X), single.reshape(24, -1))
    assert flex.get_feature_names_out()[5] == "C3@10Hz@left"
    assert flex.explanation_.attrs["response"] == "centered_logit"


def test_every_domain_sums_to_the_change_of_the_output(flex, net):
    change = response(net, X) - response(net, 0 * X)
    found = flex.explain(X, basis=["time", "fourier", "bands", "time_bands", "stft", "wavelet",
                                   spatial(np.eye(3)[:, :2], "bands")])
    assert list(found) == ["time", "fourier", "bands", "time_bands", "stft", "wavelet", "spatial_bands"]
    for dataset in found.values():
        sums = dataset["value"].sum(dataset["value"].dims[2:]).values
        assert np.abs(sums - change).mean() < 0.01 * np.abs(change).max()
        np.testing.assert_allclose(sums - change, dataset["convergence_delta"], atol=1e-5)
    assert found["spatial_bands"]["value"].dims == ("trial", "output", "component", "band")
    assert list(found["spatial_bands"]["component"].values) == ["component0", "component1", "residual"]
    joint = found["time_bands"].set_index(coefficient=["band", "time"]).unstack("coefficient")["value"]
    np.testing.assert_allclose(joint.sum("time").sel(band="mu"), found["bands"]["value"].sel(band="mu"), atol=1e-12)
    np.testing.assert_allclose(joint.sum("band"), found["time"]["value"], atol=1e-12)


def test_agrees_with_the_one_call_function(flex, net):
    module = net.estimator.net_.module_
    fixed = clone(flex).set_params(n_steps=20, response="logit").fit(X, Y)
    expected = attribute(X.astype(np.float32), module, target=1, n_steps=20)
    np.testing.assert_allclose(fixed.explain(X, target=1)["value"], expected, atol=1e-6)


@pytest.mark.parametrize("baseline", ["mean", "surrogate", "trials", "given", "per trial"])
def test_baselines(net, baseline):
    """Attributions sum to the output at the trial minus its mean over baselines."""
    given = {"given": X[3], "per trial": X[::-1] / 2}.get(baseline, baseline)
    flex = FLEXAttributor(net, baseline=given, n_baselines=3, n_steps=400, random_state=0).fit(X, Y)
    bank = flex._bank
    starts = [bank.draw(number, X, slice(None)) for number in range(len(bank))]
    assert len(starts) == (3 if baseline in ("surrogate", "trials") else 1)
    change = response(net, X) - np.mean([response(net, np.ascontiguousarray(start)) for start in starts], axis=0)
    sums = flex.explain(X)["value"].sum(("channel", "frequency"))
    assert np.abs(sums - change).mean() < 0.01 * np.abs(change).max()  # the network's max-pooling has kinks
    if baseline == "mean":
        np.testing.assert_allclose(starts[0][0], X.mean(0))
    if baseline == "surrogate":
        spectra = np.abs(np.fft.rfft(X)), np.abs(np.fft.rfft(starts[0]))
        np.testing.assert_allclose(*spectra, atol=1e-10)
        assert np.abs(starts[0] - X).mean() > 0.1
        cross = [np.fft.rfft(x)[:, 0] * np.conj(np.fft.rfft(x)[:, 1]) for x in (X, starts[0])]
        np.testing.assert_allclose(*cross, atol=1e-9)


def test_another_baseline_for_explain(flex, net):
    found = flex.explain(X[:2], baseline=X[:2] / 3)
    change = response(net, X[:2]) - response(net, X[:2] / 3)
    sums = found["value"].sum(("channel", "frequency"))
    np.testing.assert_allclose(sums, change, atol=0.03 * np.abs(change).max())


def test_targets(flex):
    every = flex.explain(X)["value"].values
    predicted = flex.predict(X)
    index = np.searchsorted(flex.classes_, predicted)
    found = flex.explain(X, target="predicted")
    np.testing.assert_array_equal(found["target"].values, predicted.astype(str))
    np.testing.assert_allclose(found["value"], every[np.arange(24), index], atol=0.01 * np.abs(every).max())
    truth = np.searchsorted(flex.classes_, Y)
    for target, labels in [("true", Y), (truth, None)]:
        values = flex.explain(X, labels, target=target)["value"]
        np.testing.assert_allclose(values, every[np.arange(24), truth], atol=0.01 * np.abs(every).max())
    single = clone(flex).set_params(target=1).fit(X, Y)
    assert single.transform(X).shape == (24, 3 * 17) and single.get_feature_names_out()[0] == "C3@0Hz"


@pytest.mark.parametrize("method", ["integrated_gradients", "deep_lift", "gradient_shap", "input_x_gradient"])
def test_methods_agree_on_a_linear_network(method):
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32, 2))
    frozen = FrozenEstimator(skorch_classifier(linear).fit(X.astype(np.float32), codes(Y)))
    found = FLEXAttributor(frozen, method=method, response="logit", random_state=0).fit(X, Y == "right")
    weights = frozen.estimator.module_[1].weight.detach().numpy().reshape(2, 3, 32)
    time = found.explain(X, basis="time")["value"]
    np.testing.assert_allclose(time, X[:, None] * weights, atol=1e-5)
    np.testing.assert_allclose(found.convergence_delta_, 0, atol=1e-5)


def test_deep_lift_and_saliency_equal_captum_on_signals(net):
    from captum.attr import DeepLift, Saliency

    mlp = nn.Sequential(nn.Flatten(), nn.Linear(96, 8), nn.ReLU(), nn.Linear(8, 2))
    torch.manual_seed(0)
    inner = skorch_classifier(mlp).fit(X.astype(np.float32), codes(Y))
    x = torch.as_tensor(X, dtype=torch.float32).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lift = DeepLift(inner.module_).attribute(x, baselines=torch.zeros_like(x).requires_grad_(), target=1)
        slope = Saliency(inner.module_).attribute(x, target=1)
    options = {"basis": "time", "response": "logit", "target": 1}
    frozen = FrozenEstimator(inner)
    found = FLEXAttributor(frozen, method="deep_lift", **options).fit(X, codes(Y))
    np.testing.assert_allclose(found.explain(X)["value"], lift.detach(), atol=1e-6)
    found = FLEXAttributor(frozen, method="saliency", **options).fit(X, codes(Y))
    np.testing.assert_allclose(found.explain(X)["value"], slope, atol=1e-6)
    assert np.isnan(found.convergence_delta_).all()


def test_gradient_shap_approaches_integrated_gradients(net):
    options = {"baseline": "trials", "n_baselines": 4, "random_state": 0}
    exact = FLEXAttributor(net, n_steps=30, **options).fit(X, Y)
    drawn = FLEXAttributor(net, method="gradient_shap", **options).fit(X, Y)
    assert np.corrcoef(exact.attributions_.ravel(), drawn.attributions_.ravel())[0, 1] > 0.95


def codes(y):
    return (np.asarray(y) == "right").astype(np.int64)


def skorch_classifier(module, **options):
    return NeuralNetClassifier(module, criterion=nn.CrossEntropyLoss, train_split=None, max_epochs=5, lr=0.01,
                               verbose=0, **options)


class Recurrent(nn.Module):
    """An in-place layer first, dropout, an LSTM: what needs care."""

    def __init__(self, n_outputs=2):
        super().__init__()
        self.first, self.drop = nn.ELU(inplace=True), nn.Dropout(0.5)
        self.lstm, self.out = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, n_outputs)

    def forward(self, x):
        return self.out(self.drop(self.lstm(self.first(x).transpose(1, 2))[0][:, -1]))


def test_any_skorch_net_and_nothing_of_it_changes():
    torch.manual_seed(0)
    inner = skorch_classifier(Recurrent()).fit(X.astype(np.float32), codes(Y))
    inner.module_.train()
    inner.module_.zero_grad()
    before = {key: value.clone() for key, value in inner.module_.state_dict().items()}
    generator = torch.get_rng_state()
    flex = FLEXAttributor(FrozenEstimator(inner)).fit(X, codes(Y))
    np.testing.assert_array_equal(flex.transform(X), flex.transform(X))
    assert all(module.training for module in inner.module_.modules())
    assert all(p.requires_grad and p.grad is None for p in inner.module_.parameters())
    assert all(torch.equal(before[key], value) for key, value in inner.module_.state_dict().items())
    assert torch.equal(generator, torch.get_rng_state())
    assert np.all(np.abs(flex.convergence_delta_) < 1e-3)


def test_regressors_and_two_dimensional_trials():
    X1, y = trials(regression=True, n_trials=24)
    flex = FLEXAttributor(fast_regressor()).fit(X1, y)
    assert flex.attributions_.shape == (1, 3, 17) and not hasattr(flex, "class_attributions_")
    assert flex.explanation_.attrs["response"] == "output"
    torch.manual_seed(0)
    series = nn.Sequential(nn.Linear(32, 8), nn.Tanh(), nn.Linear(8, 1))
    net = NeuralNetRegressor(series, max_epochs=2, train_split=None, verbose=0)
    flex = FLEXAttributor(net, basis="time").fit(X1[:, 0], y)
    assert flex.attributions_.shape == (1, 1, 32)
    assert flex.transform(X1[:, 0]).shape == (24, 32)


def test_braindecode_classifier():
    braindecode = pytest.importorskip("braindecode", reason="braindecode is not installed")
    del braindecode
    from braindecode import EEGClassifier
    from braindecode.models import ShallowFBCSPNet

    net = EEGClassifier(ShallowFBCSPNet(3, 2, n_times=200, final_conv_length="auto"), max_epochs=1, train_split=None,
                        verbose=0, criterion=nn.CrossEntropyLoss)
    x = np.random.default_rng(0).normal(size=(8, 3, 200)).astype(np.float32)
    flex = FLEXAttributor(net).fit(x, np.arange(8) % 2)
    assert np.all(np.abs(flex.convergence_delta_) < 0.01 * np.maximum(np.abs(flex.explain(x)["value"]).sum(
        ("channel", "frequency")), 1e-3))


def test_groups_cluster_the_errors(net):
    groups = np.repeat(np.arange(6), 4)
    flex = FLEXAttributor(net, n_steps=3).fit(X, Y, groups=groups)
    single = flex.explain(X)["value"].values
    centred = single - single.mean(0)
    sums = np.stack([centred[groups == group].sum(0) for group in range(6)])
    expected = np.sqrt(6 / 5 * (sums**2).sum(0)) / 24
    np.testing.assert_allclose(flex.standard_errors_, expected, atol=1e-12)


def test_a_population_says_how_well_each_of_its_trials_was_integrated(flex, tmp_path):
    held, labels = trials(n_trials=10, seed=5)
    found, single = flex.explain_population(held, labels), flex.explain(held)
    np.testing.assert_allclose(found["convergence_delta"], single["convergence_delta"], atol=1e-12)
    np.testing.assert_array_equal(found["n_steps"], single["n_steps"])
    assert found.attrs["n_unconverged"] == int((~found["converged"]).sum()) and found.sizes["trial"] == 10
    assert len(flex.n_steps_) == len(Y), "what fit stored is of its own trials"
    save_explanation(found, tmp_path / "held.npz")
    assert load_explanation(tmp_path / "held.npz").identical(found)


def test_held_out_trials_and_contrast(flex):
    held, labels = trials(n_trials=10, seed=5)
    found = flex.explain_population(held, labels)
    single = flex.explain(held)["value"].values
    np.testing.assert_allclose(found["value"], single.mean(0), atol=1e-12)
    contrast = class_contrast(found, "left", "right")
    expected = single[labels == "left", 0].mean(0) - single[labels == "right", 1].mean(0)
    np.testing.assert_allclose(contrast["value"], expected, atol=1e-12)
    errors = found["class_standard_error"].values
    np.testing.assert_allclose(contrast["standard_error"], np.sqrt((errors**2).sum(0)))
    assert contrast.attrs["contrast"] == "left - right" and contrast["value"].dims == ("channel", "frequency")
    assert "class_value" not in flex.explain_population(held)
    with pytest.raises(ValueError, match="no maps per class"):
        class_contrast(flex.explain_population(held), "left", "right")
    with pytest.raises(ValueError, match="Did you mean 'right'"):
        class_contrast(found, "left", "rihgt")


def test_relative_shares(flex):
    shares = clone(flex).set_params(relative=True, basis="bands").fit(X, Y).explain(X)["value"]
    np.testing.assert_allclose(np.abs(shares).sum(("channel", "band")), 1)


def test_memory_limit_splits_the_work_and_keeps_the_result(flex):
    small = clone(flex).set_params(memory_limit=2000, n_steps=6).fit(X, Y)
    large = clone(flex).set_params(n_steps=6).fit(X, Y)
    np.testing.assert_allclose(small.attributions_, large.attributions_, atol=1e-6)


def test_no_mode_is_held_between_blocks(flex):
    """A caller that stops half-way, or does other things between blocks, finds the network as it was."""
    engine = clone(flex).set_params(memory_limit=2000, n_steps=2).fit(X, Y)._engine()
    module = engine.net.module.train()
    blocks = engine.blocks(X, np.zeros((24, 1), int), [flex.basis_])
    next(blocks)
    assert module.training and all(p.requires_grad for p in module.parameters())


def test_planted_rhythm_is_found():
    """A 10 Hz rhythm on the first channel of one class: the network's largest attribution lies there."""
    x, y = trials(n_trials=80, seed=3)
    net = fast_classifier(max_epochs=60, lr=0.03, num_filters=4, filter_width=24)
    flex = FLEXAttributor(net, sfreq=SFREQ).fit(x, y)
    assert flex.score(x, y) > 0.9
    channel, frequency = np.unravel_index(np.argmax(flex.class_attributions_[1]), (3, 17))
    assert channel == 0 and abs(flex.explanation_["frequency"].values[frequency] - 10) <= 2


def test_unconverged_trials_warn_once(net):
    with pytest.warns(ConvergenceWarning, match="of 24 trials") as caught:
        flex = FLEXAttributor(net, tol=1e-9, population_tol=None).fit(X, Y)
    assert len(caught) == 1 and 0 < flex.n_unconverged_ <= 24
    assert flex.explanation_.attrs["n_unconverged"] == flex.n_unconverged_


@pytest.mark.parametrize("parameters, error, message", [
    ({"method": "integrated_gradient"}, ValueError, "Did you mean 'integrated_gradients'"),
    ({"basis": "furier"}, ValueError, "Did you mean 'fourier'"),
    ({"basis": ["time", "fourier"]}, TypeError, "explain"),
    ({"baseline": "zero"}, ValueError, "Did you mean 'zeros'"),
    ({"baseline": np.zeros((2, 32))}, ValueError, r"baseline has shape \(2, 32\)"),
    ({"baseline": np.full((3, 32), np.nan)}, ValueError, "NaN"),
    ({"target": "predict"}, ValueError, "Did you mean 'predicted'"),
    ({"response": "logits"}, ValueError, "Did you mean 'logit'"),
    ({"n_steps": 0}, ValueError, "n_steps"),
    ({"tol": 0}, ValueError, "tol must be a finite number above 0"),
    ({"basis": "bands", "bands": {"a": (1, 99)}}, ValueError, "Nyquist"),
    ({"estimator": LogisticRegression()}, TypeError, "PerturbationCorrelator"),
])
def test_bad_parameters(net, parameters, error, message):
    flex = FLEXAttributor(**{"estimator": net, "n_steps": 2, **parameters})
    x = X if "estimator" not in parameters else X[:, 0]
    with pytest.raises(error, match=message):
        flex.fit(x, Y)


class Root(nn.Module):
    """Its gradient is not finite where the first sample lies below 0.5."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x):
        root = self.gain * torch.sqrt(x[:, 0, :1] - 0.5)
        return torch.cat([root, -root], 1)


def test_a_gradient_that_is_not_finite_is_located():
    x = np.full((10, 3, 32), 1.0)
    x[7, 0, 0] = 0.2
    net = NeuralNetClassifier(Root, criterion=nn.CrossEntropyLoss, classes=np.arange(2)).initialize()
    flex = FLEXAttributor(FrozenEstimator(net), baseline=np.full((3, 32), 0.9), memory_limit=2000, n_steps=4)
    with pytest.raises(ValueError, match="gradient of trial 7 is not finite"):
        flex.fit(x, np.arange(10) % 2)


@pytest.mark.parametrize("arguments, message", [
    ({"target": 2}, "out of range: there are 2 outputs"),
    ({"target": [0, 1]}, "one target per trial is 24 values"),
    ({"target": 0.5}, "must be one of"),
    ({"target": "true"}, r"explain\(X, y, target='true'\)"),
    ({"y": np.full(24, "up"), "target": "true"}, "'up'"),
    ({"baseline": X[:3]}, "baseline has shape"),
    ({"basis": ["stft", STFT(window=8)]}, "these repeat: stft, stft"),
])
def test_bad_requests(flex, arguments, message):
    with pytest.raises(ValueError, match=message):
        flex.explain(X, **arguments)


