"""Cells: what they take, that taking twice is taking once, and that hybrids keep the covariance of trials."""

import numpy as np
import pytest

from eegexplain.information._cells import (
    Cell,
    Part,
    band_parts,
    bin_parts,
    channel_pairs,
    covariance,
    filter_pair,
    innovation_pairs,
    window_parts,
)

RNG = np.random.default_rng(0)
MIX = RNG.standard_normal((5, 5))
X = (MIX @ RNG.standard_normal((400, 5, 64))).astype(np.float32)
NAMES = list("abcde")


def test_bands_take_their_bins():
    t = np.arange(128) / 128
    slow, fast = np.sin(2 * np.pi * 10 * t), np.cos(2 * np.pi * 20 * t)
    alpha, beta = band_parts({"alpha": (8, 13), "beta": (13, 30)}, 128.0, 128)
    np.testing.assert_allclose(alpha.of(slow + fast + 3), slow, atol=1e-12)
    np.testing.assert_allclose(beta.of(slow + fast + 3), fast, atol=1e-12)


def test_bins_are_neighbors_without_gaps():
    parts = bin_parts(128.0, 256)
    assert [part.name for part in parts][:2] == ["2", "4"] and len(parts) == 22
    total = np.sum([part.bins for part in parts], axis=0)
    frequencies = np.fft.rfftfreq(256, 1 / 128)
    np.testing.assert_array_equal(total, (frequencies >= 1) & (frequencies < 45))
    with pytest.raises(ValueError, match="would be empty"):
        bin_parts(128.0, 32)


@pytest.mark.parametrize("windows", [4, [0.0, 0.1, 0.3, 0.5]])
def test_windows_add_up_to_the_trial(windows):
    parts = window_parts(windows, 128.0, 64)
    assert len(parts) == (4 if windows == 4 else 3)
    np.testing.assert_allclose(np.sum([part.weights for part in parts], axis=0), 1.0, atol=1e-12)
    for part in parts:
        assert part.weights.min() > -1e-12 and part.weights.max() > 0.99
    assert parts[0].name.startswith("0-0.1")
    with pytest.raises(ValueError, match="rise from 0 to at most 0.5"):
        window_parts([0.0, 0.6], 128.0, 64)


@pytest.mark.parametrize("make", [channel_pairs, innovation_pairs])
def test_to_take_twice_is_to_take_once_and_the_rest_is_uncorrelated(make):
    part = Part("all")
    C = covariance(X, part)
    np.testing.assert_allclose(C, np.cov(X.transpose(1, 0, 2).reshape(5, -1), bias=True), rtol=0.02, atol=0.05)
    for pair in make(NAMES, C):
        once = Cell(part, pair).of(X.astype(float))
        np.testing.assert_allclose(Cell(part, pair).of(once), once, atol=1e-9)
        P = pair.patterns @ pair.filters.T
        np.testing.assert_allclose(P @ C @ (np.eye(5) - P).T, 0, atol=1e-9 * np.abs(C).max())


def test_channels_show_what_they_show_and_innovations_what_no_other_does():
    C = covariance(X, Part("all"))
    shown, own = channel_pairs(NAMES, C)[2], innovation_pairs(NAMES, C)[2]
    np.testing.assert_allclose(Cell(Part("all"), shown).of(X)[:, 2], X[:, 2], rtol=1e-5)
    np.testing.assert_allclose(own.patterns[:, 0] / own.patterns[2, 0], np.eye(5)[2], atol=1e-9)
    others = np.delete(np.arange(5), 2)
    flat = X.transpose(1, 0, 2).reshape(5, -1).astype(float)
    predicted = np.linalg.lstsq(flat[others].T, flat[2], rcond=None)[0] @ flat[others]
    rest = Cell(Part("all"), own).of(X.astype(float)).transpose(1, 0, 2).reshape(5, -1)[2]
    assert np.corrcoef(rest, flat[2] - predicted)[0, 1] > 0.999


def test_filters_that_see_the_same_are_refused():
    with pytest.raises(ValueError, match="see nothing in these data, or the same"):
        filter_pair("both", np.ones((5, 2)), covariance(X, Part("all")))
