"""Replaced units: against forward passes written by hand, and a network that is left as it was."""

import copy

import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator
from skorch import NeuralNetClassifier
from torch import nn

from eegexplain import as_estimator, intervene
from eegexplain.models import EnsembleClassifier, SyncNet
from tests.estimators import closed_classifier, fast_classifier, trials

X = np.random.default_rng(0).standard_normal((11, 3, 32))


class Net(nn.Module):
    """Convolution, rectifier in place, log power, linear layer."""

    def __init__(self, n_units=4):
        super().__init__()
        self.conv = nn.Conv1d(3, n_units, 5)
        self.cut = nn.ReLU(inplace=True)
        self.head = nn.Linear(n_units, 2)

    def forward(self, x):
        return self.head(self.cut(self.conv(x)).square().mean(-1))


class Attention(nn.Module):
    """Two heads over time, whose outputs enter the projection side by side."""

    def __init__(self):
        super().__init__()
        self.mixed = nn.Linear(3, 18)
        self.projection = nn.Linear(6, 5)
        self.head = nn.Linear(5, 2)

    def heads(self, x):
        """Of shape (batch, n_times, 2, 3)."""
        query, key, value = self.mixed(x.swapaxes(1, 2)).unflatten(-1, (3, 2, 3)).unbind(2)
        weights = torch.einsum("bqhf,bkhf->bhqk", query, key).softmax(-1)
        return torch.einsum("bhqk,bkhf->bqhf", weights, value)

    def behind(self, heads):
        return self.head(torch.tanh(self.projection(heads.flatten(2))).mean(1))

    def forward(self, x):
        return self.behind(self.heads(x))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().double()


def behind(net, state):
    """What follows the convolution, written by hand."""
    with torch.no_grad():
        return net.head(state.clamp_min(0).square().mean(-1)).numpy()


def conv(net, x):
    with torch.no_grad():
        return net.conv(torch.from_numpy(x))


def logits(net, X, replace, **settings):
    return intervene(net, X, replace, response="logit", **settings)


def test_every_source_against_a_forward_pass_by_hand(net):
    state, others = conv(net, X), X[::-1].copy()
    reference = np.random.default_rng(1).standard_normal((5, 3, 32))
    given = {
        "zeros": torch.zeros_like(state),
        "mean": state.mean(0, keepdim=True).expand_as(state),
        "trials": conv(net, others),
        "one": conv(net, others[:1]).expand_as(state),
        "reference": conv(net, reference).mean(0, keepdim=True).expand_as(state),
    }
    words = {"trials": others, "one": others[:1], "reference": "mean"}
    for name, other in given.items():
        expected = state.clone()
        expected[:, [0, 2]] = other[:, [0, 2]]
        settings = {"reference": reference} if name == "reference" else {}
        found = logits(net, X, {"conv": {"units": [2, 0], "with": words.get(name, name)}}, **settings)
        np.testing.assert_allclose(found, behind(net, expected), rtol=1e-12, atol=1e-14, err_msg=name)
    np.testing.assert_allclose(logits(net, X, {"conv": {"with": others}}), logits(net, others, {}), rtol=1e-12)
    np.testing.assert_allclose(logits(net, X, {}), behind(net, state), rtol=1e-12)


def test_resampling_gives_every_trial_another(net):
    found = logits(net, X, {"conv": {"with": "resample"}}, random_state=0)
    clean = logits(net, X, {})
    taken = np.abs(found[:, None] - clean).sum(-1).argmin(1)
    np.testing.assert_allclose(found, clean[taken], rtol=1e-12)
    assert sorted(taken) == list(range(len(X))) and (taken != np.arange(len(X))).all()
    order = np.random.default_rng(2).permutation(len(X))
    again = logits(net, X[order], {"conv": {"with": "resample"}}, random_state=0)
    np.testing.assert_allclose(again, found[order], rtol=1e-12)  # by what trials hold, not by where they stand
    other = logits(net, X, {"conv": {"with": "resample"}}, random_state=1)
    assert np.abs(other - found).max() > 1e-3
    few = logits(net, X, {"conv": {"with": "resample"}}, reference=X[:3], random_state=0)
    assert len(np.unique(few[:, 0].round(10))) == 3


