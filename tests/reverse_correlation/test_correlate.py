"""Reverse correlation against a loop over windows, and the covariance of windows against explicit windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eegexplain.reverse_correlation import reverse_correlation
from eegexplain.reverse_correlation._correlate import CrossSums, WindowCovariance


def windows_of(X, starts, width, fill=0.0):
    """All windows as ``(n_trials, n_units, n_channels, width)``, one by one."""
    out = np.empty((len(X), len(starts), X.shape[1], width))
    for unit, start in enumerate(starts):
        for lag in range(width):
            inside = 0 <= start + lag < X.shape[-1]
            out[:, unit, :, lag] = X[:, :, start + lag] if inside else fill
    return out


def pearson(a, x):
    """Correlation of ``(n, n_filters)`` with ``(n, n_channels, width)`` over the first axis."""
    a, x = a - a.mean(0), x - x.mean(0)
    norm = np.sqrt((a**2).sum(0)[:, None, None] * (x**2).sum(0))
    return np.einsum("nf,ncw->fcw", a, x) / norm


@given(
    st.integers(1, 12), st.sampled_from([0, 0.5, 1, 2, 5]), st.integers(-6, 4), st.integers(2, 9), st.integers(0, 99)
)
def test_equals_a_loop_over_windows(width, stride, offset, n_units, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(3, 1, (7, 2, 30))
    activations = rng.normal(1, 1, (7, 3, n_units))
    starts = np.floor(offset + stride * np.arange(n_units)).astype(int)
    options = {"stride": stride, "offset": offset, "batch_size": 3}
    raw = reverse_correlation(X, activations, width, normalize=False, **options)
    expected = np.einsum("nfu,nucw->fcw", activations, windows_of(X, starts, width))
    np.testing.assert_allclose(raw, expected / np.abs(activations).sum((0, 2))[:, None, None], atol=1e-12)
    level = X.mean((0, 2))
    windows = windows_of(X - level[:, None], starts, width)
    varies = windows.reshape(-1, 2, width).std(0) > 1e-9
    with np.errstate(invalid="ignore"):
        expected = pearson(
            activations.transpose(0, 2, 1).reshape(-1, 3), windows.reshape(-1, 2, width)
        )
    found = reverse_correlation(X, activations, width, **options)
    np.testing.assert_allclose(found, np.where(varies, expected, 0), atol=1e-10)


@given(st.integers(1, 10), st.integers(1, 4), st.integers(-3, 3), st.integers(2, 6))
def test_covariance_of_windows_equals_explicit_windows(width, stride, offset, n_units):
    rng = np.random.default_rng(0)
    X = rng.normal(5, 1, (9, 2, 40)).cumsum(-1)
    starts = offset + stride * np.arange(n_units)
    level = X.mean((0, 2))
    moments = CrossSums(starts, width, 40, level)
    covariance = WindowCovariance(moments, 2)
    covariance.add(X[:4]), covariance.add(X[4:])
    windows = windows_of(X - level[:, None], starts, width).reshape(-1, 2 * width)
    expected = np.cov(windows.T, bias=True).reshape(2 * width, -1)
    np.testing.assert_allclose(np.tril(covariance.matrix()), np.tril(expected), atol=1e-8)


def test_whitening_equals_ridge_regression_on_explicit_windows():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20, 3, 60)).cumsum(-1)
    starts, width = np.arange(0, 50, 2), 6
    activations = rng.normal(size=(20, 2, len(starts)))
    moments = CrossSums(starts, width, 60, X.mean((0, 2)))
    covariance = WindowCovariance(moments, 3)
    moments.add(X, activations), covariance.add(X)
    windows = windows_of(X, starts, width).reshape(-1, 18)
    centred = windows - windows.mean(0)
    gram = centred.T @ centred / len(windows)
    target = activations.transpose(0, 2, 1).reshape(-1, 2)
    ridge = 1e-3 * np.trace(gram) / 18
    expected = np.linalg.solve(gram + ridge * np.eye(18), centred.T @ (target - target.mean(0)) / len(windows))
    whitening = covariance.whitening(1e-3)
    found = whitening.solve(moments.covariance())
    freedom = np.trace(np.linalg.solve(gram + ridge * np.eye(18), gram))
    np.testing.assert_allclose(whitening.degrees_of_freedom(), freedom, rtol=1e-9)
    np.testing.assert_allclose(found.reshape(2, 18), expected.T, rtol=1e-6, atol=1e-9)


def test_merging_equals_one_pass_and_units_do_not_matter():
    rng = np.random.default_rng(2)
    X, activations = rng.normal(size=(10, 2, 40)), rng.normal(size=(10, 3, 31))
    parts = [CrossSums(np.arange(31), 10, 40, np.zeros(2)) for _ in range(2)]
    parts[0].add(X[:3], activations[:3]), parts[1].add(X[3:], activations[3:])
    whole = reverse_correlation(X, activations, 10)
    np.testing.assert_allclose((parts[0] + parts[1]).correlation(), whole, atol=1e-10)
    np.testing.assert_allclose(reverse_correlation(X * 1e-6, activations * 1e3, 10), whole, atol=1e-10)
    single = reverse_correlation(X.astype("f4") + 500, activations.astype("f4"), 10)
    np.testing.assert_allclose(single, whole, atol=1e-4)


def test_blocks_of_filters_do_not_show(monkeypatch):
    rng = np.random.default_rng(4)
    X, activations = rng.normal(size=(6, 2, 40)), rng.normal(size=(6, 5, 31))
    whole = reverse_correlation(X, activations, 10)
    monkeypatch.setattr("eegexplain.reverse_correlation._correlate.BLOCK", 2 * 40 * 2)
    np.testing.assert_allclose(reverse_correlation(X, activations, 10), whole, atol=1e-13)


def test_constant_units_and_channels_give_zeros():
    rng = np.random.default_rng(3)
    X, activations = rng.normal(size=(5, 2, 20)), rng.normal(size=(5, 2, 16))
    X[:, 1], activations[:, 1] = 7.7, 0.1
    templates = reverse_correlation(X, activations, 5)
    assert not templates[1].any() and not templates[:, 1].any() and templates[0, 0].any()
    assert not reverse_correlation(X, 0 * activations, 5, normalize=False).any()


def test_other_trials_are_refused():
    with pytest.raises(ValueError, match="same trials"):
        reverse_correlation(np.zeros((3, 2, 10)), np.zeros((4, 2, 10)), 3)
