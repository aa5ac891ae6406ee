"""Which axes of a layer's output are units: hand-made networks, permuted layouts, layers of every kind."""

import numpy as np
import pytest
import torch
from torch import nn

from eegexplain import EnvelopeCorrelator, PerturbationCorrelator, ReverseCorrelator, as_estimator, receptive_field
from eegexplain import _layout as layout
from eegexplain._torch import TorchNet
from eegexplain.encoding import unit_responses
from eegexplain.intervention import intervene

C, T = 3, 64


class Through(nn.Module):
    """Embedding, some layer on ``(batch, time, feature)``, the mean over time as logits."""

    def __init__(self, inner, width=C, arrange="btf"):
        super().__init__()
        self.embed, self.inner, self.seen = nn.Linear(C, width), inner, nn.Identity()
        self.out = nn.Linear(width, 2)
        self.arrange = arrange

    def forward(self, x):
        h = self.inner(self.embed(x.mT))
        h = h[0] if isinstance(h, tuple) else h
        order = ["btf".index(axis) for axis in self.arrange]
        h = self.seen(h.permute(order)).permute(np.argsort(order).tolist())
        return self.out(h.mean(1))


def drawn(make, seed=0):
    torch.manual_seed(seed)
    return make().eval().double()


def encoder(width=8, depth=2):
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(width, 2, 16, dropout=0, batch_first=True), depth)


def traced(module, layer, shape=(C, T)):
    return TorchNet(as_estimator(module, classes=False), shape).layout(layer)


def one_channel_each():
    """An LSTM whose unit k follows channel k alone: its gates are open, its recurrent weights are zero."""
    lstm = nn.LSTM(C, C, batch_first=True)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.zero_()
        lstm.weight_ih_l0[2 * C : 3 * C] = torch.eye(C)
        for gate, bias in ((0, 9.0), (1, -9.0), (3, 9.0)):  # in, not kept, out
            lstm.bias_ih_l0[gate * C : (gate + 1) * C] = bias
    return lstm


def reading_channels():
    """Through an LSTM or attention, unit k reads channel k."""
    recurrent = Through(one_channel_each())
    with torch.no_grad():
        recurrent.embed.weight.copy_(torch.eye(C))
        recurrent.embed.bias.zero_()
    return recurrent


@pytest.fixture
def trials():
    rng = np.random.default_rng(0)
    return rng.standard_normal((12, C, T)), np.arange(12) % 2


@pytest.mark.parametrize("layer", ["inner[0]", "seen"])
def test_unit_k_that_reads_channel_k_is_found_by_every_analysis(trials, layer):
    X, y = trials
    net = as_estimator(drawn(reading_channels), sfreq=64)
    moved = PerturbationCorrelator(net, layers=[layer], difference="power", n_iterations=20, random_state=0,
                                   bands={"all": (1, 30)}).fit(X, y)
    assert moved.layer_correlations_[layer].shape == (C, C, 1)
    waves = ReverseCorrelator(net, layer=layer).fit(X, y)
    powers = EnvelopeCorrelator(net, layer=layer, bands={"all": (1, 30)}, random_state=0).fit(X, y)
    for map_ in (moved.layer_correlations_[layer], waves.templates_, powers.correlations_):
        strength = np.abs(map_).max(-1) if map_ is not powers.correlations_ else np.abs(waves.templates_).max(-1)
        assert (strength.argmax(1) == np.arange(C)).all()
    found = unit_responses(net, X, layer=layer)
    np.testing.assert_allclose(found.data, np.tanh(np.tanh(X)).mean(-1), atol=0.02)


