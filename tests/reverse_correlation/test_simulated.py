"""On simulated EEG: units that use planted rhythms show them, above untrained weights, with the right frequency."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from eegexplain import EnvelopeCorrelator, ReverseCorrelator, SinusoidFitter
from eegexplain.datasets import make_oscillatory_eeg
from tests.reverse_correlation.nets import frozen


@pytest.fixture(scope="module")
def planted():
    """Simulated trials and a network with one filter per planted rhythm, at its strongest channel."""
    eeg = make_oscillatory_eeg(n_trials=80, random_state=0)
    frequencies = np.fft.rfftfreq(eeg.X.shape[-1], 1 / eeg.sfreq)
    power = np.abs(eeg.truth.effect).max(axis=0)  # (n_channels, n_frequencies)
    cells, seen = [], np.zeros(len(frequencies), bool)
    for flat in np.argsort(-power, axis=None):
        channel, bin_ = np.unravel_index(flat, power.shape)
        if not seen[np.abs(frequencies - frequencies[bin_]) < 5].any():
            cells.append((channel, frequencies[bin_]))
            seen[bin_] = True
        if len(cells) == 2:
            break
    tau = (np.arange(65) - 32) / eeg.sfreq
    kernels = np.zeros((2, len(eeg.ch_names), 65), np.float32)
    for k, (channel, frequency) in enumerate(cells):
        kernels[k, channel] = np.cos(2 * np.pi * frequency * tau) / 65
    net = frozen(X=eeg.X, y=eeg.y, kernels=kernels, n_channels=len(eeg.ch_names), width=65, pool=32)
    return eeg, cells, net


def test_envelopes_find_the_planted_bands(planted):
    eeg, cells, net = planted
    bands = {f"{f:.0f} Hz": (f - 2.5, f + 2.5) for f in (6.0, cells[0][1], 16.0, cells[1][1], 30.0)}
    names = {"sfreq": eeg.sfreq, "ch_names": eeg.ch_names}
    correlator = EnvelopeCorrelator(net, layer="pool", bands=bands, random_state=0, **names).fit(eeg.X, eeg.y)
    for k, (channel, frequency) in enumerate(cells):
        band = list(bands).index(f"{frequency:.0f} Hz")
        found, error = correlator.correlations_[k, channel, band], correlator.standard_errors_[k, channel, band]
        assert found == correlator.correlations_[k].max() > 0.8
        chance = np.abs(correlator.baseline_correlations_[:, channel, band]).max()
        spread = correlator.baseline_standard_errors_[:, channel, band].max()
        assert found - chance > 4 * np.hypot(error, spread)


def test_sinusoids_of_reverse_correlations_have_the_planted_frequencies(planted):
    eeg, cells, net = planted
    names = {"sfreq": eeg.sfreq, "ch_names": eeg.ch_names}
    reverse = ReverseCorrelator(net, layer="conv", **names)
    fitter = SinusoidFitter(reverse, **names).fit(eeg.X, eeg.y)
    for k, (channel, frequency) in enumerate(cells):
        assert fitter.params_sin_[k, channel, 0] == pytest.approx(frequency, abs=0.6)
        assert fitter.r2_sin_[k, channel] > 0.9 and fitter.aic_difference_[k, channel] > 0
        assert np.abs(fitter.estimator_.templates_[k]).max(-1).argmax() == channel
    held_out = SinusoidFitter(FrozenEstimator(fitter.estimator_), **names).fit(eeg.X[:40], eeg.y[:40])
    expected = fitter.explain_population(eeg.X[:40], eeg.y[:40])["value"].values
    np.testing.assert_allclose(held_out.params_sin_, expected, rtol=1e-6)
    assert not np.allclose(held_out.params_sin_, fitter.params_sin_, rtol=1e-6)
