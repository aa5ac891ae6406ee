"""Every row of the table for users of braindecode 1.8's visualization, captum and cross-domain-saliency-maps, run."""

import pathlib
import re

import captum.attr
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.decomposition import FastICA
from torch import nn

from eegexplain import (
    GradCAMAttributor,
    OcclusionAttributor,
    TopomapDisplay,
    as_estimator,
    bases,
    inspection,
    intervene,
    plotting,
)
from eegexplain.attribution import FLEXAttributor
from eegexplain.encoding import unit_responses

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "migration.md"
N, C, T = 8, 3, 24
X, Y = np.random.default_rng(0).standard_normal((N, C, T)), np.arange(N) % 2
x = torch.as_tensor(X)


def network():
    """A network of rectifiers in double precision."""
    torch.manual_seed(0)
    conv, head = nn.Conv1d(C, 4, 5, padding=2), nn.Linear(4 * 12, 2)
    return nn.Sequential(conv, nn.ReLU(), nn.AvgPool1d(2), nn.Flatten(), head).double().eval()


NET = network()


def flex(**params):
    return FLEXAttributor(NET, **{"basis": "time", "response": "logit", "random_state": 0, **params}).fit(X, Y)


def explained(**params):
    return flex(**params).explain(X)["value"].values


def captums(name, target=1, *, layer=None, **given):
    explainer = getattr(captum.attr, name)(NET) if layer is None else getattr(captum.attr, name)(NET, layer)
    return explainer.attribute(x.clone().requires_grad_(), target=target, **given).detach().numpy()


def same(found, expected, atol=1e-10):
    np.testing.assert_allclose(found, expected, atol=atol)


def saliency():
    same(explained(method="saliency")[:, 1], captums("Saliency"))


def input_x_gradient():
    same(explained(method="input_x_gradient")[:, 1], captums("InputXGradient"))


def integrated_gradients():
    same(explained(n_steps=50)[:, 1], captums("IntegratedGradients", n_steps=50))


def deep_lift():
    same(explained(method="deep_lift")[:, 1], captums("DeepLift", baselines=0 * x))


def gradient_shap():
    found = flex(method="gradient_shap", baseline="trials")
    same(found.explain(X)["value"][2:3], found.explain(X[2:3])["value"])


def guided_backprop():
    same(explained(method="guided_backprop")[:, 1], X * captums("GuidedBackprop"))


def deconvolution():
    same(explained(method="deconvolution")[:, 1], X * captums("Deconvolution"))


def lrp():
    with pytest.raises(TypeError, match="Conv1d"):
        captums("LRP")


def grad_cam():
    cam = GradCAMAttributor(NET, layer="0", response="logit").fit(X, Y)
    same(cam.explain(X)["value"][:, 1], captums("LayerGradCam", layer=NET[0])[:, 0])


def occlusion():
    found = OcclusionAttributor(NET, basis=bases.Windows(windows=4), response="logit").fit(X, Y).explain(X)["value"]
    windows = {"sliding_window_shapes": (1, 6), "strides": (1, 6)}
    same(found[:, 1], captums("Occlusion", **windows)[..., ::6])
    features = torch.arange(C * 4).reshape(C, 4).repeat_interleave(6, dim=1)[None]
    same(found[:, 1], captums("FeatureAblation", feature_mask=features)[..., ::6])


def permutation():
    found = OcclusionAttributor(NET, baseline="trials", random_state=0).fit(X, Y)
    same(found.explain(X)["value"][2:3], found.explain(X[2:3])["value"])


def amplitude_gradients():
    """By autograd through amplitudes and phases, of the mean over trials, as there."""
    spectra = torch.fft.rfft(x)
    amplitudes, phases = spectra.abs().requires_grad_(), spectra.angle()
    outputs = NET(torch.fft.irfft(torch.polar(amplitudes, phases), n=T))
    (expected,) = torch.autograd.grad(outputs[:, 1].mean(), amplitudes)
    found = explained(method="input_x_gradient", basis="fourier")[:, 1]
    same(found / np.abs(np.fft.rfft(X)) / N, expected.numpy())


