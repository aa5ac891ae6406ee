"""The closed form against finite differences, explicit covariance matrices and loops."""

import numpy as np
import pytest
import torch

from eegexplain.perturbation._gradient import data_terms, independent_terms
from eegexplain.perturbation._influence import CrossSlopes, SpreadSlopes, TwiceMeasured
from eegexplain.perturbation._spectra import CrossSpectrum, Deviation, Spectra, gradient_along, gradient_spectrum
from eegexplain.perturbation.kinds import by_amplitude, by_factor

from .nets import Squares


def net_gradients(X):
    net = Squares(X.shape[1])
    x = torch.tensor(X, requires_grad=True)
    rows = [torch.autograd.grad(net(x)[:, k].sum(), x)[0].numpy() for k in range(3)]
    return lambda trials: net(torch.tensor(trials)).detach().numpy(), np.stack(rows, axis=1)


@pytest.mark.parametrize("n_times", [20, 21])
def test_amplitude_gradients_are_finite_differences(n_times):
    X = np.random.default_rng(0).normal(size=(2, 3, n_times))
    function, gradients = net_gradients(X)
    found = gradient_along(gradient_spectrum(gradients), Spectra.of(X).unit)
    expected = np.empty_like(found)
    step = 1e-5
    for channel in range(3):
        for bin_index in range(found.shape[-1]):
            moved = []
            for sign in (1, -1):
                spectrum = np.fft.rfft(X)
                phase = np.exp(1j * np.angle(spectrum[:, channel, bin_index]))
                spectrum[:, channel, bin_index] += sign * step * phase
                moved.append(function(np.fft.irfft(spectrum, n=n_times)))
            expected[:, :, channel, bin_index] = (moved[0] - moved[1]) / (2 * step)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def amplitude_map(spectrum, n_times):
    """Matrix from amplitude noise of one trial (channel x bin) to the change of its samples."""
    n_channels, n_bins = spectrum.shape
    columns = []
    for channel in range(n_channels):
        for bin_index in range(n_bins):
            change = np.zeros_like(spectrum)
            change[channel, bin_index] = np.exp(1j * np.angle(spectrum[channel, bin_index]))
            columns.append(np.fft.irfft(change, n=n_times).ravel())
    return np.array(columns).T


@pytest.mark.parametrize("multiplicative", [False, True])
@pytest.mark.parametrize("banded", [False, True])
def test_independent_terms_are_the_covariances_of_the_linear_map(banded, multiplicative):
    rng = np.random.default_rng(1)
    n_times, n_channels = 12, 3
    X, gradients = rng.normal(size=(2, n_channels, n_times)), rng.normal(size=(2, 2, n_channels, n_times))
    amount = rng.uniform(0.5, 2, (n_channels, 7))
    membership = np.array([[0, 1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0.0]]) if banded else np.eye(7)
    projector = np.eye(n_channels) - 1 / n_channels
    found, variances = independent_terms(
        gradients,
        Spectra.of(X),
        amount,
        projector=projector,
        membership=membership if banded else None,
        slope=by_factor if multiplicative else by_amplitude,
    )
    spread = np.kron(np.eye(n_channels), membership)  # (channel x band, channel x bin)
    for b in range(2):
        spectrum = np.fft.rfft(X[b])
        size = amount * np.abs(spectrum) if multiplicative else amount
        in_space = np.kron(projector, np.eye(n_times))
        effect = gradients[b].reshape(2, -1) @ in_space @ amplitude_map(spectrum, n_times) @ np.diag(size.ravel())
        covariance = effect @ spread.T
        np.testing.assert_allclose(found[b].reshape(2, -1), covariance, atol=1e-12)
        np.testing.assert_allclose(variances[b], (covariance**2).sum(axis=1), atol=1e-12)


@pytest.mark.parametrize("banded", [False, True])
@pytest.mark.parametrize("n_times", [8, 9])
def test_data_terms_are_the_covariances_of_gaussian_noise(n_times, banded):
    """Real and imaginary parts of the noise at each bin as one explicit Gaussian vector."""
    rng = np.random.default_rng(2)
    n_channels, n_bins = 3, n_times // 2 + 1
    X, gradients = rng.normal(size=(2, n_channels, n_times)), rng.normal(size=(2, 2, n_channels, n_times))
    root = rng.normal(size=(n_bins, n_channels, n_channels)) + 1j * rng.normal(size=(n_bins, n_channels, n_channels))
    root[0] = root[0].real
    if n_times % 2 == 0:
        root[-1] = root[-1].real
    cross = root @ root.conj().transpose(0, 2, 1)
    membership = np.zeros((1, n_bins))
    membership[0, 1:4] = 1
    found, variances = data_terms(gradients, Spectra.of(X), cross, membership=membership if banded else None)
    features = membership if banded else np.eye(n_bins)
    for b in range(2):
        unit = np.exp(1j * np.angle(np.fft.rfft(X[b])))
        sources, noise = [], []
        for f in range(n_bins):
            if banded and not membership[0, f]:
                continue
            real_only = f == 0 or 2 * f == n_times
            for source in range(n_channels):
                for part in [1] if real_only else [1, 1j]:
                    change = np.zeros((n_channels, n_bins), dtype=complex)
                    change[:, f] = root[f][:, source] * part / np.sqrt(2)
                    sources.append(np.fft.irfft(change, n=n_times).ravel())
                    noise.append(((change * unit.conj()).real @ features.T).ravel())
        sources, noise = np.array(sources), np.array(noise)
        change = sources @ gradients[b].reshape(2, -1).T
        correlation = (change.T @ noise) / np.sqrt((noise**2).sum(0) * (change**2).sum(0)[:, None])
        expected = found[b].reshape(2, -1) / np.sqrt(variances[b])[:, None]
        np.testing.assert_allclose(expected, correlation, atol=1e-12)


