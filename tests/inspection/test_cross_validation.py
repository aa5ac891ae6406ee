"""Networks of folds: what they were trained on, where they start, what they predict of trials they never saw."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone

from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import cross_validation, map_similarity
from eegexplain.inspection.cross_validation import (
    Fold,
    fold_numbers,
    own_seed,
    predict_held_out,
    scores_of,
    split_trials,
    train_folds,
)
from eegexplain.inspection.fold_maps import average_folds, explain_folds
from eegexplain.models import SyncNetClassifier
from eegexplain.perturbation import PerturbationCorrelator

CHANNELS = ["Fz", "C3", "C4", "Pz", "O1", "O2"]


NET = SyncNetClassifier(readout="max", training="gradient", num_filters=6, max_epochs=12, sfreq=128.0)


@pytest.fixture(scope="module")
def trained():
    data = make_oscillatory_eeg(80, CHANNELS, duration=1.0, snr=4.0, n_subjects=4, random_state=0)
    splits = split_trials(data.y, data.subject, 2, 0)
    return data, train_folds(
        NET, data.X, data.y, splits, groups=data.subject, n_seeds=2, random_state=0
    )


def test_networks_never_saw_the_trials_of_their_fold(trained):
    data, folds = trained
    for number, fold in enumerate(folds):
        assert not set(fold.train) & set(fold.test)
        assert not set(data.subject[fold.train]) & set(data.subject[fold.test])
        assert (np.flatnonzero(fold_numbers(folds, 80) == number) == fold.test).all()
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(80))


def test_the_mean_logit_of_a_fold_predicts(trained):
    data, folds = trained
    found, seen = predict_held_out(folds, data.X), 0
    for fold in folds:
        X = data.X[fold.test]
        logits = np.array([net.decision_function(X) for net in fold.nets])
        assert (found.together[fold.test] == fold.net.classes_[(logits.mean(0) > 0).astype(int)]).all()
        assert (found.by_seed[:, fold.test] == [net.predict(X) for net in fold.nets]).all()
        seen += (found.by_seed[0] != found.by_seed[1]).sum()
    assert found.by_seed.shape == (2, len(data.y)) and seen > 0


class Three(ClassifierMixin, BaseEstimator):
    """Knows probabilities alone."""

    def predict_proba(self, X):
        return np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)


class ThreeScores(Three):
    def decision_function(self, X):
        return X


def test_scores_are_log_odds_less_their_mean_and_those_of_trials_held_out_twice_are_averaged():
    X = np.random.default_rng(0).standard_normal((6, 3))
    assert (scores_of(ThreeScores(), X) == X).all()
    np.testing.assert_allclose(scores_of(Three(), X), X - X.mean(axis=1, keepdims=True), atol=1e-12)

    class Shifted(ThreeScores):
        classes_ = np.array(["a", "b", "c"])

        def __init__(self, shift=0.0):
            self.shift = shift

        def decision_function(self, X):
            return X + [0, 0, self.shift]

    trials = np.arange(6)
    folds = [Fold((Shifted(),), trials[3:], trials[:3]), Fold((Shifted(4.0),), trials[4:], trials[1:4])]
    found = predict_held_out(folds, X)
    assert found.trials.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(found.scores[:, 2] - X[:4, 2], [0, 2, 2, 4])
    np.testing.assert_array_equal(found.together, Shifted.classes_[found.scores.argmax(axis=1)])
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(fold_numbers(folds, 6), [0, -1, -1, 1, -1, -1])


def test_networks_do_not_depend_on_the_number_of_processes(trained):
    data, folds = trained
    splits = [(fold.train, fold.test) for fold in folds]
    settings = {"groups": data.subject, "n_seeds": 2, "n_jobs": 2, "random_state": 0}
    again = train_folds(NET, data.X, data.y, splits, **settings)
    for one, other in zip(folds, again, strict=True):
        for net, copy in zip(one.nets, other.nets, strict=True):
            assert np.array_equal(net.decision_function(data.X), copy.decision_function(data.X))


def test_every_network_has_a_start_of_its_own(monkeypatch):
    """Maps of networks trained on noise agree when they share a seed, and errors over folds are then too small."""

    def agreement_and_error(make_seed, rng):
        monkeypatch.setattr(cross_validation, "own_seed", make_seed)
        X, y = rng.standard_normal((60, 6, 64)), np.arange(60) % 2
        net = clone(NET).set_params(sfreq=64.0)
        folds = train_folds(net, X, y, split_trials(y, None, 3, 0), n_seeds=2, random_state=0)
        explainer = PerturbationCorrelator(noise="independent", sfreq=64.0)
        found = average_folds(explain_folds(explainer, folds, X, y), folds).isel(output=1)
        maps = found["fold_value"].values.reshape(6, -1)
        pairs = [map_similarity(maps[i], maps[j])[0] for i in range(6) for j in range(i)]
        truth = np.sqrt(np.mean(found["value"] ** 2))  # nothing distinguishes the classes: what is found is error
        return np.mean(pairs), float(np.sqrt(np.mean(found["fold_sd"] ** 2) / 3) / truth)

    def repeated(make_seed):
        return np.mean([agreement_and_error(make_seed, np.random.default_rng(r)) for r in range(3)], axis=0)

    own, one = repeated(own_seed), repeated(lambda seed, *position: seed)
    assert abs(own[0]) < 0.1 and one[0] > 0.3, (own, one)
    assert own[1] > 0.8 and one[1] < 0.75, (own, one)


def test_impossible_splits_are_named():
    y = np.arange(12) % 2
    with pytest.raises(ValueError, match="at least 2 classes, but all 12 trials are of one"):
        split_trials(np.zeros(12), None, None, 0)
    with pytest.raises(ValueError, match=r"at most as many as groups .*\(3\), got 4"):
        split_trials(y, np.arange(12) // 4, 4, 0)
    with pytest.raises(ValueError, match=r"at most as many as trials .*\(6\), got 7"):
        split_trials(y, None, 7, 0)
    assert len(split_trials(y, np.arange(12) // 4, None, 0)) == 3
