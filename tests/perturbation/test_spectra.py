"""Spectra, gradients over amplitudes and the scale of a data set, by explicit sums."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from eegexplain.perturbation import _spectra
from eegexplain.perturbation._spectra import (
    Spectra,
    column_space,
    data_scale,
    gradient_along,
    gradient_spectrum,
    part_size,
)


def trials(n_trials=40, n_channels=3, n_times=16):
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(n_channels, n_channels))
    return np.einsum("cd,ndt->nct", mixing, rng.normal(size=(n_trials, n_channels, n_times))) + 2.0


def test_parts_are_a_constant_of_the_problem():
    assert [part_size(shape) for shape in [(1, 10), (64, 128), (64, 4096), (128, 4096)]] == [32, 32, 1, 1]
    assert part_size((32, 1000)) == 2**18 // 32_000


@pytest.mark.parametrize("n_times", [15, 16])
def test_gradients_over_amplitudes_are_those_of_the_inverse_transform(n_times):
    X, rng = trials(2, 3, n_times), np.random.default_rng(1)
    X[0, 1] = 0  # no amplitude, no phase
    spectra, gradients = Spectra.of(X), rng.normal(size=(2, 4, 3, n_times))
    projector = np.eye(3) - 1 / 3
    assert_allclose(spectra.amplitude * spectra.unit, np.fft.rfft(X), atol=1e-12)
    assert not spectra.unit[0, 1].any() and spectra.n_times == n_times
    for matrix, given in [(np.eye(3), None), (projector, projector)]:
        found = gradient_along(gradient_spectrum(gradients, given), spectra.unit)
        for trial, output, channel, k in np.ndindex(2, 4, 3, n_times // 2 + 1):
            single = np.zeros(n_times // 2 + 1, complex)
            single[k] = spectra.unit[trial, channel, k]
            wave = np.fft.irfft(single, n=n_times)
            assert_allclose(found[trial, output, channel, k], (matrix @ gradients[trial, output])[channel] @ wave,
                            atol=1e-12)  # fmt: skip


@pytest.mark.parametrize("values", [2**18, 300])  # one block of trials, or several
def test_scale_of_a_data_set(monkeypatch, values):
    monkeypatch.setattr(_spectra, "_VALUES", values)
    X = trials()
    spectrum = np.fft.rfft(X)
    amplitude = np.abs(spectrum)
    scale = data_scale(X, cross=True)
    assert_allclose(scale.spread, amplitude.std(0), rtol=1e-9)
    centered = spectrum - spectrum.mean(0)
    assert_allclose(scale.cross.cross, np.einsum("ncf,ndf->fcd", centered, centered.conj()) / 40, atol=1e-10)
    assert_allclose(scale.cross.centre, spectrum.mean(0), atol=1e-10)
    assert scale.projector is None and scale.rank == 3
    plain = data_scale(X)
    assert plain.cross is None
    median = np.median(amplitude, axis=0)
    assert_allclose(data_scale(X, scale_by="mad").spread, 1.4826 * np.median(np.abs(amplitude - median), axis=0))
    assert_array_equal(data_scale(X, scale_by="absolute").spread, 1)


def test_bins_that_are_constant_over_trials_have_no_spread():
    X = trials()
    X[:, 0] -= X[:, 0].mean(-1, keepdims=True) - 1e3  # the mean of the first channel is the same in every trial
    X[:, 2] = 0.0
    scale = data_scale(X, cross=True)
    assert scale.spread[0, 0] == 0 and not scale.spread[2].any()
    assert np.all(scale.spread[0, 1:] > 0) and np.all(scale.spread[1] > 0)
    cross = scale.cross.cross
    assert not cross[:, 2].any() and not cross[:, :, 2].any() and not cross[0, 0].any()
    X[:, 2] = np.sin(np.arange(16.0))  # a difference of squares: equal up to the root of rounding
    assert data_scale(X).spread[2].max() < 1e-6


def test_the_space_that_channels_fill_whatever_their_units():
    X = trials(n_channels=4)
    X -= X.mean(1, keepdims=True)  # average reference: 3 dimensions
    X[:, 1] *= 1e6
    scale = data_scale(X)
    samples = X.transpose(1, 0, 2).reshape(4, -1)
    assert scale.rank == 3
    assert_allclose(scale.projector @ samples, samples, rtol=1e-6, atol=1e-6 * np.abs(samples).max(1).min())
    assert_allclose(np.trace(scale.projector), 3)
    assert_allclose(scale.projector @ scale.projector, scale.projector, atol=1e-9)
    assert data_scale(X, subspace="full").projector is None
    assert data_scale(trials(n_channels=4)).projector is None
    projector, rank = column_space(np.diag([0.0, 2.0]))
    assert rank == 1
    assert_allclose(projector, [[0, 0], [0, 1]])
    projector, rank = column_space(np.zeros((2, 2)))
    assert rank == 0 and not projector.any()


def test_rank_counts_dimensions_whatever_the_units():
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(4, 500)) * np.array([[1e-6], [1], [1e3], [0]])
    projector, rank = column_space(samples @ samples.T)
    assert rank == 3
    np.testing.assert_allclose(projector, np.diag([1, 1, 1, 0]), atol=1e-9)
    assert column_space(np.zeros((2, 2)))[1] == 0


@pytest.mark.parametrize("scale_by", ["sd", "mad", "absolute"])
def test_spread_over_trials_is_zero_for_constant_bins(scale_by):
    X = np.random.default_rng(0).normal(size=(70, 2, 16)).astype(np.float32)
    X -= X.mean(axis=-1, keepdims=True)
    X += np.float32(40)  # the same offset in every trial: a constant bin up to rounding
    spread = data_scale(X, scale_by=scale_by).spread
    amplitude = np.abs(np.fft.rfft(X.astype(float)))
    if scale_by == "absolute":
        assert np.all(spread == 1)
        return
    assert not spread[:, 0].any()
    deviation = np.abs(amplitude - np.median(amplitude, axis=0))
    expected = amplitude.std(axis=0) if scale_by == "sd" else 1.4826 * np.median(deviation, axis=0)
    np.testing.assert_allclose(spread[:, 1:], expected[:, 1:], rtol=1e-4)
