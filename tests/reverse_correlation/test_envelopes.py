"""Envelopes of bands, their means over receptive fields, and sums clustered by trial."""

import numpy as np
import pytest

from eegexplain.reverse_correlation._envelopes import ClusteredSums, Envelopes, filter_bank, mean_over_fields

SFREQ = 128.0
BANDS = {"theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0)}


def test_standard_error_equals_the_spread_over_samples():
    rng = np.random.default_rng(2)
    found, errors = [], []
    for _ in range(300):
        shared = rng.normal(size=(40, 1, 1))  # trials differ: units of a trial are not independent
        power = rng.normal(size=(40, 1, 6)) + shared
        activations = 0.5 * power + rng.normal(size=(40, 1, 6)) + shared
        sums = ClusteredSums(40, 1, 1, 1)
        sums.add_outputs(np.arange(40), activations)
        sums.add_power(np.arange(40), activations, 0, power)
        correlation, error = sums.correlation()
        found.append(correlation[0, 0]), errors.append(error[0, 0])
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.12)


def test_one_cluster_has_no_error_and_constants_no_correlation():
    sums = ClusteredSums(1, 2, 1, 1)
    activations = np.stack([np.arange(5.0), np.full(5, 3.3)])[None]
    sums.add_outputs(np.zeros(1, int), activations)
    sums.add_power(np.zeros(1, int), activations, 0, np.arange(5.0)[None, None])
    correlation, error = sums.correlation()
    np.testing.assert_allclose(correlation[:, 0], [1, 0])
    assert np.isnan(error[0, 0]) and error[1, 0] == 0
    assert np.isnan(ClusteredSums(1, 2, 1, 1).correlation()).all()


def test_envelopes_of_a_modulated_sinusoid():
    time = np.arange(512) / SFREQ
    amplitude = 2 + np.sin(2 * np.pi * 0.5 * time)
    X = (amplitude * np.cos(2 * np.pi * 10.5 * time))[None, None]
    power = np.array([band[0, 0] for band in Envelopes(BANDS, SFREQ, 512)(X)])
    np.testing.assert_allclose(power[1, 40:-40], amplitude[40:-40] ** 2, rtol=0.1)
    assert power[[0, 2], 40:-40].max() < 0.1 * power[1].max()
    (whole,) = (band[0, 0] for band in Envelopes({"all": (0.0, 64.0)}, SFREQ, 512)(X))
    np.testing.assert_allclose(whole[40:-40], amplitude[40:-40] ** 2, rtol=0.05)


def test_mean_over_fields_counts_samples_inside_the_trial_only():
    power = np.arange(6.0)
    means = mean_over_fields(power, np.array([-2, 1, 4, 9]), 3)
    np.testing.assert_allclose(means, [0, 2, 4.5, 0])


def test_filter_bank_of_the_reference():
    bands = filter_bank(250.0)
    assert list(bands)[:3] == ["1-7", "4-10", "7-13"] and bands["25-31"] == (25.0, 31.0)
    assert all(high <= 125 for _, high in bands.values())
    assert filter_bank(1.0) == {}
