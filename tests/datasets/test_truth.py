"""What is known of simulated trials: the best observer, against normals whose answer is known, and roles."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from eegexplain.datasets import (
    Dipole,
    Source,
    ideal_observer_accuracy,
    ideal_observer_information,
    make_oscillatory_eeg,
)
from eegexplain.datasets._truth import observer_scores, roles

CHANNELS = ["F3", "C3", "P3", "O1", "Oz", "O2", "T8"]


def test_ideal_observer_knows_simple_cases():
    apart = [(np.array([[0.0], [2.0]]), np.ones((2, 1, 1)))]  # two normals at a distance of 2: Phi(1) = 0.8413
    scores = observer_scores(apart, 2, 40_000, np.random.default_rng(0))
    accuracy = np.mean([(scores[k].argmax(axis=1) == k).mean() for k in range(2)])
    assert abs(accuracy - 0.8413) < 0.006
    nothing = Source("same", 10.0)
    assert ideal_observer_accuracy(make_oscillatory_eeg(4, sources=[nothing], random_state=0)) == 0.5


def test_an_observer_of_other_subjects_believes_what_they_are():
    """Two normals at 0 and 2 believed at 1 and 3: the border lies at 2, and (Phi(2) + Phi(0)) / 2 are right."""
    ones = np.ones((2, 1, 1))
    believed = [(np.array([[0.0], [2.0]]), ones, np.array([[1.0], [3.0]]), ones)]
    scores = observer_scores(believed, 2, 40_000, np.random.default_rng(0))
    accuracy = np.mean([(scores[k].argmax(axis=1) == k).mean() for k in range(2)])
    assert abs(accuracy - 0.7386) < 0.006
    eeg = make_oscillatory_eeg(12, CHANNELS, duration=1.0, n_subjects=3, random_state=0)
    own, new = (ideal_observer_accuracy(eeg, new_subjects=flag, random_state=0) for flag in (False, True))
    assert 0.6 < new < own - 0.005
    eeg.truth.laws = [eeg.truth.laws[0], *[replace(eeg.truth.laws[0])] * 2]  # subjects that are all alike
    own, new = (ideal_observer_accuracy(eeg, new_subjects=flag, random_state=0) for flag in (False, True))
    assert abs(own - new) < 1e-9
    with pytest.raises(ValueError, match="at least 2 subjects"):
        ideal_observer_accuracy(make_oscillatory_eeg(4, random_state=0), new_subjects=True)


def test_ideal_information_against_trials_and_their_densities():
    """Two planted bands: the densities of drawn trials, bin by bin, give the same losses."""
    places = {"one": (10.0, "C3", 1), "other": (22.0, "O1", 0)}
    sources = [Source(name, frequency, dipole=Dipole(channel), stronger_in=label)
               for name, (frequency, channel, label) in places.items()]  # fmt: skip
    eeg = make_oscillatory_eeg(1200, CHANNELS, duration=1.0, sources=sources, random_state=0)
    bands = {"low": (4.0, 15.0), "high": (15.0, 45.0)}
    known = ideal_observer_information(eeg, bands, 4000, random_state=0)
    coefficients = np.fft.rfft(eeg.X)
    logits = dict.fromkeys(bands, 0.0)
    for place, one in enumerate(eeg.truth.laws[0].bins(), start=1):
        x = np.concatenate([coefficients[:, :, place].real, coefficients[:, :, place].imag], axis=1)
        densities = [multivariate_normal(mean, covariance, allow_singular=True).logpdf(x)
                     for mean, covariance in zip(one.means, one.covariances, strict=True)]  # fmt: skip
        for name, (low, high) in bands.items():
            if one.differs and low <= eeg.frequencies[place] < high:
                logits[name] = logits[name] + densities[1] - densities[0]
    sign = 2 * np.asarray(eeg.y) - 1
    losses = {name: np.logaddexp(0, -sign * z).mean() / np.log(2) for name, z in logits.items()}
    whole = np.logaddexp(0, -sign * sum(logits.values())).mean() / np.log(2)
    assert known["total"] == pytest.approx(1 - whole, abs=0.04)
    assert known["alone"] == pytest.approx([1 - losses[name] for name in bands], abs=0.04)
    assert known["unique"] == pytest.approx([losses["high"] - whole, losses["low"] - whole], abs=0.04)
    assert min(known["unique"]) > 0.05 and max(known["alone"]) < known["total"] < 1


def test_ideal_information_of_one_band_is_all_there_is():
    eeg = make_oscillatory_eeg(4, CHANNELS, duration=1.0, sources=[Source("one", 10.0, stronger_in=1)], random_state=0)
    known = ideal_observer_information(eeg, {"all": (4.0, 40.0), "none": (40.0, 45.0)}, 500, random_state=0)
    assert known["unique"][0] == pytest.approx(known["alone"][0]) == pytest.approx(known["total"])
    assert known["unique"][1] == 0 and known["alone"][1] == pytest.approx(0, abs=1e-12)
    nothing = make_oscillatory_eeg(4, sources=[Source("same", 10.0)], random_state=0)
    assert ideal_observer_information(nothing)["total"] == pytest.approx(0, abs=1e-12)


def test_roles_follow_their_thresholds():
    strength = np.array([[1.0, 0.5, 0.49, 0.1, 0.09, 0.0]])
    expected = ["informative", "informative", "leakage", "leakage", "irrelevant", "irrelevant"]
    assert roles(strength).tolist() == [expected]
    share = np.array([[0.8, 0.0, 0.0, 0.0, 0.4, 0.3]])
    assert roles(strength, share).tolist() == [[*expected[:4], "suppressor", "irrelevant"]]
    assert set(roles(np.zeros((1, 2))).ravel()) == {"irrelevant"}
