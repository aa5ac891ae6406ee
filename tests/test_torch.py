"""A network as NumPy functions: what it emits, responses, gradients, activations; nothing left changed."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNet, NeuralNetBinaryClassifier, NeuralNetClassifier, NeuralNetRegressor
from torch import nn

from eegexplain import _torch as t
from eegexplain._module import capture, inference, seeded
from eegexplain._outputs import RESPONSES
from tests.estimators import fast_classifier, fast_regressor, trials

SHAPE = (3, 32)


class Net(nn.Module):
    """Convolution, square, mean, linear; `end` closes it; crops give a positions axis; a tuple on request."""

    def __init__(self, n_outputs=3, end="none", crops=False, as_tuple=False, inplace=False):
        super().__init__()
        self.first = nn.ReLU(inplace=True) if inplace else nn.Identity()
        self.conv = nn.Conv1d(3, 4, 5)
        self.readout = nn.Conv1d(4, n_outputs, 1)
        self.end = {"none": nn.Identity(), "softmax": nn.Softmax(1), "log_softmax": nn.LogSoftmax(1)}[end]
        self.crops, self.as_tuple = crops, as_tuple

    def forward(self, x):
        h = self.conv(self.first(x)) ** 2
        h = self.readout(h if self.crops else h.mean(-1, keepdim=True))
        h = self.end(h if self.crops else h[..., 0])
        return (h, None) if self.as_tuple else h


def skorch_net(kind=NeuralNetClassifier, criterion=nn.CrossEntropyLoss, **params):
    with seeded(0):
        net = kind(Net, criterion=criterion, train_split=None, verbose=0, **params)
        return net.initialize()


@pytest.fixture
def X():
    return trials()[0]


@pytest.mark.parametrize(
    ("net", "emits", "n_outputs"),
    [
        (lambda: skorch_net(), "logits", 3),
        (lambda: skorch_net(criterion=nn.NLLLoss, module__end="softmax"), "probabilities", 3),
        (lambda: skorch_net(criterion=nn.NLLLoss, module__end="log_softmax"), "log_probabilities", 3),
        (lambda: skorch_net(NeuralNetBinaryClassifier, nn.BCEWithLogitsLoss, module__n_outputs=1), "binary_logit", 2),
        (lambda: skorch_net(NeuralNetRegressor, nn.MSELoss, module__n_outputs=1), "values", 1),
        (lambda: skorch_net(NeuralNet, nn.MSELoss, module__n_outputs=2), "values", 2),
    ],
)
def test_emission_is_read_not_guessed(X, net, emits, n_outputs):
    net = net()
    wrapped = t.TorchNet(net, SHAPE)
    assert (wrapped.emits, wrapped.n_outputs) == (emits, n_outputs)
    outputs = wrapped.outputs(X, "auto")
    assert outputs.shape == (12, n_outputs) and outputs.dtype == np.float64
    if emits != "values":
        np.testing.assert_allclose(outputs.sum(1), 0, atol=1e-5)  # centred logits
        probabilities = wrapped.outputs(X, "prob")
        np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
        if emits != "log_probabilities":  # there skorch itself would hand out the log-probabilities
            np.testing.assert_allclose(probabilities, net.predict_proba(X.astype("f4")), atol=1e-5)
        np.testing.assert_allclose(np.exp(wrapped.outputs(X, "logprob")), probabilities, rtol=1e-5)
        logits = wrapped.outputs(X, "logit")
        np.testing.assert_allclose(logits - logits.mean(1, keepdims=True), outputs, atol=1e-5)
        margin = wrapped.outputs(X, "margin")
        ordered = np.sort(logits, 1)
        np.testing.assert_allclose(margin.max(1), ordered[:, -1] - ordered[:, -2], rtol=1e-4, atol=1e-5)
    else:
        np.testing.assert_allclose(outputs.squeeze(), net.predict(X.astype("f4")).squeeze(), rtol=1e-5)


def test_callable_nonlinearity_is_honoured(X):
    net = skorch_net(criterion=nn.L1Loss, predict_nonlinearity=lambda z: torch.softmax(3 * z, 1))
    wrapped = t.TorchNet(net, SHAPE)
    assert wrapped.emits == "probabilities"
    np.testing.assert_allclose(wrapped.outputs(X, "prob"), net.predict_proba(X.astype("f4")), atol=1e-5)


def test_crops_are_averaged_and_tuples_read_like_skorch(X):
    crops = t.TorchNet(skorch_net(module__crops=True), SHAPE).outputs(X, "logit")
    whole = t.TorchNet(skorch_net(), SHAPE).outputs(X, "logit")
    np.testing.assert_allclose(crops, whole, atol=1e-5)
    np.testing.assert_array_equal(t.TorchNet(skorch_net(module__as_tuple=True), SHAPE).outputs(X, "logit"), whole)


@pytest.mark.parametrize("response", RESPONSES)
def test_gradients_equal_finite_differences(X, response):
    net = skorch_net()
    net.module_.double()
    wrapped = t.TorchNet(net, SHAPE)
    ((part, values, gradients),) = wrapped.gradients(X[:4], response)
    assert part == slice(0, 4) and gradients.shape == (4, 3, 3, 32)
    np.testing.assert_allclose(values, wrapped.outputs(X[:4], response), rtol=1e-12)
    rng = np.random.default_rng(1)
    direction = rng.standard_normal(X[:4].shape)
    step = 1e-6
    numeric = (
        wrapped.outputs(X[:4] + step * direction, response) - wrapped.outputs(X[:4] - step * direction, response)
    ) / (2 * step)
    np.testing.assert_allclose(np.einsum("bkct,bct->bk", gradients, direction), numeric, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_size_is_neutral(X, dtype):
    net = skorch_net()
    net.module_.to(dtype)
    wrapped = t.TorchNet(net, SHAPE)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    np.testing.assert_allclose(wrapped.outputs(X, batch_size=5), wrapped.outputs(X), rtol=tolerance, atol=tolerance)
    one = np.concatenate([g for _, _, g in wrapped.gradients(X, batch_size=5)])
    all_ = np.concatenate([g for _, _, g in wrapped.gradients(X)])
    np.testing.assert_allclose(one, all_, rtol=tolerance, atol=tolerance)


def test_facade_gradient_is_in_the_unit_of_the_input():
    X, y = trials()
    micro = t.TorchNet(fast_classifier().fit(X, y), SHAPE)
    volts = t.TorchNet(fast_classifier().fit(X * 1e-6, y), SHAPE)
    np.testing.assert_allclose(volts.outputs(X * 1e-6), micro.outputs(X), rtol=1e-3, atol=1e-4)
    (_, _, g_micro), (_, _, g_volts) = next(micro.gradients(X)), next(volts.gradients(X * 1e-6))
    np.testing.assert_allclose(g_volts * 1e-6, g_micro, rtol=1e-2, atol=1e-4 * np.abs(g_micro).max())


def test_two_dimensional_trials_reach_a_facade_with_one_channel():
    X, y = trials()
    X = X[:, 0]
    wrapped = t.TorchNet(fast_classifier().fit(X, y), X.shape[1:])
    _, _, gradients = next(wrapped.gradients(X))
    assert gradients.shape == (12, 2, 1, 32)


def test_in_place_first_layer(X):
    net = skorch_net(module__inplace=True)
    before = X.copy()
    _, _, gradients = next(t.TorchNet(net, SHAPE).gradients(X))
    np.testing.assert_array_equal(X, before)
    assert np.abs(gradients).max() > 0 and (gradients[(X < 0)[:, None].repeat(3, 1)] == 0).all()


def test_recurrent_net_has_gradients(X):
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.readout = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

        def forward(self, x):
            return self.readout(self.rnn(x.transpose(1, 2))[0][:, -1])

    net = NeuralNetClassifier(Recurrent, criterion=nn.CrossEntropyLoss, verbose=0).initialize()
    _, _, gradients = next(t.TorchNet(net, SHAPE).gradients(X))
    assert np.isfinite(gradients).all() and np.abs(gradients).max() > 0


def test_activations(X):
    wrapped = t.TorchNet(skorch_net(), SHAPE)
    parts = list(wrapped.activations(X, ["conv", "readout"], batch_size=5))
    conv = np.concatenate([a["conv"] for _, a in parts])
    assert conv.shape == (12, 4, 28)
    with torch.no_grad():
        np.testing.assert_allclose(conv, wrapped.module.conv(torch.tensor(X, dtype=torch.float32)), atol=1e-6)
    assert wrapped.default_layer() == "conv"
    X2, y = trials()
    assert t.TorchNet(fast_classifier().fit(X2, y), SHAPE).default_layer() == "conv_out"


class Odd(nn.Module):
    """A layer that never runs, one that runs twice, one that returns a tuple."""

    def __init__(self):
        super().__init__()
        self.idle, self.twice = nn.Identity(), nn.Identity()
        self.pair, self.readout = nn.LSTM(32, 4, batch_first=True), nn.Linear(96, 2)

    def forward(self, x):
        self.pair(x)
        return self.readout(self.twice(self.twice(x)).flatten(1))


@pytest.mark.parametrize(
    ("layer", "words"),
    [("idle", "does not run"), ("twice", "runs 2 times"), ("pair", r"returns a tuple of 2.*'pair\[0\]'"),
     ("twise", "Did you mean 'twice'")],
)
def test_layers_that_cannot_be_read(X, layer, words):
    net = NeuralNetClassifier(Odd, criterion=nn.CrossEntropyLoss, verbose=0).initialize()
    with pytest.raises(ValueError, match=words):
        next(t.TorchNet(net, SHAPE).activations(X, [layer]))
    assert not any(m._forward_hooks for m in net.module_.modules())


def test_what_is_not_a_network_or_has_no_gradient(X):
    with pytest.raises(TypeError, match="LogisticRegression is not a torch network.*method='sampling'"):
        t.TorchNet(LogisticRegression(), SHAPE)

    class Hard(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = nn.Linear(1, 1)

        def forward(self, x):
            return torch.stack([(x > 0).float().mean((1, 2)), (x < 0).float().mean((1, 2))], 1)

    net = NeuralNetClassifier(Hard, criterion=nn.CrossEntropyLoss, verbose=0).initialize()
    with pytest.raises(TypeError, match="differentiably"):
        next(t.TorchNet(net, SHAPE).gradients(X))


def test_unknown_response_and_wrong_kind(X):
    wrapped = t.TorchNet(skorch_net(), SHAPE)
    with pytest.raises(ValueError, match="Did you mean 'centered_logit'"):
        wrapped.outputs(X, "centred_logit")
    with pytest.raises(ValueError, match="choose one of 'output'"):
        t.TorchNet(skorch_net(NeuralNetRegressor, nn.MSELoss), SHAPE).outputs(X, "prob")
    with pytest.raises(ValueError, match="neither probabilities nor log-probabilities"):
        t.TorchNet(skorch_net(criterion=nn.NLLLoss), SHAPE)


def test_the_net_is_as_before_also_after_an_exception(X):
    net = skorch_net()
    module = net.module_.train()
    module.conv.eval()
    module.conv.bias.requires_grad_(False)
    wrapped = t.TorchNet(net, SHAPE)
    generator = wrapped.gradients(X)
    next(generator)
    generator.close()  # as an exception in the caller's loop would
    with pytest.raises(ZeroDivisionError), inference(module):
        1 / 0  # noqa: B018
    assert module.training and not module.conv.training
    assert not module.conv.bias.requires_grad and module.conv.weight.requires_grad
    assert all(p.grad is None for p in module.parameters())


def test_frozen_and_regressor():
    X, y = trials(regression=True)
    facade = fast_regressor().fit(X, y)
    wrapped = t.TorchNet(FrozenEstimator(facade), SHAPE)
    np.testing.assert_allclose(wrapped.outputs(X)[:, 0], facade.predict(X), rtol=1e-6)


def test_interleaved_and_abandoned_generators_leave_torch_as_found():
    X, y = trials()
    net = t.TorchNet(fast_classifier().fit(X, y), X.shape[1:])
    generators = [net.activations(X, ["conv_out"], 4) for _ in range(2)] + [net.gradients(X, "logit", 4)]
    for generator in generators:
        next(generator)
    assert torch.is_grad_enabled() and all(p.requires_grad for p in net.module.parameters())
    assert sum(1 for _ in generators[0]) == 2
    del generators
    assert torch.is_grad_enabled() and all(p.requires_grad for p in net.module.parameters())


def test_threads_that_share_a_network_take_turns(X):
    net = skorch_net()
    wrapped = t.TorchNet(net, SHAPE)
    expected = wrapped.outputs(X)
    module, seen = net.module_.train(), []
    with inference(module), capture(module, ["conv"]) as mine:
        worker = threading.Thread(target=lambda: seen.append(wrapped.outputs(X)))
        worker.start()
        worker.join(0.2)
        assert mine["conv"] == []  # the other thread's pass is not recorded here
    worker.join()
    np.testing.assert_array_equal(seen[0], expected)
    assert module.training and all(p.requires_grad for p in module.parameters())


@pytest.mark.parametrize("make", [fast_classifier, lambda: NeuralNetClassifier(Net)])
def test_networks_that_were_not_fitted(make):
    with pytest.raises(NotFittedError):
        t.TorchNet(make(), SHAPE)


def test_a_network_on_several_devices_is_named():
    class Scattered(nn.Linear):
        def parameters(self, recurse=True):
            return iter([SimpleNamespace(device=device) for device in ("cuda:0", "cpu")])

    with pytest.raises(ValueError, match="Parts of the network are on cpu and cuda:0: bring all to one"):
        t._refuse_scattered(Scattered(2, 2))
