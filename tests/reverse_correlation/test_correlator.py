"""ReverseCorrelator gives linear filters back, streams, splits by class and survives awkward layers."""

import numpy as np
import pytest
import scipy.signal
import torch
from sklearn.frozen import FrozenEstimator
from torch import nn

from eegexplain import ReverseCorrelator
from tests.estimators import fast_classifier
from tests.reverse_correlation.nets import PowerNet, frozen


@pytest.fixture(scope="module")
def white():
    rng = np.random.default_rng(0)
    return rng.normal(2.0, 1.0, (150, 3, 160)).astype(np.float32), np.arange(150) % 2


@pytest.fixture(scope="module")
def coloured():
    """1/f-like noise that spreads over neighbouring channels."""
    rng = np.random.default_rng(1)
    X = scipy.signal.lfilter([1], [1, -0.9], rng.normal(size=(150, 3, 260)))[..., 100:]
    mixing = 0.5 ** np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
    return np.einsum("ij,njt->nit", mixing, X).astype(np.float32), np.arange(150) % 2


def kernel_correlations(correlator):
    kernels = correlator.estimator_.estimator.module_.conv.weight.detach().numpy()
    pairs = zip(correlator.templates_, kernels, strict=True)
    return np.array([np.corrcoef(t.ravel(), k.ravel())[0, 1] for t, k in pairs])


@pytest.mark.parametrize("normalize", [True, False])
def test_white_noise_gives_the_kernel_back(white, normalize):
    X, y = white
    X = X - 2.0 * (not normalize)  # the raw sums are not centred
    for settings in ({}, {"stride": 2, "padding": 4}):
        net = frozen(X=X, y=y, **settings)
        correlator = ReverseCorrelator(net, layer="conv", normalize=normalize).fit(X, y)
        assert kernel_correlations(correlator).min() > 0.98
        assert correlator.templates_.shape == (2, 3, 15)
    if normalize:
        assert np.abs(correlator.templates_).max() <= 1


def test_coloured_noise_needs_whitening(coloured):
    X, y = coloured
    for settings in ({}, {"stride": 2, "padding": 4}):
        net = frozen(X=X, y=y, **settings)
        whitened = ReverseCorrelator(net, layer="conv", whiten=True).fit(X, y)
        assert kernel_correlations(whitened).min() > 0.98
        kernels = net.estimator.module_.conv.weight.detach().numpy()
        np.testing.assert_allclose(whitened.templates_.std(), kernels.std(), rtol=0.05)
        assert kernel_correlations(ReverseCorrelator(net, layer="conv").fit(X, y)).max() < 0.9


def test_windows_lie_where_the_units_look(white):
    X, y = white
    net = frozen(X=X, y=y, stride=3, padding=6)
    correlator = ReverseCorrelator(net, layer="conv", top_percentage=0.01, max_per_trial=2).fit(X, y)
    n_inner = int(((correlator.receptive_field_.starts >= 0) & (correlator.receptive_field_.starts <= 145)).sum())
    assert correlator.windows_.shape == (2, np.ceil(0.01 * 150 * n_inner), 3, 15)
    conv = net.estimator.module_.conv
    again = torch.einsum("fkcw,fcw->fk", torch.from_numpy(correlator.windows_), conv.weight) + conv.bias[:, None]
    np.testing.assert_allclose(again.detach(), correlator.window_activations_, rtol=1e-4, atol=1e-5)
    assert np.all(np.diff(correlator.window_activations_) <= 0)
    counts = [np.bincount(trials).max() for trials in correlator.window_index_[..., 0]]
    assert max(counts) == 2
    few = ReverseCorrelator(net, layer="conv", top_percentage=1.0, max_windows=500).fit(X[:9], y[:9])
    assert few.windows_.shape[1] == 9  # one per trial, although more were asked for


def test_classes_and_held_out_trials(white):
    X, y = white
    net = frozen(X=X, y=y)
    correlator = ReverseCorrelator(net, layer="conv", per_class=True).fit(X, y)
    for code in (0, 1):
        alone = ReverseCorrelator(net, layer="conv").fit(X[y == code], y[y == code])
        np.testing.assert_allclose(correlator.class_templates_[code], alone.templates_, atol=1e-6)
    held_out = correlator.explain_population(X[:20], np.zeros(20, int))
    assert np.isnan(held_out["class_value"].sel(output="1")).all()
    np.testing.assert_allclose(held_out["class_value"].sel(output="0"), held_out["value"], atol=1e-12)
    assert "class_value" not in correlator.explain_population(X[:20])
    assert correlator.explanation_["value"].dims == ("filter", "channel", "lag")


