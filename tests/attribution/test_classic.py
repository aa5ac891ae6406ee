"""The one-call function against reference values, captum on the composed model, and bad input."""

import json
import pathlib

import numpy as np
import pytest
import torch
from torch import nn

from eegexplain.attribution import FrequencyDomainModel, attribute

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "oracles"


@pytest.fixture(scope="module")
def oracle():
    with np.load(FOLDER / "freqig.npz") as file:
        return dict(file)


class Conv(nn.Module):
    def __init__(self, n_channels, act):
        super().__init__()
        self.c1, self.c2 = nn.Conv1d(n_channels, 6, 7, padding=3), nn.Conv1d(6, 6, 5, padding=2)
        self.act, self.fc = {"gelu": nn.GELU, "relu": nn.ReLU, "tanh": nn.Tanh}[act](), nn.Linear(24, 3)

    def forward(self, x):
        h = self.act(self.c2(self.act(self.c1(x))))
        return self.fc(nn.functional.adaptive_avg_pool1d(h, 4).flatten(1))


class MLP(nn.Sequential):
    def __init__(self, n_times):
        super().__init__(nn.Linear(n_times, 16), nn.Tanh(), nn.Linear(16, 3))


CASES = ["c1_even_gelu", "c1_even_relu", "c1_odd_gelu", "c5_even_tanh", "c5_odd_tanh", "c1_even_baseline",
         "c5_even_baseline", "mlp_even", "mlp_odd", "c1_even_10steps"]


def load(oracle, name):
    """Model in float64, input, baseline and meta data of one case."""
    meta = next(case for case in json.loads(str(oracle["meta"])) if case["name"] == name)
    state = {key.split("/w/")[1]: torch.as_tensor(value) for key, value in oracle.items()
             if key.startswith(f"{name}/w/")}
    if meta["model"] == "MLP":
        model = MLP(meta["N"])
        state = {key.replace("l1", "0").replace("l2", "2"): value for key, value in state.items()}
    else:
        model = Conv(meta["C"], meta["act"])
    model.load_state_dict(state)
    return model.double(), oracle[f"{name}/x"], oracle.get(f"{name}/baseline"), meta


@pytest.mark.parametrize("name", CASES)
def test_reference_values(oracle, name):
    model, x, baseline, meta = load(oracle, name)
    reference = oracle[f"{name}/ref_attr_freq"]
    kinked = meta["act"] == "relu"
    bins = attribute(x, model, target=meta["target"], baseline=baseline, n_steps=400 if kinked else 30)
    assert bins.shape == reference.squeeze().shape
    scale = np.abs(reference).max()
    # A ReLU network's gradients jump along the path: no rule reaches 1e-5 there.
    np.testing.assert_allclose(bins, reference.squeeze(), atol=(2e-3 if kinked else 1e-5) * scale)
    if f"{name}/freqig_v018" in oracle and baseline is None and meta["N"] % 2 == 0 and not kinked:
        np.testing.assert_allclose(bins, oracle[f"{name}/freqig_v018"], atol=2e-5 * scale)


def captum_bins(model, x, baseline, target, n_steps):
    """captum's IntegratedGradients on the composed model, real and imaginary parts added."""
    from captum.attr import IntegratedGradients

    composed = FrequencyDomainModel(model, x.shape[-1])
    spectra = composed.spectrum(x), composed.spectrum(baseline)
    parts = IntegratedGradients(composed).attribute(*spectra, target=target, n_steps=n_steps, method="gausslegendre")
    return parts.sum(-1).detach().numpy()


@pytest.mark.parametrize("n_times", [40, 41])
def test_equals_captum_on_the_composed_model(n_times):
    torch.manual_seed(0)
    model = Conv(3, "gelu").double()
    x, baseline = torch.randn(2, 4, 3, n_times, dtype=torch.float64)
    expected = captum_bins(model, x, baseline, 1, 20)
    np.testing.assert_allclose(attribute(x, model, target=1, baseline=baseline, n_steps=20), expected, atol=1e-12)
    per_trial = attribute(x, model, target=[0, 1, 2, 1], baseline=baseline, n_steps=20)
    np.testing.assert_allclose(per_trial[[1, 3]], expected[[1, 3]], atol=1e-12)


def test_equals_the_chain_rule_written_as_a_loop():
    torch.manual_seed(0)
    model = MLP(9).double()
    x, baseline = torch.randn(2, 9, dtype=torch.float64)
    nodes = (np.arange(2000) + 0.5) / 2000
    mean = np.zeros(9)
    for node in nodes:
        point = (baseline + node * (x - baseline)).requires_grad_()
        mean += torch.autograd.grad(model(point)[2], point)[0].numpy() / len(nodes)
    spectrum, gradient = np.fft.rfft((x - baseline).numpy()), np.fft.rfft(mean)
    expected = np.array([1, 2, 2, 2, 2]) / 9 * np.real(np.conj(spectrum) * gradient)
    np.testing.assert_allclose(attribute(x, model, 2, baseline, n_steps=10), expected, rtol=1e-5, atol=1e-8)


