"""Bins and bands, by explicit lists."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from eegexplain._bands import band_masks, bin_weights, frozen_bins


def test_only_dc_and_the_nyquist_bin_of_even_lengths_have_no_phase_and_no_twin():
    for n_times, frozen in [(8, [0, 4]), (9, [0]), (2, [0, 1]), (1, [0]), (3, [0])]:
        assert_array_equal(np.flatnonzero(frozen_bins(n_times)), frozen)
        assert_array_equal(np.flatnonzero(bin_weights(n_times) == 1), frozen)
        x = np.random.default_rng(0).normal(size=n_times)
        assert_allclose((bin_weights(n_times) * np.abs(np.fft.rfft(x)) ** 2).sum() / n_times, x @ x)


def test_a_band_has_its_lower_limit_and_not_its_upper_one():
    frequencies = np.arange(6.0)
    found = band_masks(frequencies, {"a": (0, 2), "b": (2, 5), "c": (1.5, 2.5)})
    assert_array_equal(found, [[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0], [0, 0, 1, 0, 0, 0]])
    assert found.dtype == bool and band_masks(frequencies, {}).shape == (0, 6)