def one_integral():
    both = flex(n_steps=20).explain(X, basis=["time", "fourier"])
    same(both["time"]["value"].sum("time"), both["fourier"]["value"].sum("frequency"))
    same(both["time"]["value"].sum(("channel", "time"))[:, 1], captums("IntegratedGradients", n_steps=20).sum((1, 2)))


def components():
    ica = FastICA(C, random_state=0).fit(np.random.default_rng(0).laplace(size=(500, C)))
    found = flex(basis=bases.spatial(ica), n_steps=20)
    assert found.explanation_["value"].dims == ("output", "component", "time")
    same(found.explain(X)["value"].sum(("component", "time"))[:, 1],
         captums("IntegratedGradients", n_steps=20).sum((1, 2)))  # fmt: skip


def frames():
    parts = flex(n_steps=20).explain(X, basis=["time", "stft", "wavelet"])
    totals = [one["value"].sum(one["value"].dims[2:]).values for one in parts.values()]
    same(totals[1], totals[0])
    same(totals[2], totals[0])
    assert "cepstrum" not in bases.BASES


def metrics():
    """The numbers are those of tests/inspection/test_map_scores.py."""
    found = inspection.map_scores(explained(n_steps=5)[:, 1], explained(method="input_x_gradient")[:, 1])
    assert found.shape == (N, 17)


def layer_reset():
    check = inspection.model_randomization(flex(n_steps=5), X, random_state=0)
    assert check.steps == ["4", "0"] and np.all(check.similarity < 0.95)


def other_target():
    both = explained(method="input_x_gradient")
    assert np.abs(both[:, 0] - both[:, 1]).max() > 0
    same(both[:, 0], captums("InputXGradient", target=0))


def activations():
    with torch.no_grad():
        expected = NET[0](x).numpy()
    found = unit_responses(as_estimator(NET), X, layer="0", average=False)
    same(found.data.reshape(N, T, 4).transpose(0, 2, 1), expected)


def substitution():
    with torch.no_grad():
        kept = NET[0](x).clone()
        kept[:, 2] = 0
        expected = NET[1:](kept).numpy()
    same(intervene(NET, X, {"0": {"units": [2], "with": "zeros"}}, response="logit"), expected)


def confusion():
    with torch.no_grad():
        predicted = NET(x).argmax(1).numpy()
    found = inspection.confusion_table(Y, predicted, n_permutations=19, random_state=0)
    assert found.counts.sum() == N and len(found.plot().texts_) == 4


def topomap():
    names = ["C3", "Cz", "C4", "Fz", "Pz"]
    TopomapDisplay.from_values(np.arange(5.0), names).plot()
    places = plotting.channel_positions(names)
    same(plotting.interpolation_matrix(places, places) @ np.arange(5.0), np.arange(5.0), atol=1e-6)


ROWS = {
    "saliency": saliency, "input_x_gradient": input_x_gradient, "integrated_gradients": integrated_gradients,
    "deep_lift": deep_lift, "GradientShap": gradient_shap, "guided_backprop": guided_backprop,
    "deconvolution": deconvolution, "lrp": lrp, "layer_grad_cam": grad_cam, "Occlusion": occlusion,
    "FeaturePermutation": permutation, "amplitude_gradients": amplitude_gradients, "TimeIG": one_integral,
    "ICAIG(model, ica, ...)": components, "stft": frames, "compute_metrics": metrics,
    "cascading_layer_reset": layer_reset, "random_target": other_target, "capture_activations": activations,
    "run_with_activation_substitution": substitution, "plot_confusion_matrix": confusion,
    "project_to_topomap": topomap,
}  # fmt: skip


def rows():
    """First name of each row of the table."""
    text = PAGE.read_text(encoding="utf-8").split("## braindecode 1.8 `visualization`")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|") and "|---" not in line][1:]
    return [re.search(r"`(?:basis=\")?([^`\"]+)", line).group(1) for line in lines]


def test_every_row_is_run():
    assert rows() == list(ROWS)


@pytest.mark.filterwarnings("ignore:method=", "ignore:Setting (forward, )?backward hooks", "ignore:Input Tensor 0")
@pytest.mark.parametrize("name", ROWS)
def test_row(name):
    ROWS[name]()
    plt.close("all")