def test_several_layers_are_replaced_at_once(net):
    state = conv(net, X)
    state[:, 1] = 0
    power = state.clamp_min(0).square().mean(-1)
    with torch.no_grad():
        bias = net.head(torch.zeros(1, 4).double()).numpy()
    replace = {"conv": {"units": 1, "with": "zeros"}, "head": {"units": [1], "with": "zeros"}}
    found = logits(net, X, replace)
    with torch.no_grad():
        np.testing.assert_allclose(found[:, 0], net.head(power).numpy()[:, 0], rtol=1e-12)
    assert (found[:, 1] == 0).all() and bias[0, 1] != 0


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_batches_do_not_matter(net, batch_size):
    for source in ("zeros", "mean", "resample", X[::-1]):
        replace = {"conv": {"units": [0, 3], "with": source}}
        one = logits(net, X, replace, random_state=0)
        other = logits(net, X, replace, random_state=0, batch_size=batch_size)
        np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-14)


class _BrokenError(Exception):
    pass


@pytest.mark.parametrize("fails", [False, True])
def test_the_network_is_left_as_found(net, fails):
    net.train()
    net.cut.eval()
    weights = copy.deepcopy(net.state_dict())
    random = torch.get_rng_state()
    seen = []
    net.conv.register_forward_hook(lambda *passing: seen.append(len(passing)))
    hooks = [dict(module._forward_hooks) for module in net.modules()]

    def broken(*passing):
        if len(seen) > 3:
            raise _BrokenError

    handle = net.head.register_forward_pre_hook(broken) if fails else None
    ask = {"conv": {"units": [1], "with": "resample"}, "head": {"with": "mean"}}
    if fails:
        with pytest.raises(_BrokenError):
            intervene(net, X, ask, batch_size=2)
        handle.remove()
    else:
        intervene(net, X, ask, batch_size=2)
    assert seen
    assert net.training and net.conv.training and not net.cut.training
    assert hooks == [dict(module._forward_hooks) for module in net.modules()]
    assert not any(module._forward_pre_hooks for module in net.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


def test_heads_enter_a_projection(monkeypatch):
    torch.manual_seed(0)
    net, others = Attention().double(), X[::-1].copy()
    with torch.no_grad():
        heads, other = net.heads(torch.from_numpy(X)), net.heads(torch.from_numpy(others))
        heads[:, :, 1] = other[:, :, 1]
        expected = net.behind(heads).numpy()
    found = logits(net, X, {"projection": {"heads": 2, "units": [1], "with": others}})
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.abs(found - logits(net, X, {})).max() > 1e-3
    with pytest.raises(ValueError, match="does not divide the 6 features"):
        logits(net, X, {"projection": {"heads": 4, "with": "zeros"}})
    with pytest.raises(ValueError, match="between 0 and 1, as it has 2 heads"):
        logits(net, X, {"projection": {"heads": 2, "units": [2], "with": "zeros"}})


class Recurrent(nn.Module):
    """Returns sequences and, of the last step, states of its memory; a dict passes on what was seen."""

    class Passed(nn.Module):
        def forward(self, x):  # noqa: D102
            return {"seen": x, "also": 2 * x}

    def __init__(self):
        super().__init__()
        self.lstm, self.passed, self.head = nn.LSTM(3, 4, batch_first=True), self.Passed(), nn.Linear(4, 2)

    def forward(self, x):
        sequence, (last, _) = self.lstm(x.swapaxes(1, 2))
        return self.head(self.passed(sequence)["seen"].mean(1)) + last[0, :, :2]


def test_parts_of_what_a_layer_returns():
    torch.manual_seed(0)
    net, others = Recurrent().double(), X[::-1].copy()
    with torch.no_grad():
        (sequence, (last, _)), (other, _) = (net.lstm(torch.from_numpy(x).swapaxes(1, 2)) for x in (X, others))
        sequence[..., 2] = other[..., 2]
        expected = (net.head(sequence.mean(1)) + last[0, :, :2]).numpy()
    for layer in ("lstm[0]", "passed[seen]@2"):
        found = logits(net, X, {layer: {"units": [2], "with": others}})
        np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=layer)
    with pytest.raises(ValueError, match=r"Name a part of it: 'lstm\[0\]'"):
        logits(net, X, {"lstm": {"with": "zeros"}})


