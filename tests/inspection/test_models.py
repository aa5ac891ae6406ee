"""Cross-validated models: default network of an explainer, arguments of fit per trial, copies of trials."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from eegexplain import FLEXAttributor, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import cross_validate_models

SEEN = []


class Notes(ClassifierMixin, BaseEstimator):
    """Notes what its fit is given."""

    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self, X, y, groups=None, sample_weight=None, mode="a"):
        self.classes_, self.fitted_ = np.unique(y), (X[:, 0, 0].copy(), groups, sample_weight, mode, self.random_state)
        return self

    def decision_function(self, X):
        return X[:, 0, 0]

    def predict(self, X):
        return self.classes_[(X[:, 0, 0] > 0).astype(int)]


def test_arguments_of_fit_are_split_along_with_the_trials():
    X = np.random.default_rng(0).standard_normal((12, 2, 8))
    X[:, 0, 0] = np.arange(12) - 5.5
    y, groups = np.arange(12) % 2, np.arange(12) // 2
    params = {"sample_weight": np.arange(12) * 2.0, "mode": "b"}
    found = cross_validate_models(Notes(), X, y, groups=groups, cv=3, n_seeds=2, params=params, random_state=0)
    seeds = set()
    for fold in found.folds:
        for net in fold.nets:
            first, seen, weight, mode, seed = net.fitted_
            assert (first == X[fold.train, 0, 0]).all() and (seen == groups[fold.train]).all() and mode == "b"
            assert (weight == 2.0 * fold.train).all()
            seeds.add(seed)
    assert len(seeds) == 6 and not found.without_networks().folds[0].nets
    assert found.seeded and not cross_validate_models(NoSeed(), X, y, cv=3).seeded
    np.testing.assert_array_equal(found.held_out.scores[:, 1], X[:, 0, 0] / 2)


class NoSeed(Notes):
    def __init__(self):
        self.random_state = None


def test_the_default_network_of_an_explainer_is_trained():
    eeg = make_oscillatory_eeg(30, ["C3", "C4"], duration=0.5, random_state=0)
    found = cross_validate_models(FLEXAttributor(sfreq=eeg.sfreq), eeg.X, eeg.y, cv=2, random_state=0)
    assert isinstance(found.folds[0].net, SyncNetClassifier) and found.folds[0].net.sfreq == eeg.sfreq
    assert found.decoding.n_trials == 30


def test_copies_of_a_trial_in_both_parts_are_refused():
    X = np.random.default_rng(0).standard_normal((20, 2, 8))
    y, groups = np.arange(20) % 2, np.arange(20) // 4
    X[0] = X[19]
    X[5:8] = 0.0  # flat trials are alike without being copies
    with pytest.raises(ValueError, match=r"are copies of one another, .*, and in two groups: what is held out"):
        cross_validate_models(Notes(), X, y, groups=groups, cv=5, random_state=0)
    with pytest.raises(ValueError, match="in a training and a test part: what"):
        cross_validate_models(Notes(), X, y, cv=10, random_state=0)
    X[0] = X[3]
    assert len(cross_validate_models(Notes(), X, y, groups=groups, cv=5, random_state=0).folds) == 5
