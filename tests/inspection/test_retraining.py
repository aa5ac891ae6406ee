"""Maps against those of networks that were trained again on permuted labels."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import ShuffleSplit

from eegexplain import PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.inspection import CrossValidatedExplanation, cross_validate_explanations, permutation_test
from tests.inspection.differences import Difference, Weights

N_CHANNELS = 6


EXPLAINER = Weights(Difference())


def trials(seed, shift=0.0, n_trials=40):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n_trials, N_CHANNELS, 2)), np.arange(n_trials) % 2
    X[y == 1, 2] += shift
    return X, y


def test_the_null_is_that_of_loops_over_permutations_folds_and_networks():
    X, y = trials(0, 0.8)
    found = cross_validate_explanations(EXPLAINER, X, y, random_state=0)
    test = found.significance("retraining", n_permutations=99, random_state=0)
    folds = found.dataset["fold_of_trial"].values

    def whole(labels):
        maps, right = [], np.zeros(len(y), bool)
        for fold in range(5):
            net = Difference().fit(X[folds != fold], labels[folds != fold])
            maps.append(net.weights_ * X[folds == fold].std())
            right[folds == fold] = net.predict(X[folds == fold]) == labels[folds == fold]
        return np.mean(maps, axis=0), (right[labels == 0].mean() + right[labels == 1].mean()) / 2

    value, score = whole(y)
    np.testing.assert_allclose(test.statistic.values, np.abs([value, value]))
    assert test.score == pytest.approx(score)
    rng, null = np.random.default_rng(1), []
    for _ in range(300):
        labels = y.copy()
        for fold in range(5):
            labels[folds == fold] = rng.permutation(labels[folds == fold])
        value, score = whole(labels)
        null.append((np.abs(value).max(), score))
    maxima, scores = np.transpose(null)
    np.testing.assert_allclose(np.quantile(test.null_maxima, [0.3, 0.7]), np.quantile(maxima, [0.3, 0.7]), rtol=0.06)
    naive = (1 + (maxima[:, None] >= test.statistic.values[0]).sum(0)) / 301
    np.testing.assert_allclose(test.p_values[0], naive, atol=0.12)
    assert abs(test.score_p - (1 + (scores >= test.score - 1e-9).sum()) / 301) < 0.05
    assert test.exact and test.exchanged == "trials" and test.kind == "retraining"
    assert str(test).startswith(f"Balanced accuracy {test.score:.3f} (p = {test.score_p:.3g}). 2 of 12 cells")


def test_planted_cells_are_found_on_their_side_and_noise_is_not():
    hits = []
    for seed in range(4):
        found = cross_validate_explanations(EXPLAINER, *trials(seed, 1.0), cv=2, random_state=0)
        hits.append(found.significance("retraining", n_permutations=19, random_state=0).significant.values)
    assert np.all([hit[:, 2] for hit in hits]) and np.mean(np.delete(hits, 2, axis=2)) < 0.15
    greater = found.significance("retraining", alternative="greater", n_permutations=19, random_state=0)
    less = found.significance("retraining", alternative="less", n_permutations=19, random_state=0)
    assert greater.significant[:, 2].values.tolist() == [False, True]
    assert less.significant[:, 2].values.tolist() == [True, False]
    total = found.significance("retraining", statistic="total", n_permutations=19, random_state=0)
    np.testing.assert_allclose(total.statistic, np.abs(found.dataset["value"]).sum("channel"))
    counted = (1 + (total.null_maxima >= total.statistic.values[0] - 1e-9).sum()) / 20
    assert total.p_values.dims == ("output",) and (total.p_values == counted).all()
    alarms = 0
    for seed in range(10):
        noise = cross_validate_explanations(EXPLAINER, *trials(seed), cv=2, random_state=0)
        alarms += noise.significance("retraining", n_permutations=19, random_state=seed).p_value <= 0.05
    assert alarms <= 2


def test_studentized_cells_are_in_units_of_their_null():
    X, y = trials(0, 0.6)
    X[:, 0] *= 10  # a loud channel: its cells have the largest values, whatever the labels
    found = cross_validate_explanations(EXPLAINER, X, y, cv=2, random_state=0)
    loud = found.significance("retraining", n_permutations=19, random_state=0)
    test = found.significance("retraining", statistic="studentized", random_state=0)
    assert test.n_permutations == 200 and test.p_values[1, 2] <= 0.05 < loud.p_values[1, 2]
    assert 1 < np.median(test.null_maxima) < 3 < test.statistic[1, 2] < 6
    named = replace(found, explainer=Weights(Difference(), ["Fz", "C3", "C4", "Pz", "O1", "O2"]))
    clusters = named.significance("retraining", statistic="clusters", alternative="greater", random_state=0)
    assert clusters.p_values[1, 2] <= 0.05 and clusters.statistic[1, 2] >= test.statistic[1, 2] - 1.0
    assert (clusters.statistic[0, 2], clusters.p_values[0, 2]) == (0.0, 1.0)
    with pytest.raises(ValueError, match="n_permutations of at least 200, or statistic='max'"):
        found.significance("retraining", statistic="studentized", n_permutations=199)


def test_networks_that_were_not_kept_are_trained_again_alike_and_correlations_get_their_scale():
    eeg = make_oscillatory_eeg(40, ["C3", "C4", "O1"], duration=1.0, snr=5.0, random_state=0)
    net = SyncNetClassifier(num_filters=4, readout="log_power", training="closed", sfreq=128.0)
    correlator = PerturbationCorrelator(net, bands="eeg", noise="data", ch_names=["C3", "C4", "O1"])
    settings = {"cv": 2, "random_state": 0}
    kept = cross_validate_explanations(correlator, eeg.X, eeg.y, return_estimator=True, **settings)
    scale = []
    for fold in kept.models.folds:
        one = clone(correlator).set_params(estimator=FrozenEstimator(fold.net)).fit(eeg.X[fold.test], eeg.y[fold.test])
        one = one.explanation_
        scale.append(one["value"] * one["noise_size"] * one["change_size"])
    expected = np.abs(np.mean([one.transpose("output", "channel", "band").values for one in scale], axis=0))
    lost = cross_validate_explanations(correlator, eeg.X, eeg.y, **settings)
    for found in (kept, lost):
        test = found.significance("retraining", n_permutations=1, alpha=0.5, random_state=0)
        np.testing.assert_allclose(test.statistic, expected, atol=1e-9)
        assert len(np.unique(test.null_maxima)) == 1


def test_groups_exchange_labels_that_are_theirs_and_overlapping_splits_are_approximate():
    X, _ = trials(0)
    groups = np.arange(40) // 4
    found = cross_validate_explanations(EXPLAINER, X, groups % 2, groups=groups, cv=5, random_state=0)
    test = found.significance("retraining", n_permutations=19, random_state=0)
    assert test.exchanged == "groups"
    X, y = trials(0, 1.0)
    test = permutation_test(
        EXPLAINER, X, y, kind="retraining", cv=ShuffleSplit(3, random_state=0), n_permutations=19, random_state=0
    )
    assert not test.exact and test.significant[:, 2].all()


def test_what_cannot_be_retrained_is_refused(tmp_path):
    found = cross_validate_explanations(EXPLAINER, *trials(0), cv=2, random_state=0)
    with pytest.raises(ValueError, match="A map from a file has no trials to train on"):
        CrossValidatedExplanation(found.dataset).significance("retraining")
    with pytest.raises(ValueError, match="alternative 'two-sided' or 'greater' or 'less', got 'both'"):
        found.significance("retraining", alternative="both")
    with pytest.raises(ValueError, match="needs n_permutations of at least 19"):
        found.significance("retraining", n_permutations=5)