def test_a_permuted_layout_gives_the_same_answer(trials):
    X, y = trials[0][:, :, :24], trials[1]
    answers = []
    for arrange in ("bft", "btf", "tbf", "fbt"):
        net = as_estimator(drawn(lambda arrange=arrange: Through(nn.Tanh(), 8, arrange)), sfreq=64)
        maps = PerturbationCorrelator(net, layers=["seen"], n_iterations=3, random_state=0).fit(X, y)
        templates = ReverseCorrelator(net, layer="seen").fit(X, y).templates_
        steps = unit_responses(net, X, layer="seen", average=False).data
        assert len(templates) == len(maps.layer_correlations_["seen"]) == steps.shape[1] == 8
        answers.append((maps.layer_correlations_["seen"], templates, steps))
    for permuted in answers[1:]:
        for one, other in zip(answers[0], permuted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


class Fixed(nn.Module):
    """A transformer of one length: what it has learned of positions is added."""

    def __init__(self, depth=3, width=8, patch=4):
        super().__init__()
        self.patch = nn.Conv1d(C, width, patch, stride=patch)
        self.positions = nn.Parameter(0.3 * torch.randn(1, T // patch, width))
        self.first = nn.Parameter(torch.randn(1, 1, width))
        self.encoder, self.out = encoder(width, depth), nn.Linear(width, 2)
        self.seen = nn.Identity()

    def forward(self, x):
        h = self.patch(x).mT + self.positions
        h = torch.cat([self.first.expand(len(x), -1, -1), h], dim=1)
        return self.out(self.seen(self.encoder(h))[:, 0])


class Shaped(nn.Module):
    """A layer's output by any function of the trials."""

    def __init__(self, function):
        super().__init__()
        self.weights, self.function, self.seen = nn.Parameter(torch.randn(C * T, 24)), function, nn.Identity()

    def forward(self, x):
        return self.seen(self.function(x, self.weights)).flatten(1)[:, :2]


def separate(x, weights):
    """A filter bank on each channel, ``(batch, channel, filter, time)``."""
    return nn.functional.conv1d(x.reshape(-1, 1, T), weights[:5, :4].T[:, None]).reshape(len(x), C, 4, -1)


def heads(x, weights):
    """Four heads with a map of time each, ``(batch, head, time, feature)``."""
    return torch.einsum("bct,chf->bhtf", x, weights[: 4 * C, :6].reshape(C, 4, 6))


def attention(x, weights):
    """Which time of a head looks at which, ``(batch, head, time, time)``."""
    return (heads(x, weights) @ heads(x, weights).mT).softmax(-1)


def early_and_late(x, weights):
    """Features over the whole trial that follow time more than any step does, ``(batch, step, feature)``."""
    slow = torch.stack([part.mean((1, 2)) for part in x.chunk(4, -1)], 1)
    return (x.mean(1)[..., None] * 1e-3 + slow[:, None]).contiguous()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("make", "layer", "units", "shape"),
    [
        (lambda: Fixed(), "seen", (2,), (17, 8)),
        (lambda: Fixed(), "encoder.layers.0.linear1", (2,), (17, 16)),
        (lambda: Fixed(), "encoder.layers.1", (2,), (17, 8)),
        (lambda: Fixed(), "encoder.layers.0.self_attn[0]", (2,), (17, 8)),
        (lambda: Through(nn.LSTM(8, 4, bidirectional=True, batch_first=True), 8), "seen", (2,), (T, 8)),
        (lambda: Through(nn.GRU(8, 8), 8), "inner[0]", (2,), (T, 8)),
        (lambda: Shaped(lambda x, w: separate(x, w)), "seen", (2,), (C, 4, 60)),
        (lambda: Shaped(lambda x, w: separate(x, w).transpose(1, 2)), "seen", (1,), (4, C, 60)),
        (lambda: Shaped(lambda x, w: separate(x, w).permute(0, 3, 1, 2)), "seen", (3,), (60, C, 4)),
        (lambda: Shaped(lambda x, w: separate(x, w).mean(1)[:, :, None]), "seen", (1,), (4, 1, 60)),
        (lambda: Shaped(lambda x, w: x.flatten(1) @ w), "seen", (1,), (24,)),
        (lambda: Shaped(lambda x, w: (x.flatten(1) @ w)[:, None]), "seen", (2,), (1, 24)),
        (lambda: Shaped(lambda x, w: nn.functional.adaptive_avg_pool1d(w[:4, :C] @ x, 6)), "seen", (1,), (4, 6)),
        (lambda: Shaped(attention), "seen", (1,), (4, T, T)),
        (lambda: Shaped(early_and_late), "seen", (2,), (T, 4)),
        (lambda: nn.Sequential(nn.Conv1d(C, 5, 9), nn.BatchNorm1d(5), nn.Flatten(), nn.LazyLinear(2)), "1", (1,),
         (5, 56)),
    ],
)  # fmt: skip
def test_units_of_layers_of_every_kind(make, layer, units, shape, seed):
    torch.manual_seed(seed)
    module = make()
    module(torch.zeros(2, C, T))
    found = traced(module, layer)
    assert (found.units, found.shape, found.clear) == (units, shape, True)


def test_interventions_count_features_not_steps(trials):
    net = as_estimator(drawn(reading_channels), sfreq=64)
    with pytest.raises(ValueError, match="between 0 and 2, as it has 3 units"):
        intervene(net, trials[0], {"seen": {"units": [3], "with": "zeros"}})
    with pytest.warns(UserWarning, match="axes 1, 3 are taken"):
        intervene(as_estimator(drawn(lambda: Shaped(heads))), trials[0], {"seen": {"with": "zeros"}})


def test_where_axes_cannot_be_told_apart_all_are_units_and_a_warning_says_how_to_choose(trials):
    X, y = trials
    net = as_estimator(drawn(lambda: Shaped(heads)), sfreq=64)
    with pytest.warns(UserWarning, match=r"\(batch, 4, 64, 6\).*axes 1, 3 are taken.*'seen@1' has its units on axis 1"):
        every = unit_responses(net, X, layer="seen").data
    expected = heads(torch.from_numpy(X), net.module.weights.detach()).numpy()
    np.testing.assert_allclose(every, expected.mean(2).reshape(12, 24), rtol=1e-12, atol=1e-14)
    for axis, mean in ((1, (2, 3)), (2, (1, 3)), (3, (1, 2))):
        one = unit_responses(net, X, layer=f"seen@{axis}").data
        np.testing.assert_allclose(one, expected.mean(mean), rtol=1e-12, atol=1e-14)
    with pytest.warns(UserWarning, match="axes 1, 3"):
        found = PerturbationCorrelator(net, layers=["seen"], n_iterations=2, random_state=0).fit(X, y)
    assert found.layer_correlations_["seen"].shape[:2] == (24, C)
    assert ReverseCorrelator(net, layer="seen").fit(X, y).templates_.shape == (24, C, 1)  # one time axis: no question


def test_behind_attention_templates_are_of_units_not_of_steps(trials):
    X, y = trials
    net = as_estimator(drawn(lambda: Fixed(2, 4)), sfreq=64)
    assert ReverseCorrelator(net, layer="encoder.layers.1").fit(X, y).templates_.shape == (4, C, T)


def test_a_part_of_the_input_that_matters_most_does_not_hide_the_order():
    table = 1 + 3 * np.eye(8)
    table[5] *= 1e3
    assert layout._order(table**2, 1) > 0.25
    assert abs(layout._order(np.outer(np.arange(1, 9), np.arange(1, 6)) ** 2.0, 1)) < 1e-12


def test_what_mixes_all_of_the_trial_has_no_positions_and_a_linear_layer_knows_its_units():
    mixed = Shaped(lambda x, w: (x.flatten(1) @ w).reshape(-1, 4, 6))
    found = traced(mixed, "seen")
    assert (found.units, found.clear) == ((1, 2), False)
    module = nn.Sequential(nn.Flatten(), nn.Linear(C * T, 24), nn.Unflatten(1, (4, 6)), nn.Linear(6, 5), nn.Flatten())
    assert traced(module, "3").units == (2,) and traced(module, "3").clear


def test_states_and_weights_are_parts_of_what_a_layer_returns():
    lstm = Through(nn.LSTM(8, 5, 2, batch_first=True), 8)
    lstm.out = nn.Linear(5, 2)
    states = traced(lstm, "inner[1][0]")  # (layers, batch, feature)
    assert (states.batch, states.shape) == (1, (2, 5))
    assert traced(lstm, "inner[1][0]@2").units == (2,)
    X = np.random.default_rng(0).standard_normal((7, C, T)).astype(np.float32)
    hidden = lstm.inner(lstm.embed(torch.from_numpy(X).mT))[1][0]
    found = unit_responses(as_estimator(lstm), X, layer="inner[1][0]@2").data
    np.testing.assert_allclose(found, hidden.mean(0).detach(), rtol=1e-5, atol=1e-6)
    assert TorchNet(as_estimator(lstm), (C, T)).default_layer() == "seen"
    bare = nn.Sequential(nn.Unflatten(1, (1, C)), nn.Flatten(1, 2), nn.LSTM(T, 4, batch_first=True))
    assert TorchNet(as_estimator(bare, output=lambda out: out[0][:, -1]), (C, T)).default_layer() == "2[0]"


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("inner", r"returns a tuple of 2.*Name a part of it: 'inner\[0\]'"),
        ("inner[2]", r"'inner' returns a tuple of 2, without \[2\]"),
        ("inner[1][0][0]", r"'inner\[1\]\[0\]' returns a tensor .*, without \[0\]"),
        ("inner[0]@3", r"\(batch, 64, 8\) has no such axis"),
        ("iner[0]", r"Unknown layer 'iner\[0\]'. Did you mean 'inner'"),
        ("seen@x", "Unknown layer 'seen@x'"),
    ],
)
def test_names_of_layers_that_are_none_say_what_there_is(layer, message):
    with pytest.raises(ValueError, match=message):
        traced(Through(nn.LSTM(8, 8, batch_first=True), 8), layer)


