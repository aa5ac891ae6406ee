"""Grad-CAM: nets whose answer is known, captum, the place of positions, a planted burst, bad input."""

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from torch import nn

from eegexplain.reverse_correlation import GradCAMAttributor
from tests.estimators import fast_classifier

N, C, T, SFREQ = 8, 3, 40, 50.0
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((N, C, T)), np.arange(N) % 2


class Readout(nn.Module):
    """A layer, and a linear readout of the mean of its units over positions."""

    def __init__(self, layer, n_units, activation=None):
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.act, self.head = layer, activation or nn.Identity(), nn.Linear(n_units, 2)

    def forward(self, x):
        x = x[:, None] if isinstance(self.layer, nn.Conv2d) else x
        return self.head(self.act(self.layer(x)).flatten(2).mean(-1))


def explained(module, X=X, y=Y, **params):
    cam = GradCAMAttributor(module.double(), **{"layer": "layer", "response": "logit", "sfreq": SFREQ, **params})
    return cam.fit(X, y)


def activations(module, X=X):
    x = torch.as_tensor(X)
    with torch.no_grad():
        return module.layer(x[:, None] if isinstance(module.layer, nn.Conv2d) else x).numpy()


def test_a_readout_of_means_sums_to_the_output():
    """The gradient is the weight over the number of positions, so that the map sums to the output but its bias."""
    module = Readout(nn.Conv1d(C, 4, 5, padding=2), 4)
    cam = explained(module)
    weights, bias = (one.detach().numpy() for one in (module.head.weight, module.head.bias))
    found = cam.explain(X)["value"]
    assert found.dims == ("trial", "output", "time")
    np.testing.assert_allclose(found, np.einsum("ku,nut->nkt", weights, activations(module)) / T, atol=1e-12)
    outputs = module(torch.as_tensor(X)).detach().numpy()
    np.testing.assert_allclose(found.sum("time"), outputs - bias, atol=1e-12)
    np.testing.assert_allclose(cam.attributions_, found.mean("trial"), atol=1e-12)
    np.testing.assert_allclose(cam.class_attributions_[1], found.values[Y == 1, 1].mean(0), atol=1e-12)
    np.testing.assert_allclose(cam.standard_errors_, found.std("trial", ddof=1) / np.sqrt(N), atol=1e-12)
    np.testing.assert_allclose(found["time"], np.arange(T) / SFREQ)


def test_one_informative_unit_is_the_map():
    module = Readout(nn.Conv1d(C, 4, 5, padding=2), 4)
    with torch.no_grad():
        module.head.weight.zero_()
        module.head.weight[1, 2] = T
    found = explained(module, rectify=True).explain(X)["value"].values
    np.testing.assert_array_equal(found[:, 0], 0)
    np.testing.assert_allclose(found[:, 1], np.maximum(activations(module)[:, 2], 0), atol=1e-12)


@pytest.mark.parametrize("layer", [nn.Conv1d(C, 4, 5, padding=2), nn.Conv2d(1, 4, (1, 5), padding=(0, 2)),
                                   nn.Conv2d(1, 4, (C, 5), padding=(0, 2))])  # fmt: skip
@pytest.mark.parametrize("inplace", [False, True])
def test_against_captum(layer, inplace):
    """Layers of every braindecode layout, with a rectifier behind that works in place."""
    module = Readout(layer, 4, nn.ReLU(inplace))
    cam = explained(module)
    apart = isinstance(layer, nn.Conv2d) and layer.kernel_size[0] == 1
    found = cam.explain(X)["value"]
    assert found.dims == ("trial", "output", *(["channel"] if apart else []), "time")
    module.act.inplace = False  # captum cannot
    captum = LayerGradCam(module, module.layer)
    for target in (0, 1):
        expected = captum.attribute(torch.as_tensor(X), target=target).detach().numpy()
        np.testing.assert_allclose(found[:, target], expected.reshape(found[:, target].shape), atol=1e-12)
    np.testing.assert_allclose(explained(module, batch_size=3).explain(X)["value"], found, atol=1e-12)


def test_time_before_other_axes():
    """Where time comes before an axis of length 1, as in braindecode's older networks, or before the channels."""

    class Turned(nn.Module):
        def forward(self, x):
            return x.transpose(-1, -2)[:, None] * torch.tensor([1.0, -2.0], dtype=x.dtype)[:, None, None]

    module = Readout(Turned(), 2, nn.Tanh())
    found = explained(module).explain(X)["value"]
    assert found.dims == ("trial", "output", "channel", "time")
    expected = LayerGradCam(module, module.layer).attribute(torch.as_tensor(X), target=1).detach().numpy()
    np.testing.assert_allclose(found[:, 1], expected[:, 0].transpose(0, 2, 1), atol=1e-12)


