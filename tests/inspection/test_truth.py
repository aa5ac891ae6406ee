"""Scores of maps against what was planted."""

import numpy as np
import pytest
from sklearn.utils import Bunch

from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import score_against_truth

TRUTH = make_oscillatory_eeg(4, ["Fz", "C3", "C4", "Pz", "O1", "O2"], duration=1.0, snr=4.0, random_state=0).truth


def test_scores_of_perfect_and_useless_maps():
    assert score_against_truth(TRUTH.effect, TRUTH).average_precision == 1.0
    assert score_against_truth(TRUTH.effect, TRUTH).sign_agreement == 1.0
    assert score_against_truth(-TRUTH.effect, TRUTH).sign_agreement == 0.0
    noise = np.random.default_rng(0).standard_normal(TRUTH.effect.shape)
    assert score_against_truth(noise, TRUTH).average_precision < 0.3


def test_leakage_is_neither_right_nor_wrong():
    """One informative cell of two that count; what a map says about leakage changes nothing."""
    truth = Bunch(
        effect=np.array([[[1.0, 0.4, 0.01]], [[-1.0, -0.4, -0.01]]]),
        role=np.array([["informative", "leakage", "irrelevant"]]),
    )
    for leaked in (0.0, 9.0, -9.0):
        found = score_against_truth([[[0.5, leaked, 0.1]], [[0.5, leaked, 0.2]]], truth)
        assert (found.average_precision, found.chance, found.sign_agreement) == (1.0, 0.5, 0.5)
    assert score_against_truth([[[0.1, 0, 0.0]], [[0.0, 0, -0.2]]], truth).average_precision == 0.5


def test_maps_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"shape of the planted effect, .* got \(1, 6, 3\)"):
        score_against_truth(np.zeros((1, 6, 3)), TRUTH)
