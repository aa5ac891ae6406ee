"""Methods that change how gradients pass rectifiers: by hand, in every basis, in place; what they warn of."""

import numpy as np
import pytest
import torch
from torch import nn

from eegexplain.attribution import FLEXAttributor

C, T = 3, 16
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((6, C, T)), np.arange(6) % 2
RECTIFIED = ["guided_backprop", "deconvolution"]


def layered(activation=None):
    """One hidden layer in double precision."""
    torch.manual_seed(0)
    activation = nn.ReLU() if activation is None else activation
    return nn.Sequential(nn.Flatten(), nn.Linear(C * T, 20), activation, nn.Linear(20, 2)).double()


def explained(module, method, **params):
    flex = FLEXAttributor(module, method=method, **{"basis": "time", "response": "logit", **params})
    return flex.fit(X, Y)


def multipliers(module, method):
    """Of one hidden layer: which rectifiers pass is told by the trial (guided), by the gradient, or by both."""
    _, first, _, last = module
    weights, above = (layer.weight.detach().numpy() for layer in (first, last))
    on = X.reshape(6, -1) @ weights.T + first.bias.detach().numpy() > 0
    above = np.broadcast_to(above, (6, 2, 20))
    passed = {"guided_backprop": np.maximum(above, 0) * on[:, None], "deconvolution": np.maximum(above, 0),
              "input_x_gradient": above * on[:, None]}  # fmt: skip
    return (passed[method] @ weights).reshape(6, 2, C, T)


@pytest.mark.filterwarnings("ignore:method=")
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("method", [*RECTIFIED, "input_x_gradient"])
def test_one_hidden_layer_by_hand(method, inplace):
    module = layered(nn.ReLU(inplace))
    found = explained(module, method).explain(X)["value"]
    np.testing.assert_allclose(found, multipliers(module, method) * X[:, None], atol=1e-12)
    assert not module[2]._backward_hooks


@pytest.mark.filterwarnings("ignore:method=")
@pytest.mark.parametrize("method", RECTIFIED)
def test_they_are_read_in_any_basis(method):
    """Every basis shares out the same sum; a bin holds the product of the spectra of trial and multiplier."""
    module = layered()
    flex = explained(module, method, basis="fourier")
    found = flex.explain(X)["value"].values
    spectra = np.fft.rfft(X)[:, None], np.fft.rfft(multipliers(module, method))
    weights = np.where(np.isin(np.arange(T // 2 + 1), (0, T // 2)), 1, 2) / T
    np.testing.assert_allclose(found, weights * np.real(np.conj(spectra[0]) * spectra[1]), atol=1e-12)
    np.testing.assert_allclose(flex.attributions_, found.mean(0), atol=1e-12)
    batches = explained(module, method, basis="fourier", batch_size=4).explain(X)["value"]
    np.testing.assert_allclose(batches, found, atol=1e-12)


@pytest.mark.parametrize(("method", "words"), [("guided_backprop", "may stay"), ("deconvolution", "signs aside")])
def test_they_warn_once_and_where_they_change_nothing(method, words):
    with pytest.warns(UserWarning, match=f"method='{method}': .*{words}") as caught:
        flex = explained(layered(), method)
    assert len(caught) == 1
    flex.explain(X)  # silent
    smooth = layered(nn.ELU())
    with pytest.warns(UserWarning, match="Sequential holds no nn.ReLU"):
        found = explained(smooth, method).explain(X)["value"]
    np.testing.assert_allclose(found, explained(smooth, "input_x_gradient").explain(X)["value"], atol=1e-12)
