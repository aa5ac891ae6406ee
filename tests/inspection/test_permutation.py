"""Permutation tests from trials to cells: what is found, what each kind can claim."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import ShuffleSplit

from eegexplain import FLEXAttributor, SyncNetClassifier, SyncNetRegressor
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import (
    CrossValidatedExplanation,
    cross_validate_explanations,
    evidence_contrast,
    permutation_test,
)

CHANNELS = ["Fz", "C3", "C4", "Pz", "O1", "O2"]
NET = SyncNetClassifier(num_filters=8, readout="log_power", training="closed", sfreq=128.0)
FLEX = FLEXAttributor(NET, basis="bands", n_steps=4, ch_names=CHANNELS)


@pytest.fixture(scope="module")
def eeg():
    return make_oscillatory_eeg(100, CHANNELS, duration=1.0, snr=3.0, n_subjects=5, random_state=0)


def test_the_contrast_of_a_cross_validation_finds_planted_cells(eeg, tmp_path):
    found = permutation_test(FLEX, eeg.X, eeg.y, random_state=0)
    assert found.kind == "contrast" and not found.exact and found.p_value <= 0.05
    cells = [(str(c.channel.values), str(c.band.values)) for c in found.p_values[1].stack(c=("channel", "band"))
             if c <= 0.05]  # fmt: skip
    assert cells and all(channel in ("O1", "O2", "C3", "Pz") and band in ("alpha", "beta") for channel, band in cells)
    display = found.plot()
    assert display.observed[0] == found.statistic.max() and len(display.null[0]) == 999
    plt.close("all")
    shuffled = [np.random.default_rng(seed).permutation(eeg.y) for seed in range(3)]
    alarms = [permutation_test(FLEX, eeg.X, y, n_permutations=199, random_state=0).p_value <= 0.05 for y in shuffled]
    assert sum(alarms) <= 1


def test_it_is_that_of_the_evidence_kept_also_from_a_file(eeg, tmp_path):
    kept = cross_validate_explanations(FLEX, eeg.X, eeg.y, groups=eeg.subject, return_trials=True, random_state=0)
    found = kept.significance(n_permutations=99, random_state=1)
    folds, groups = kept.dataset["fold_of_trial"].values, eeg.subject
    again = evidence_contrast(
        kept.dataset["trial_value"].values, eeg.y, folds=folds, groups=groups, n_permutations=99, random_state=1
    )
    np.testing.assert_array_equal(found.p_values, again.p_values)
    kept.save(tmp_path / "map.npz")
    loaded = CrossValidatedExplanation.load(tmp_path / "map.npz").significance(n_permutations=99, random_state=1)
    np.testing.assert_array_equal(found.p_values, loaded.p_values)


def test_the_contrast_of_a_frozen_network_is_exact(eeg):
    net = clone(NET).fit(eeg.X[:50], eeg.y[:50])
    frozen = clone(FLEX).set_params(estimator=FrozenEstimator(net))
    found = permutation_test(frozen, eeg.X[50:], eeg.y[50:], random_state=0)
    evidence = clone(frozen).fit(eeg.X[50:], eeg.y[50:]).explain(eeg.X[50:])["value"].values
    again = evidence_contrast(evidence, eeg.y[50:], random_state=0)
    np.testing.assert_array_equal(found.p_values, again.p_values)
    assert found.exact and found.n_permutations == 999


def test_each_kind_claims_what_it_can(eeg):
    kept = cross_validate_explanations(FLEX, eeg.X, eeg.y, cv=2, random_state=0)
    refused = [
        ("takes alternative 'greater', got 'two-sided': each fold's network was trained", {"alternative": "two-sided"}),
        ("takes statistic 'max', got 'total': each fold's network was trained", {"statistic": "total"}),
        ("flips signs of trials .* noise is rejected every time", {"kind": "sign_flip"}),
        ("takes the networks for given", {"kind": "z"}),
        ("Did you mean 'contrast'", {"kind": "contrasts"}),
        ("return_trials=True", {}),
    ]
    for words, settings in refused:
        with pytest.raises(ValueError, match=words):
            kept.significance(**settings)
    with pytest.raises(ValueError, match="needs n_permutations of at least 99"):
        permutation_test(FLEX, eeg.X, eeg.y, n_permutations=50, alpha=0.01)
    twice = cross_validate_explanations(
        FLEX, eeg.X, eeg.y, cv=ShuffleSplit(3, test_size=0.5, random_state=0), return_trials=True, random_state=0
    )
    with pytest.raises(ValueError, match="held out more than once"):
        twice.significance()
    numbers = SyncNetRegressor(readout="log_power", training="closed", num_filters=4, sfreq=128.0)
    size = np.log(np.square(eeg.X[:, 4]).mean(-1))
    with pytest.raises(ValueError, match="contrast of evidence needs classes"):
        permutation_test(clone(FLEX).set_params(estimator=numbers), eeg.X, size, cv=2)