def twice_measured(gradients, X):
    spectrum = gradient_spectrum(gradients)
    return TwiceMeasured(spectrum, spectrum, Spectra.of(X))


@pytest.mark.parametrize("banded", [False, True])
def test_influence_through_the_cross_spectrum_is_its_derivative(banded):
    """Each trial's weight in the cross-spectrum is raised a little: the mean terms follow as said."""
    rng = np.random.default_rng(3)
    n_trials, n_times = 5, 8
    X, gradients = rng.normal(size=(n_trials, 3, n_times)), rng.normal(size=(n_trials, 2, 3, n_times))
    spectra, scale = Spectra.of(X), 0.1
    membership = np.array([[0, 1, 1, 0, 0], [0, 0, 1, 1, 0.0]]) if banded else None
    centre = spectra.values.mean(axis=0)
    z = scale * (spectra.values - centre)
    single = np.einsum("bcf,bdf->bfcd", z, z.conj())
    cross = single.mean(axis=0)

    def mean_terms(cross):
        covariances, variances = data_terms(gradients, spectra, cross, membership=membership)
        power = np.einsum("fcc->cf", cross).real
        size = np.sqrt(power if membership is None else power @ membership.T)
        return (covariances * size).mean(axis=0), size**2, variances.mean(axis=0)

    parts = [twice_measured(gradients[rows], X[rows]) for rows in (slice(2), slice(2, None))]
    slopes = CrossSlopes.of(parts, CrossSpectrum(cross, centre, scale), membership)
    found, base, step = slopes.influence(spectra), mean_terms(cross), 1e-6
    for b in range(n_trials):
        moved = mean_terms(cross + step * (single[b] - cross))
        by_hand = [(new - old) / step for new, old in zip(moved, base, strict=True)]
        size = np.sqrt(base[1])
        np.testing.assert_allclose(found.product[b], (by_hand[0] / size).reshape(2, -1), atol=1e-6)
        np.testing.assert_allclose(found.noise2[b], (by_hand[1] / base[1]).ravel(), atol=1e-6)
        np.testing.assert_allclose(found.change2[b], by_hand[2], atol=1e-6)


@pytest.mark.parametrize("banded", [False, True])
def test_influence_through_the_unit_is_its_derivative(banded):
    """Each trial's weight in the standard deviation is raised a little: the mean terms follow as said."""
    rng = np.random.default_rng(3)
    n_trials, n_times, step = 5, 8, 1e-6
    X, gradients = rng.normal(size=(n_trials, 3, n_times)), rng.normal(size=(n_trials, 2, 3, n_times))
    spectra = Spectra.of(X)
    membership = np.array([[0, 1, 1, 0, 0], [0, 0, 1, 1, 0.0]]) if banded else None

    def spread(weights):
        mean = np.tensordot(weights, spectra.amplitude, 1)
        return np.sqrt(np.tensordot(weights, spectra.amplitude**2, 1) - mean**2)

    def mean_terms(weights):
        terms = independent_terms(gradients, spectra, spread(weights), membership=membership)
        return [term.mean(axis=0) for term in terms]

    equal = np.full(n_trials, 1 / n_trials)
    unit = Deviation(spread(equal), spectra.amplitude.mean(axis=0))
    parts = [twice_measured(gradients[rows], X[rows]) for rows in (slice(2), slice(2, None))]
    slopes = SpreadSlopes.of(parts, unit, unit.size, membership)
    found = slopes.influence(spectra)
    base = mean_terms(equal)
    assert not found.noise2.any()
    for b in range(n_trials):
        moved = mean_terms((1 - step) * equal + step * np.eye(n_trials)[b])
        by_hand = [(new - old) / step for new, old in zip(moved, base, strict=True)]
        np.testing.assert_allclose(found.product[b], by_hand[0].reshape(2, -1), atol=1e-5)
        np.testing.assert_allclose(found.change2[b], by_hand[1], atol=1e-5)


def test_a_bin_without_amplitude_has_no_gradient():
    X = np.zeros((1, 1, 8))
    X[..., :] = np.cos(2 * np.pi * np.arange(8) / 4)
    unit = Spectra.of(X).unit
    assert np.count_nonzero(np.abs(unit) > 0.5) >= 1
    silent = Spectra.of(np.zeros((1, 1, 8)))
    assert not gradient_along(gradient_spectrum(np.ones((1, 1, 1, 8))), silent.unit).any()
