"""The synchrony task: covariances, spectra and lags are measured in large samples."""

import numpy as np
import pytest

from eegexplain.datasets import ideal_observer_accuracy, make_synchrony_eeg, synchrony


@pytest.mark.parametrize("equal_power", [True, False])
def test_covariance_is_the_authors(equal_power):
    eeg = make_synchrony_eeg(8000, n_channels=3, sfreq=40.0, duration=0.5, noise_variance=0.1, equal_power=equal_power,
                             random_state=0)  # fmt: skip
    s = np.linspace(0.5, 2, 3) * np.exp(2j * np.pi * np.arange(3) / 3)
    apart = np.eye(3) + (np.diag(np.abs(s) ** 2) if equal_power else 0)
    for k, across in enumerate([apart, np.eye(3) + np.outer(s, s.conj())]):
        X = eeg.X[eeg.y == k]
        for c, d, t, u in [(0, 0, 3, 3), (1, 2, 5, 5), (0, 2, 4, 7), (2, 1, 10, 8), (2, 2, 0, 4)]:
            gap = (t - u) / 40.0
            expected = (across[c, d] * np.exp(2j * np.pi * 10 * gap)).real * np.exp(-40 * gap**2)
            expected += 0.1 * (c == d and t == u)
            assert abs((X[:, c, t] * X[:, d, u]).mean() - expected) < 0.25


@pytest.mark.parametrize("equal_power", [True, False])
def test_power_and_effect_are_those_of_a_large_sample(equal_power):
    eeg = make_synchrony_eeg(6000, equal_power=equal_power, noise_variance=2.0, random_state=1)
    weight = np.r_[1, np.full(24, 2), 1] / 50**2
    measured = np.array([(np.abs(np.fft.rfft(eeg.X[eeg.y == k])) ** 2).mean(axis=0) * weight for k in (0, 1)])
    np.testing.assert_allclose(measured / eeg.truth.power, 1, atol=0.15)
    if equal_power:
        np.testing.assert_allclose(eeg.truth.effect, 0, atol=1e-12)
    else:
        assert eeg.truth.effect[1, -1, 10] > 0.5
        np.testing.assert_allclose(eeg.truth.effect[1], np.log(measured[1] / measured[0]), atol=0.2)


def test_lags_come_back_from_cross_spectra_of_the_synchronous_class():
    eeg = make_synchrony_eeg(4000, random_state=2)
    spectra = np.fft.rfft(eeg.X)[:, :, 10]
    lags = {k: np.angle((spectra * spectra[:, -1:].conj())[eeg.y == k].mean(axis=0)) for k in (0, 1)}
    expected = eeg.truth.lags - eeg.truth.lags[-1]
    strong = eeg.truth.patterns[0] >= 1
    assert np.abs(np.angle(np.exp(1j * (lags[1] - expected))))[strong].max() < 0.15
    assert np.abs(np.angle(np.exp(1j * (lags[0] - expected))))[strong].max() > 0.5
    wave = np.cos(2 * np.pi * 10 * np.arange(50) / 50.0 + 1.0)  # the sign convention of truth.lags
    assert abs(np.angle(np.fft.rfft(wave)[10]) - 1.0) < 1e-9


def test_ideal_observer_is_between_chance_and_certainty():
    easy, hard = (make_synchrony_eeg(4, noise_variance=v, random_state=0) for v in (8.0, 200.0))
    assert 0.95 < ideal_observer_accuracy(easy, 500, random_state=0) < 1
    assert 0.5 < ideal_observer_accuracy(hard, 500, random_state=0) < 0.7
    authors = make_synchrony_eeg(4, equal_power=False, random_state=0)
    assert ideal_observer_accuracy(authors, 500, random_state=0) > 0.9


def test_truth_marks_the_rhythm():
    eeg = make_synchrony_eeg(4, random_state=0)
    assert (eeg.truth.role[-1, 9:12] == "informative").all()
    assert (eeg.truth.role[:, 20:] == "irrelevant").all()


def test_random_state_alone_decides():
    first, again, other = (make_synchrony_eeg(10, random_state=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.X, again.X)
    assert not np.array_equal(first.X, other.X)
    assert np.bincount(first.y).tolist() == [5, 5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frequency": 25.0}, "Nyquist frequency 25 Hz"),
        ({"n_channels": 1}, "At least 2 channels"),
        ({"n_trials": 1}, "2 trials"),
        ({"duration": np.inf}, "8 samples"),
        ({"sfreq": -1.0}, "sfreq"),
        ({"noise_variance": 0.0}, "noise_variance"),
        ({"noise_variance": np.inf}, "both finite"),
        ({"n_channels": 2.5}, "n_channels is 2.5"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_synchrony_eeg(**arguments)


@pytest.mark.parametrize("decay", [0.0, 1e-12, 0.01, 2.0, 40.0, 1e6])
@pytest.mark.parametrize("duration", [0.6, 5.0])
def test_long_trials_have_the_law_of_short_ones(decay, duration, monkeypatch):
    """Every way to draw, brought to short trials, gives the covariance and the spectrum of the whole matrix."""
    law = synchrony.SynchronyLaw(np.eye(2)[None], 10.0, decay, 50.0, int(50 * duration), 1.0)
    monkeypatch.setattr(synchrony, "_DENSE", 0)
    n_white, color = synchrony.coloring(law)
    response = color(np.eye(n_white))
    np.testing.assert_allclose(response.T @ response.conj(), law.along, atol=1e-12)
    waves = np.fft.rfft(np.eye(law.n_times))
    power = np.einsum("tf,tu,uf->f", waves.conj(), law.along.real, waves, optimize=True).real
    measured = law.spectrum() / synchrony._law.one_sided(law.n_times)
    np.testing.assert_allclose(measured, power, atol=1e-9 * power.max())


@pytest.mark.parametrize("decay", [0.0, 1e-9, 40.0])
def test_half_an_hour_is_drawn_without_the_whole_covariance(decay):
    eeg = make_synchrony_eeg(2, n_channels=2, sfreq=100.0, duration=1800.0, decay=decay, random_state=0)
    assert eeg.X.shape == (2, 2, 180_000) and np.isfinite(eeg.X).all()
    assert eeg.truth.power.shape == (2, 2, 90_001)
    if decay == 40.0:
        measured = (np.abs(np.fft.rfft(eeg.X)) ** 2 * synchrony._law.one_sided(180_000))[:, :, 1:-1]
        expected = eeg.truth.power[eeg.y][:, :, 1:-1].sum(-1)
        np.testing.assert_allclose(measured.sum(-1), expected, rtol=0.05)
    with pytest.raises(ValueError, match="shorter trials"):
        ideal_observer_accuracy(eeg)
