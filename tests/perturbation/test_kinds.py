"""Kinds of perturbation: what they change, what they leave, and what a user's own may not do."""

import numpy as np
import pytest

from eegexplain.perturbation._sampling import perturb
from eegexplain.perturbation._spectra import Spectra, column_space, data_scale
from eegexplain.perturbation.kinds import KINDS, Setting, resolve_kind, with_data_noise


def disturbed(kind, X, *, amount=1.0, n_draws=4, membership=None, projector=None, seed=0):
    n_bins = X.shape[-1] // 2 + 1
    setting = Setting(np.full((X.shape[1], n_bins), amount), n_draws, membership)
    kind = resolve_kind(kind)
    new, values = perturb(Spectra.of(X), kind, setting, np.random.default_rng(seed), projector)
    return new.reshape(n_draws, *X.shape), values


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(5, 3, 16))


@pytest.mark.parametrize("n_times", [15, 16])
@pytest.mark.parametrize("kind", ["phase", "lag"])
def test_phase_kinds_keep_every_amplitude_and_leave_dc_and_nyquist_alone(kind, n_times):
    X = np.random.default_rng(0).normal(size=(5, 3, n_times))
    new, values = disturbed(kind, X)
    before, after = np.fft.rfft(X), np.fft.rfft(new)
    np.testing.assert_allclose(np.abs(after), np.abs(before)[None].repeat(4, 0), atol=1e-12)
    frozen = [0, -1] if n_times % 2 == 0 else [0]
    np.testing.assert_allclose(after[..., frozen], before[None][..., frozen].repeat(4, 0), atol=1e-12)
    assert not values[..., frozen].any()
    shift = np.abs(np.angle(after / before))
    np.testing.assert_allclose(np.broadcast_to(values, shift.shape), shift, atol=1e-5)


def test_phase_shifts_all_channels_alike_and_lag_one_in_n_channels(X):
    _, values = disturbed("phase", X)
    assert values.shape == (4, 5, 1, 9)
    _, values = disturbed("lag", np.random.default_rng(1).normal(size=(40, 4, 64)))
    share = (values[..., 1:-1] > 0).mean()
    assert abs(share - 0.25) < 0.01


@pytest.mark.parametrize("kind", ["additive", "multiplicative"])
def test_amplitude_kinds_move_along_the_phase_and_report_the_noise(kind, X):
    new, values = disturbed(kind, X, amount=0.8)
    before, after = np.fft.rfft(X)[None], np.fft.rfft(new)
    along = after * np.exp(-1j * np.angle(before))
    np.testing.assert_allclose(along.imag, 0, atol=1e-12)
    change = along.real - np.abs(before) if kind == "additive" else along.real / np.abs(before) - 1
    np.testing.assert_allclose(values, change, atol=1e-6)
    assert abs(values.std() - 0.8) < 0.05


def test_band_noise_is_shared_by_the_bins_of_a_band_and_leaves_other_bins_alone(X):
    membership = np.zeros((1, 9), dtype=np.float32)
    membership[0, 2:5] = 1
    _, values = disturbed("multiplicative", X, amount=0.1, membership=membership)
    assert np.ptp(values[..., 2:5], axis=-1).max() < 1e-7
    assert not values[..., [0, 1, 5, 6, 7, 8]].any()


@pytest.mark.parametrize("n_times", [15, 16])
def test_data_noise_has_the_cross_spectrum_of_the_trials(n_times):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3, 3)) @ rng.normal(size=(400, 3, n_times)) + 5
    scale = data_scale(X, cross=True)
    kind = with_data_noise(KINDS["additive"], scale.cross.cross)
    new, _ = disturbed(kind, X[:2], n_draws=4000)
    added = np.fft.rfft(new - X[:2]).reshape(-1, *scale.spread.shape)
    found = np.einsum("ncf,ndf->fcd", added, added.conj()) / len(added)
    expected = scale.cross.cross.copy()
    expected[[0, -1] if n_times % 2 == 0 else [0]] /= 2  # real bins hold half the variance, in the real part
    assert np.abs(found - expected).max() < 0.08 * np.abs(expected).max()
    empirical = np.fft.rfft(X)
    empirical = empirical - empirical.mean(axis=0)
    covariance = np.einsum("ncf,ndf->fcd", empirical, empirical.conj()) / 400
    np.testing.assert_allclose(scale.cross.cross, covariance, atol=1e-8)


def test_perturbed_trials_stay_in_the_space_of_the_data(X):
    X = X - X.mean(axis=1, keepdims=True)
    scale = data_scale(X)
    assert scale.rank == 2
    new, _ = disturbed("additive", X, projector=scale.projector)
    np.testing.assert_allclose(new.mean(axis=2), 0, atol=1e-12)
    assert np.abs(disturbed("additive", X)[0].mean(axis=2)).max() > 0.01


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


def test_own_function_is_given_read_only_arrays_and_must_return_their_shapes(X):
    def halve(amps, phases, rng):
        return amps / 2, phases, rng.random(amps.shape)

    new, values = disturbed(halve, X)
    np.testing.assert_allclose(new, np.broadcast_to(X / 2, new.shape), atol=1e-12)
    assert values.shape == (4, 5, 3, 9)

    def in_place(amps, phases, rng):
        amps *= 2
        return amps, phases, amps

    with pytest.raises(ValueError, match="changes its input in place"):
        disturbed(in_place, X)
    with pytest.raises(ValueError, match="three arrays"):
        disturbed(lambda amps, phases, rng: amps, X)
    with pytest.raises(ValueError, match=r"values \(5, 3\)"):
        disturbed(lambda amps, phases, rng: (amps, phases, amps[..., 0]), X)


def test_unknown_kind_is_suggested():
    with pytest.raises(ValueError, match="Did you mean 'additive'"):
        resolve_kind("aditive")


def test_every_kind_declares_what_it_does():
    for name, kind in KINDS.items():
        assert kind.name == name
        assert kind.formula
        assert kind.noise
