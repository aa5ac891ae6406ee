"""The synchrony task: covariances, spectra and lags are measured in large samples."""

import numpy as np
import pytest

from eegexplain.datasets import ideal_observer_accuracy, make_synchrony_eeg


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