@pytest.mark.parametrize("batch_first", [True, False])
def test_units_on_the_last_axis_of_a_recurrent_layer(batch_first):
    """Its sequence is ``layer[0]``: time before units, the batch first or second."""

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer, self.head = nn.GRU(C, 5, batch_first=batch_first), nn.Linear(5, 2)

        def forward(self, x):
            sequence = self.layer(x.transpose(1, 2) if batch_first else x.permute(2, 0, 1))[0]
            return self.head(torch.tanh(sequence)).mean(1 if batch_first else 0)

    module = Recurrent().double()
    found = explained(module, layer="layer[0]").explain(X)["value"]
    assert found.dims == ("trial", "output", "time")
    x = torch.as_tensor(X).transpose(1, 2)
    with torch.no_grad():
        states = module.layer(x if batch_first else x.transpose(0, 1))[0]
        states = (states if batch_first else states.transpose(0, 1)).numpy()
    weights = module.head.weight.detach().numpy()
    slopes = np.einsum("ku,ntu->nku", weights, 1 - np.tanh(states) ** 2) / T / T
    np.testing.assert_allclose(found, np.einsum("nku,ntu->nkt", slopes, states), atol=1e-10)


def test_positions_lie_where_they_look():
    """Unpadded windows of 9 samples every 4: the first looks at samples 0 to 8, its middle is 4."""
    module = Readout(nn.Conv1d(C, 4, 9, stride=4), 4)
    cam = explained(module)
    assert (cam.receptive_field_.size, cam.receptive_field_.stride) == (9, 4)
    weights = module.head.weight.detach().numpy()
    coarse = np.einsum("ku,nut->nkt", weights, activations(module)) / 8
    found = cam.explain(X)["value"].values
    np.testing.assert_allclose(found[..., 4 : 4 + 4 * 8 : 4], coarse, atol=1e-12)
    np.testing.assert_allclose(found[..., 6], (coarse[..., 0] + coarse[..., 1]) / 2, atol=1e-12)
    np.testing.assert_allclose(found[..., :4], coarse[..., :1].repeat(4, -1), atol=1e-12)
    np.testing.assert_allclose(found[..., 33:], coarse[..., -1:].repeat(7, -1), atol=1e-12)


class Energy(nn.Module):
    """Energy of a rhythm on the first channel, from which a second class is read."""

    def __init__(self):
        super().__init__()
        self.conv, self.layer = nn.Conv1d(C, 1, 11, bias=False), nn.AvgPool1d(5)
        wave = torch.cos(2 * torch.pi * 10 / SFREQ * torch.arange(11))
        self.conv.weight.data.zero_()
        self.conv.weight.data[0, 0] = wave - wave.mean()

    def forward(self, x):
        power = self.layer(self.conv(x) ** 2).mean((1, 2))
        return torch.stack([-power, power], dim=1)


def test_a_planted_burst_is_found():
    """A rhythm from 1.0 to 1.4 s in trials of the second class."""
    times = np.arange(100) / SFREQ
    trials, y = 0.3 * np.random.default_rng(1).standard_normal((20, C, 100)), np.arange(20) % 2
    trials[y == 1, 0] += np.sin(2 * np.pi * 10 * times) * ((times >= 1.0) & (times < 1.4))
    cam = explained(Energy(), trials, y)
    own = cam.explanation_["class_value"].sel(output="1")
    assert 1.05 <= float(own.idxmax("time")) <= 1.35
    inside = own.sel(time=slice(1.05, 1.35)).mean()
    assert float(inside) > 5 * float(np.abs(own.sel(time=slice(0, 0.8))).mean())
    assert cam.explanation_.attrs["layer"] == "layer" and cam.explanation_.attrs["label"] == "Grad-CAM"


def test_a_layer_without_time_gives_one_number():
    module = nn.Sequential(nn.Conv1d(C, 4, 5), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2)).double()
    with pytest.warns(UserWarning, match="no axis along time"):
        found = explained(module, layer="1").explain(X)["value"].values
    pooled = module[:2](torch.as_tensor(X)).detach().numpy()[..., 0]
    expected = pooled @ module[3].weight.detach().numpy().T
    np.testing.assert_allclose(found, np.repeat(expected[..., None], T, -1), atol=1e-12)


def test_facades_have_a_layer_of_their_own():
    cam = GradCAMAttributor(fast_classifier()).fit(X, Y)
    assert cam.layer_ == "conv_out" and cam.explain(X)["value"].dims == ("trial", "output", "time")
    assert cam.get_feature_names_out()[0] == "0.00s@0"


@pytest.mark.parametrize(("estimator", "params", "error", "words"), [
    (Readout(nn.Conv1d(C, 4, 5), 4), {"layer": "head.wieght"}, ValueError, "Unknown layer"),
    (Readout(nn.Conv1d(C, 4, 5), 4), {"response": "loss"}, ValueError, "response"),
    (FrozenEstimator(LogisticRegression().fit(X[:, 0], Y)), {}, TypeError, "torch"),
])  # fmt: skip
def test_bad_input(estimator, params, error, words):
    given = X if isinstance(estimator, nn.Module) else X[:, 0]
    with pytest.raises(error, match=words):
        GradCAMAttributor(estimator, **{"layer": "layer", **params}).fit(given, Y)
