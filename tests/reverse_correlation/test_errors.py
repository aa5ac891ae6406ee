"""Standard errors of templates: influences against the jackknife, coverage, independence of order and names."""

import numpy as np
import pytest
import scipy.stats

from eegexplain import ReverseCorrelator
from eegexplain.reverse_correlation import _errors
from eegexplain.reverse_correlation._correlate import CrossSums, WindowCovariance, channel_level
from tests.reverse_correlation.nets import frozen

N_TRIALS = 40
KINDS = {"correlation": {}, "weighted": {"normalize": False}, "whitened": {"whiten": True}}


def coloured(n_trials=N_TRIALS, seed=0):
    """Trials of coloured noise whose strength differs: windows of one trial are anything but independent."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_trials, 3, 90))
    X = np.cumsum(X, axis=-1) * 0.3 + X + 2.0
    return X * rng.uniform(0.5, 2.0, (n_trials, 1, 1)), np.arange(n_trials) % 2


X, Y = coloured()


def jackknife(correlator, groups):
    """Standard error from maps that leave out one group at a time."""
    names = np.unique(groups)
    maps = [correlator.explain_population(X[groups != name], Y[groups != name])["value"].values for name in names]
    return np.sqrt((len(names) - 1) * np.var(maps, axis=0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", [{}, {"stride": 3, "padding": 4}])
def test_errors_are_those_of_the_jackknife(kind, settings):
    correlator = ReverseCorrelator(frozen(X=X, y=Y, **settings), layer="conv", **KINDS[kind]).fit(X, Y)
    assert correlator.standard_errors_.shape == correlator.templates_.shape
    ratio = correlator.standard_errors_ / jackknife(correlator, np.arange(N_TRIALS))
    assert 0.92 < np.median(ratio) < 1.05 and ratio.min() > 0.8 and ratio.max() < 1.1  # curvature: 40 unequal trials
    groups = np.arange(N_TRIALS) // 5
    clustered = correlator.explain_population(X, Y, groups=groups)["standard_error"].values
    ratio = clustered / jackknife(correlator, groups)
    assert 0.9 < np.median(ratio) < 1.1 and ratio.min() > 0.65 and ratio.max() < 1.3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("groups", [None, np.arange(N_TRIALS) % 7])
def test_order_of_trials_names_of_groups_and_batches_change_nothing(kind, groups, monkeypatch):
    correlator = ReverseCorrelator(frozen(X=X, y=Y), layer="conv", **KINDS[kind]).fit(X, Y, groups=groups)
    order = np.random.default_rng(0).permutation(N_TRIALS)
    renamed = None if groups is None else np.array([f"s{9 - group}" for group in groups])[order]
    monkeypatch.setattr("eegexplain.reverse_correlation.correlator.KEPT", 0)  # outputs are computed again
    monkeypatch.setattr(_errors, "BLOCK", 400)
    other = correlator.set_params(batch_size=7).explain_population(X[order], Y[order], groups=renamed)
    np.testing.assert_allclose(other["value"], correlator.templates_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(other["standard_error"], correlator.standard_errors_, rtol=1e-4)


def test_classes_have_the_errors_of_their_own_trials():
    net = frozen(X=X, y=Y)
    dataset = ReverseCorrelator(net, layer="conv", per_class=True).fit(X, Y).explanation_
    for code in (0, 1):
        alone = ReverseCorrelator(net, layer="conv").fit(X[Y == code], Y[Y == code])
        np.testing.assert_allclose(dataset["class_standard_error"][code], alone.standard_errors_, rtol=1e-4)
    both = ReverseCorrelator(net, layer="conv", per_class=True).fit(X, Y)
    held_out = both.explain_population(X[:9], np.zeros(9, int))
    assert np.isnan(held_out["class_standard_error"].sel(output="1")).all()


def test_too_few_trials_groups_or_windows_have_no_error():
    net = frozen(X=X, y=Y)
    one_group = ReverseCorrelator(net, layer="conv").fit(X, Y, groups=np.zeros(N_TRIALS))
    assert np.isnan(one_group.standard_errors_).all() and np.isfinite(one_group.templates_).all()
    few = ReverseCorrelator(net, layer="pool", whiten=True).fit(X[:8], Y[:8])  # about as many windows as parameters
    assert np.isnan(few.standard_errors_).all()


def test_lagged_products():
    rng = np.random.default_rng(0)
    positions, width = np.arange(0, 300, 3), 7
    units, x = rng.normal(size=(2, 4, 100)), rng.normal(size=(2, 3, 310))
    found = _errors.lagged_products(units, x, positions, width)
    windows = np.stack([x[..., start : start + width] for start in positions], axis=2)
    np.testing.assert_allclose(found, np.einsum("bfu,bcuw->bfcw", units, windows), atol=1e-10)


def unit_trials(n_trials, rng, kernel):
    """Trials with a spread of their own, and outputs of one noisy linear unit."""
    X = np.cumsum(rng.normal(size=(n_trials, 2, 60)), axis=-1)
    X = (X - X.mean(axis=-1, keepdims=True)) * rng.uniform(0.5, 1.5, (n_trials, 1, 1))
    windows = np.lib.stride_tricks.sliding_window_view(X, 5, axis=-1)
    units = np.einsum("ncuw,cw->nu", windows, kernel)
    return X, (units + rng.normal(size=units.shape) + rng.normal(size=(n_trials, 1)))[:, None]


def estimate(kind, X, units, groups=None):
    moments = CrossSums(np.arange(units.shape[-1]), 5, X.shape[-1], channel_level(X) * (kind != "weighted"))
    moments.add(X, units)
    if kind == "whitened":
        auto = WindowCovariance(moments, X.shape[1])
        auto.add(X)
        influence = _errors.WhitenedInfluence(moments, auto, 1e-4)
    else:
        correlation = kind == "correlation"
        influence = (_errors.CorrelationInfluence if correlation else _errors.WeightedInfluence)(moments)
    codes = np.zeros(len(X), int)
    batches = [(slice(0, len(X)), units)]
    return influence.template, _errors.template_errors({None: influence}, batches, X, groups, codes)[None]


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_the_template_of_many_trials(kind):
    rng = np.random.default_rng(1)
    kernel = rng.normal(size=(2, 5))
    truth, _ = estimate(kind, *unit_trials(20000, rng, kernel))
    limit = scipy.stats.t.ppf(0.975, 59)
    covered = []
    for _ in range(100):
        template, error = estimate(kind, *unit_trials(60, rng, kernel))
        covered.append(np.abs(template - truth) <= limit * error)
    assert 0.90 <= np.mean(covered) <= 0.98