def test_a_filter_takes_its_band_along():
    """Two filters set by hand, for 10 and for 20 Hz: what one carries goes with it, and nothing else."""
    sfreq, n_times = 128, 256
    module = SyncNet(n_chans=1, n_times=n_times, n_outputs=2, num_filters=2, filter_width=64, readout="log_power",
                     sfreq=sfreq)  # fmt: skip
    with torch.no_grad():
        module.amplitude.fill_(1.0)
        module.omega.copy_(2 * np.pi * torch.tensor([10.0, 20.0]).reshape(1, 1, 1, 2) / sfreq)
        module.beta.fill_(2e-3)
        module.phi_ini.zero_()
        module.final_layer.weight.copy_(torch.eye(2))
        module.final_layer.bias.zero_()
    net = as_estimator(module.double(), classes=False)
    rng, times = np.random.default_rng(0), np.arange(n_times) / sfreq
    noise = rng.standard_normal((20, 1, n_times))
    waves = {rhythm: 2 * np.sin(2 * np.pi * rhythm * times + rng.uniform(0, 7, (20, 1, 1))) for rhythm in (10, 20)}
    for lost, rhythm in enumerate((10, 20)):
        kept, other = 1 - lost, 30 - rhythm
        for source in ("zeros", "mean"):
            without = {"conv_out": {"units": [lost], "with": source}}

            def moved(rhythm, replace, reference):
                """Change of both outputs by a rhythm that comes to the noise."""
                both = (intervene(net, X, replace, reference=reference) for X in (noise + waves[rhythm], noise))
                return np.subtract(*both)

            clean, left = ({one: moved(one, replace, noise) for one in (10, 20)} for replace in ({}, without))
            assert clean[rhythm][:, lost].min() > 1.5 and clean[other][:, kept].min() > 1.5
            np.testing.assert_allclose(left[rhythm][:, lost], 0, atol=1e-12)  # its band is gone from its output
            for one in (10, 20):  # and all else is as it was
                np.testing.assert_array_equal(left[one][:, kept], clean[one][:, kept])


def test_whatever_holds_the_network():
    x, y = trials()
    facade = fast_classifier().fit(x, y)
    ask = {"conv_out": {"units": [0], "with": "mean"}}
    expected = intervene(facade, x, ask)
    skorch = NeuralNetClassifier(facade.net_.module_, criterion=nn.CrossEntropyLoss).initialize()
    skorch.module_.load_state_dict(facade.net_.module_.state_dict())
    for same in (FrozenEstimator(facade), facade.net_.module_, as_estimator(facade.net_.module_), skorch):
        np.testing.assert_allclose(intervene(same, x, ask), expected, rtol=1e-5, atol=1e-6)
    other = closed_classifier().fit(x, y)
    both = EnsembleClassifier([FrozenEstimator(facade), FrozenEstimator(other)]).fit(x, y)
    found = intervene(both, x, {"members.0.conv_out": ask["conv_out"]})
    np.testing.assert_allclose(found, (expected + intervene(other, x, {})) / 2, rtol=1e-4, atol=1e-5)


def test_responses_are_those_of_the_package(net):
    ask = {"conv": {"units": [1], "with": "zeros"}}
    raw = logits(net, X, ask)
    share = np.exp(raw) / np.exp(raw).sum(1, keepdims=True)
    np.testing.assert_allclose(intervene(net, X, ask, response="prob"), share, rtol=1e-12)
    np.testing.assert_allclose(intervene(net, X, ask, response="logprob"), np.log(share), rtol=1e-12)
    np.testing.assert_allclose(intervene(net, X, ask), raw - raw.mean(1, keepdims=True), rtol=1e-12, atol=1e-14)


class Twice(Net):
    """Runs a layer twice, and one never."""

    def __init__(self):
        super().__init__()
        self.never = nn.Linear(2, 2)

    def forward(self, x):
        return super().forward(x) + self.head(x.mean((1, 2), keepdim=True)[..., 0].expand(-1, 4))


@pytest.mark.parametrize(
    ("replace", "words"),
    [
        ({"cnov": {"with": "zeros"}}, "Did you mean 'conv'"),
        ({"conv": {"with": "zero"}}, "Did you mean 'zeros'"),
        ({"conv": {"unit": [1], "with": "zeros"}}, "Did you mean 'units'"),
        ({"conv": {"units": [4], "with": "zeros"}}, "between 0 and 3, as it has 4 units"),
        ({"conv": {"units": [-1], "with": "zeros"}}, "between 0 and 3"),
        ({"conv": {"units": [0.5], "with": "zeros"}}, "whole numbers"),
        ({"conv": {"units": []}}, '"with" is missing'),
        ({"conv": "zeros"}, "replace must be"),
        (["conv"], "replace must be"),
        ({"conv": {"with": X[:2]}}, "2 trials for 11 of X"),
        ({"conv": {"with": X[:, :2]}}, "shape .2, 32., but those of X have .3, 32."),
        ({"head": {"with": "zeros"}}, "'head' runs 2 times"),
        ({"never": {"with": "zeros"}}, "'never' does not run"),
    ],
)
def test_mistakes_are_named(replace, words):
    with pytest.raises(ValueError, match=words):
        intervene(Twice().double(), X, replace)


def test_what_is_no_network_is_refused():
    from sklearn.dummy import DummyClassifier

    with pytest.raises(TypeError, match="not a torch network"):
        intervene(DummyClassifier().fit(X[:, 0], np.arange(11) % 2), X, {})