def test_batches_and_units_of_the_input_do_not_matter(white):
    X, y = white
    net = frozen(X=X, y=y)
    reference = ReverseCorrelator(net, layer="conv").fit(X, y)
    other = ReverseCorrelator(net, layer="conv", batch_size=7).fit(X, y)
    np.testing.assert_allclose(other.templates_, reference.templates_, atol=1e-5)
    np.testing.assert_array_equal(other.window_index_, reference.window_index_)
    match = reference.transform(X[:5])
    assert match.shape == (5, 2) and list(reference.get_feature_names_out()) == ["filter0", "filter1"]
    assert np.all(np.abs(match) <= 1)


def test_layers_behind_pooling_and_over_channels(white):
    X, y = white
    net = frozen(X=X, y=y)
    pooled = ReverseCorrelator(net, layer="pool").fit(X, y)
    assert pooled.templates_.shape == (2, 3, 22) and pooled.receptive_field_.stride == 8
    two_d = frozen(SpatialNet, X, y)
    by_channel = ReverseCorrelator(two_d, layer="conv", whiten=True).fit(X, y)
    assert by_channel.templates_.shape == (6, 3, 7)  # 2 filters x 3 channels
    kernels = two_d.estimator.module_.conv.weight.detach().numpy()[:, 0, 0]
    for k, template in enumerate(by_channel.templates_):
        expected = np.zeros((3, 7))
        expected[k % 3] = kernels[k // 3]
        np.testing.assert_allclose(template, expected, atol=5e-3)


class SpatialNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 2, (1, 7)), nn.Linear(2, 2)

    def forward(self, x):
        return self.head(self.conv(x[:, None]).pow(2).mean((2, 3)))


class DyingNet(PowerNet):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()
        with torch.no_grad():
            self.conv.bias[1] = -1e3

    def forward(self, x):
        return self.head(self.relu(self.conv(x)).mean(-1))


def test_dead_units_warn_once_and_have_zero_templates(white):
    X, y = white
    with pytest.warns(UserWarning, match="1 of 2 filters of layer 'relu'") as caught:
        correlator = ReverseCorrelator(frozen(DyingNet, X, y), layer="relu").fit(X, y)
    assert len(caught) == 1
    assert correlator.templates_[0].any() and not correlator.templates_[1].any()
    assert not correlator.transform(X[:3])[:, 1].any()


def test_units_wider_than_the_trial():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 2, 10)), np.arange(30) % 2
    correlator = ReverseCorrelator(fast_classifier(filter_width=24)).fit(X, y)
    assert correlator.templates_.shape == (2, 2, 24)
    assert correlator.transform(X).shape == (30, 2)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"layer": "cnov"}, ValueError, "Did you mean 'conv'"),
        ({"top_percentage": 5}, ValueError, "at most 1"),
        ({"max_per_trial": 0}, ValueError, "at least 1"),
        ({"whiten": True, "ridge": 0.0}, ValueError, "ridge"),
    ],
)
def test_bad_parameters(white, params, error, message):
    X, y = white
    with pytest.raises(error, match=message):
        ReverseCorrelator(frozen(X=X, y=y), **params).fit(X, y)


def test_whitening_too_many_samples_is_refused(white, monkeypatch):
    X, y = white
    monkeypatch.setattr("eegexplain.reverse_correlation.correlator.MAX_WHITENED", 40)
    with pytest.raises(ValueError, match="45 samples"):
        ReverseCorrelator(frozen(X=X, y=y), layer="conv", whiten=True).fit(X, y)


def test_whitening_gives_learned_filters_back_on_real_eeg(real_data):
    with np.load(real_data / "uci_eeg_train.npz") as archive:
        names = list(archive["ch_names"])
        chosen = [names.index(name) for name in ("FZ", "CZ", "PZ", "OZ", "C3", "C4")]
        X, y = archive["X"][::4, chosen].astype(np.float32), archive["y"][::4]
    net = FrozenEstimator(fast_classifier(filter_width=32, sfreq=256.0).fit(X, y))
    whitened = ReverseCorrelator(net, whiten=True).fit(X, y)
    plain = ReverseCorrelator(net).fit(X, y)
    for k, learned in enumerate(net.estimator.templates_):
        found, seen = (np.corrcoef(c.templates_[k].ravel(), learned.ravel())[0, 1] for c in (whitened, plain))
        assert found > 0.99 > 0.9 > seen
