"""Spectra in strata by their definition, kept or streamed."""

import numpy as np
import pytest

from eegexplain.models.syncnet import _spectra
from eegexplain.models.syncnet._spectra import Spectra
from eegexplain.models.syncnet._strata import frequency_strata

SFREQ = 64.0


def spectra_of(X, width=8.0):
    strata = frequency_strata((4.0, 28.0), SFREQ, X.shape[-1], width)
    return Spectra.of(X, strata, 2.0, np.float64), strata


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return 3 + np.einsum("cd,ndt->nct", rng.standard_normal((3, 3)), rng.standard_normal((70, 3, 64)))


def test_spectra_are_the_same_kept_and_streamed(X, monkeypatch):
    kept, strata = spectra_of(X)
    monkeypatch.setattr(_spectra, "KEPT_BYTES", 0)
    streamed, _ = spectra_of(X)
    assert streamed.kept is None and kept.X is None
    for field in ("cross", "power"):
        np.testing.assert_array_equal(getattr(kept.moments(), field), getattr(streamed.moments(), field))
    filters, stratum, some = np.eye(3) + 0j, np.array([2, 0, 0]), np.array([66, 3, 3])
    np.testing.assert_array_equal(
        kept.filter_powers(filters, stratum, some), streamed.filter_powers(filters, stratum)[some]
    )


def test_moments_and_filter_powers_by_their_definition(X):
    X[:, 1] *= 50.0
    spectra, strata = spectra_of(X)
    frequencies = np.fft.rfftfreq(64, 1 / SFREQ)
    drifts = np.polynomial.Polynomial.fit  # of degree 3: the slowest stratum has eight cycles in a trial
    times = np.arange(64.0)
    values = np.fft.rfft([[(own - drifts(times, own, 3)(times)) / 2 for own in trial] for trial in X], axis=-1)
    share = strata.response(frequencies) * np.where(frequencies == SFREQ / 2, 1, 2) / 64**2
    power = np.median(abs(values) ** 2 @ share.mean(axis=0), axis=0)  # of each channel, in the median trial
    size = np.sqrt(power / np.median(power))
    assert size[1] > 10
    np.testing.assert_allclose(spectra.sizes[:, 0], [1, size[1], 1])
    values /= spectra.sizes
    moments = spectra.moments()
    for s in range(len(share)):
        expected = np.einsum("f,ncf,ndf->cd", share[s], values, values.conj()) / len(X)
        np.testing.assert_allclose(np.einsum("f,fcd->cd", spectra.response[s], moments.cross), expected, atol=1e-12)
        np.testing.assert_allclose(moments.power @ spectra.response[s], (abs(values) ** 2).mean(1) @ share[s])
    filters = np.array([[1, 1j, 0], [0, 0.5 - 1j, 2]]).T
    expected = [(abs(filters[:, k].conj() @ values) ** 2) @ share[s] for k, s in enumerate((1, 2))]
    np.testing.assert_allclose(spectra.filter_powers(filters, np.array([1, 2])), np.transpose(expected))


def test_loud_trials_get_the_power_of_the_median_trial(X, monkeypatch):
    clean, _ = spectra_of(X)
    power = clean.moments().power.mean(axis=1)
    assert clean.without_loud(power) == (clean, 0)
    monkeypatch.setattr(Spectra, "channel_sizes", lambda self, trials: clean.sizes)  # two trials move the median
    X[[5, 69]] *= 1000.0
    found = []
    for kept_bytes in (2**26, 0):
        monkeypatch.setattr(_spectra, "KEPT_BYTES", kept_bytes)
        spectra, _ = spectra_of(X)
        spectra, n_loud = spectra.without_loud(spectra.moments().power.mean(axis=1))
        found.append(spectra.moments().power)
        middle = np.median(np.where(np.isin(np.arange(70), [5, 69]), np.inf, power))
        np.testing.assert_allclose(found[-1].mean(axis=1)[[5, 69]], middle, rtol=1e-10)
        np.testing.assert_allclose(found[-1].mean(axis=1)[:5], power[:5])
        assert n_loud == 2
    np.testing.assert_allclose(*found)


def test_sizes_of_channels_leave_flat_ones_and_rounding_errors_alone(X):
    X[:, 1] *= 1e4
    X[:30] = 0.0
    X[:, 2] = 1.0 + 1e-15 * X[:, 2]
    spectra, _ = spectra_of(X)
    power = spectra.moments().cross.real.diagonal(axis1=1, axis2=2).T @ spectra.response.mean(axis=0)
    assert power[0] > 1e-3
    np.testing.assert_allclose(power[1], power[0], rtol=0.2)
    assert spectra.sizes[2] == 1 and power[2] < 1e-20
