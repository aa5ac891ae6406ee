"""EnvelopeCorrelator finds planted bands above untrained weights; its sums and errors are right."""

import numpy as np
import pytest
import scipy.signal
import torch

from eegexplain import EnvelopeCorrelator
from eegexplain.reverse_correlation._envelopes import Envelopes
from tests.estimators import fast_classifier, fast_regressor
from tests.reverse_correlation.nets import frozen

SFREQ = 128.0
BANDS = {"theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0)}


def bursts(rng, frequency, n_trials=80, n_channels=3, n_times=256):
    """Noise with bursts of one rhythm at the second channel."""
    time = np.arange(n_times) / SFREQ
    strength = np.abs(scipy.signal.lfilter(np.ones(40) / 40, [1], rng.normal(size=(n_trials, n_times)), axis=-1)) * 8
    X = rng.normal(size=(n_trials, n_channels, n_times))
    X[:, 1] += strength * np.cos(2 * np.pi * frequency * time + rng.uniform(0, 6, (n_trials, 1)))
    return X.astype(np.float32), np.arange(n_trials) % 2


def tuned_kernels(frequency, width=33):
    """Two filters in quadrature at the second channel."""
    tau = (np.arange(width) - width // 2) / SFREQ
    kernels = np.zeros((2, 3, width), np.float32)
    kernels[0, 1], kernels[1, 1] = np.cos(2 * np.pi * frequency * tau), np.sin(2 * np.pi * frequency * tau)
    return kernels / width


def test_planted_band_is_found_above_the_baseline_with_its_error():
    X, y = bursts(np.random.default_rng(0), 10.0)
    net = frozen(X=X, y=y, kernels=tuned_kernels(10.0), width=33, pool=32)
    correlator = EnvelopeCorrelator(net, layer="pool", bands=BANDS, sfreq=SFREQ, random_state=0).fit(X, y)
    assert correlator.correlations_.shape == (2, 3, 3)
    for filter_map, errors in zip(correlator.correlations_, correlator.standard_errors_, strict=True):
        assert np.unravel_index(filter_map.argmax(), filter_map.shape) == (1, 1)
        assert filter_map[1, 1] > 0.8
        baseline = np.abs(correlator.baseline_correlations_).max(0)
        margin = filter_map[1, 1] - baseline[1, 1]
        assert margin > 4 * np.hypot(errors[1, 1], correlator.baseline_standard_errors_[:, 1, 1].max())
        assert np.abs(filter_map[[0, 2]]).max() < 0.2
    assert correlator.explanation_["value"].dims == ("filter", "channel", "band")


def test_correlation_equals_explicit_windows():
    X, y = bursts(np.random.default_rng(1), 20.0, n_trials=12)
    net = frozen(X=X, y=y, width=9, stride=3, padding=2, pool=4)
    correlator = EnvelopeCorrelator(net, layer="pool", bands=BANDS, sfreq=SFREQ, per_class=True, batch_size=5)
    correlator.fit(X, y)
    power = np.stack(list(Envelopes(BANDS, SFREQ, 256)(X)), axis=2)
    module = net.estimator.module_
    units = module.pool(module.conv(torch.from_numpy(X)) ** 2).detach().numpy()
    field = correlator.receptive_field_
    assert (field.size, field.stride, field.offset) == (18, 12, -2)
    inside = [(u, s) for u, s in enumerate(field.starts) if s >= 0 and s + 18 <= 256]
    windows = np.stack([power[..., s : s + 18].mean(-1) for _, s in inside], axis=-1)
    for trials, found in [
        (slice(None), correlator.correlations_),
        (y == 1, correlator.class_correlations_[1]),
    ]:
        for k in range(2):
            a = units[trials, k][:, [u for u, _ in inside]].ravel()
            for c in range(3):
                for b in range(3):
                    expected = np.corrcoef(a, windows[trials, c, b].ravel())[0, 1]
                    assert found[k, c, b] == pytest.approx(expected, abs=1e-4)


def test_transform_gives_band_powers_by_name():
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(20, 2, 64)), np.arange(20) % 2
    X[y == 1, 1] += 3 * np.cos(2 * np.pi * 10 * np.arange(64) / 64)
    correlator = EnvelopeCorrelator(fast_classifier(), layer="pool_out", ch_names=["C3", "C4"]).fit(X, y)
    names = list(correlator.get_feature_names_out())
    assert names == [f"{c}@{b}" for c in ("C3", "C4") for b in ("delta", "theta", "alpha", "beta", "gamma")]
    alpha = correlator.transform(X)[:, names.index("C4@alpha")]
    assert alpha[y == 1].min() > alpha[y == 0].max()
    assert correlator.explain(X)["value"].sel(trial=1, channel="C4", band="alpha") == alpha[1]


def test_groups_widen_the_errors_and_many_trials_are_put_into_blocks(monkeypatch):
    X, y = bursts(np.random.default_rng(4), 10.0, n_trials=40, n_times=128)
    net = frozen(X=X, y=y, width=17, pool=16)
    options = {"layer": "pool", "bands": BANDS, "sfreq": SFREQ}
    single = EnvelopeCorrelator(net, **options).fit(X, y)
    assert np.isnan(EnvelopeCorrelator(net, **options).fit(X, y, groups=np.zeros(40)).standard_errors_).all()
    monkeypatch.setattr("eegexplain.reverse_correlation._envelopes.MIN_CLUSTERS", 10)
    monkeypatch.setattr("eegexplain.reverse_correlation._envelopes.CELLS", 1)
    blocks = EnvelopeCorrelator(net, **options).fit(X, y)
    np.testing.assert_allclose(blocks.correlations_, single.correlations_, atol=1e-12)
    assert np.median(blocks.standard_errors_ / single.standard_errors_) == pytest.approx(1, abs=0.35)


def test_bad_parameters():
    X, y = np.random.default_rng(0).normal(size=(10, 2, 32)), np.arange(10) % 2
    for params, message in [({"bands": "eeeg"}, "Did you mean"), ({"bands": "filterbank", "sfreq": 2}, "filter bank"),
                            ({"layer": "pool_in"}, "pool_out")]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            EnvelopeCorrelator(fast_classifier(), **params).fit(X, y)
    with pytest.raises(ValueError, match="regressor has no classes"):
        EnvelopeCorrelator(fast_regressor(), per_class=True).fit(X, y + 0.5 * np.arange(10))


@pytest.mark.parametrize("bands", [None, "eeg", BANDS])
def test_a_sampling_frequency_at_which_trials_hold_no_cycle_is_named(bands):
    X, y = bursts(np.random.default_rng(0), 10.0, n_trials=8)
    with pytest.raises(ValueError, match="less than half a cycle of every band .* is sfreq=1e.12 Hz right"):
        EnvelopeCorrelator(fast_classifier(sfreq=SFREQ), bands=bands, sfreq=1e12).fit(X, y)