def test_target_none_is_the_largest_output_and_one_output_needs_no_target():
    torch.manual_seed(0)
    model = Conv(2, "tanh")
    x = torch.randn(5, 2, 33)
    best = model(x).argmax(1).tolist()
    np.testing.assert_array_equal(attribute(x, model), attribute(x, model, target=best))
    np.testing.assert_array_equal(attribute(x, lambda z: model(z)[:, 1]), attribute(x, model, target=1))


def test_single_channel_models_of_both_shapes():
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(1, 20))
    mlp, conv = MLP(20), Conv(1, "tanh")
    np.testing.assert_allclose(attribute(x, mlp, 0), attribute(x[0], mlp, 0), atol=1e-7)
    assert attribute(x, conv, 0).shape == attribute(x[0], mlp, 0).shape == (11,)


def test_a_segment_adds_up():
    """Frequencies of a part explain what changes when this part alone goes to its baseline."""
    torch.manual_seed(0)
    model = Conv(2, "gelu").double()
    x = torch.randn(2, 50, dtype=torch.float64)
    bins = attribute(x, model, 0, n_steps=20, segment=x[:, 10:31], start_idx=10)
    assert bins.shape == (2, 11)
    without = x.clone()
    without[:, 10:31] = 0
    with torch.no_grad():
        change = (model(x[None]) - model(without[None]))[0, 0]
    np.testing.assert_allclose(bins.sum(), change, rtol=1e-6)


def test_outputs_with_a_time_axis():
    torch.manual_seed(0)
    conv = nn.Conv1d(2, 3, 5).double()
    x = torch.randn(4, 2, 30, dtype=torch.float64)
    bins = attribute(x, conv, target=(1, 7), n_steps=3)
    np.testing.assert_allclose(bins.sum((1, 2)), (conv(x)[:, 1, 7] - conv.bias[1]).detach(), atol=1e-12)


class Restless(nn.Module):
    """Everything that disturbs: an in-place layer first, batch normalisation, dropout, an LSTM."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop = nn.ReLU(inplace=True), nn.BatchNorm1d(2), nn.Dropout(0.5)
        self.lstm, self.out = nn.LSTM(2, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        h = self.drop(self.norm(self.first(x)))
        return self.out(self.lstm(h.transpose(1, 2))[0][:, -1])


def test_nothing_of_the_model_changes():
    torch.manual_seed(0)
    model = Restless().train()
    model.norm.eval()
    x = torch.randn(3, 2, 12)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    given = x.clone()
    generator = torch.get_rng_state()
    first, second = attribute(x, model, 1), attribute(x, model, 1)
    np.testing.assert_array_equal(first, second)
    assert model.training and model.drop.training and not model.norm.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert torch.equal(x, given) and torch.equal(generator, torch.get_rng_state())
    with pytest.raises(ValueError, match="out of range"):
        attribute(x, model, 3)
    assert model.training and model.drop.training and not model.norm.training


def test_further_arguments_reach_the_model():
    x = torch.randn(2, 1, 8)
    bins = attribute(x, lambda z, scale: scale * z.sum((1, 2)), n_steps=1, additional_forward_args=3.0)
    np.testing.assert_allclose(bins[:, 0, 0], 3 * x.sum((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(bins[:, 0, 1:], 0, atol=1e-5)


x8 = torch.zeros(2, 1, 8)
linear = nn.Sequential(nn.Flatten(), nn.Linear(8, 3))


@pytest.mark.parametrize("arguments, error, message", [
    ({"input": torch.zeros(1, 1, 1, 8)}, ValueError, "got shape"),
    ({"input": torch.zeros(0, 1, 8)}, ValueError, "not empty"),
    ({"target": 3}, ValueError, "out of range: the model has 3 outputs"),
    ({"target": [0, 1, 2]}, ValueError, r"one per trial \(2\)"),
    ({"target": 0.5}, ValueError, "must be an integer"),
    ({"target": (0, 0)}, ValueError, "does not index"),
    ({"baseline": torch.zeros(3)}, ValueError, "baseline has shape"),
    ({"segment": torch.zeros(2, 1, 3)}, ValueError, "start_idx"),
    ({"start_idx": 3}, ValueError, "give the segment"),
    ({"segment": torch.zeros(2, 1, 3), "start_idx": 7}, ValueError, "does not lie within"),
    ({"model": lambda x: (x.sum((1, 2)), x)}, TypeError, "returns a tuple"),
    ({"model": lambda x: x.sum()}, ValueError, "one number per trial"),
    ({"model": lambda x: x.sum((1, 2)).detach()}, TypeError, "PerturbationCorrelator"),
    ({"model": lambda x: x.sum((1, 2)).sqrt()}, ValueError, "trial 0 is not finite at"),
    ({"model": nn.Conv1d(1, 2, 3)}, ValueError, "tuple of 2 indices"),
])
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        attribute(**{"input": x8, "model": linear, **arguments})