def test_layers_without_a_row_per_trial_are_refused():
    flat = Shaped(lambda x, w: x.flatten(1) @ w)
    flat.seen, flat.merged = nn.Identity(), nn.Identity()
    flat.function = lambda x, w: flat.merged(x.reshape(-1, T)).reshape(len(x), -1) @ w
    with pytest.raises(ValueError, match=r"shape \(6, 64\) for 2 trials and \(9, 64\) for 3"):
        traced(flat, "merged")


def test_receptive_fields_of_parts_and_of_layers_whose_batch_is_not_first():
    causal = Through(nn.GRU(8, 8, batch_first=True), 8)
    assert receptive_field(causal, "inner", (C, T)) == receptive_field(causal, "inner[0]", (C, T))
    for arrange in ("tbf", "btf"):
        local = Through(nn.Identity(), 8, arrange)
        field = receptive_field(local, "seen", (C, T))
        assert (field.size, field.stride, field.axis, field.n_units) == (1, 1, 1, T)


def test_axes_are_found_without_trying_other_lengths_and_noise_of_any_size(monkeypatch):
    monkeypatch.setattr(layout._Follower, "growing", lambda self, axes: [])
    found = traced(Through(nn.LSTM(8, 8, batch_first=True), 8), "seen")
    assert (found.units, found.clear) == ((2,), True)
    saturated = Shaped(lambda x, w: torch.sigmoid(1e4 * separate(x, w)))
    assert traced(saturated, "seen").units == (2,)


def test_the_network_is_left_as_it_was():
    module = Through(encoder(), 8).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    traced(module, "seen")
    assert all(child.training for child in module.modules()) and not module.seen._forward_hooks
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
