"""Models of one time at all others: MNE's numbers, and a plain loop's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from eegexplain.inspection import group_significance
from eegexplain.timecourse import OrdinalLogisticRegression, TimeResolvedCoefficients, _generalize

rng = np.random.default_rng(0)
Y = np.arange(40) % 2
X = 1e-5 * (rng.standard_normal((40, 4, 6)) + 3)
X[:, 1, 2:] += 1.2e-5 * Y[:, None]
Y3 = np.arange(40) % 4 // 2 + (np.arange(40) % 4 == 3)
LDA = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)


@pytest.mark.parametrize(
    ("estimator", "scoring", "y"),
    [(LDA, "roc_auc", Y), (LDA, "balanced_accuracy", Y3), (Ridge(3.0), "r2", X[:, 1, 3] * 1e5)],
)
def test_scores_are_those_of_mne(estimator, scoring, y):
    from mne.decoding import GeneralizingEstimator, cross_val_multiscore

    cv = 4 if scoring == "r2" else StratifiedKFold(4)
    peer = GeneralizingEstimator(make_pipeline(StandardScaler(), estimator), scoring=scoring, verbose="error")
    naive = cross_val_multiscore(peer, X, y, cv=cv)
    found = TimeResolvedCoefficients(estimator, cv=cv, scoring=scoring, generalize=True).fit(X, y)
    assert_allclose(found.generalization_[0], naive, atol=1e-10)
    assert_allclose(np.einsum("sftt->sft", found.generalization_), found.scores_, atol=1e-12)
    assert_allclose(found.explanation_["generalization"], naive.mean(axis=0), atol=1e-10)


def test_subjects_ordered_classes_and_blocks(monkeypatch):
    subject = np.arange(40) // 20
    model = TimeResolvedCoefficients(OrdinalLogisticRegression(), cv=2, generalize=True)
    found = model.fit(X, Y3, groups=subject).generalization_
    train, test = next(StratifiedKFold(2).split(X[:20], Y3[:20]))
    one = make_pipeline(StandardScaler(), OrdinalLogisticRegression()).fit(X[train, :, 3], Y3[train])
    assert found[0, 0, 3, 5] == pytest.approx(balanced_accuracy_score(Y3[test], one.predict(X[test, :, 5])))
    assert found.shape == (2, 2, 6, 6)
    monkeypatch.setattr(_generalize, "CHUNK", 1)
    assert_array_equal(model.fit(X, Y3, groups=subject).generalization_, found)


def test_maps_of_subjects_are_tested_against_chance():
    groups = np.arange(40) // 8
    model = TimeResolvedCoefficients(LDA, cv=2, generalize=True, tmin=-0.1, sfreq=10.0).fit(X, Y, groups=groups)
    maps = model.generalization_maps()
    assert maps.dims == ("group", "train_time", "test_time")
    assert_allclose(maps, model.generalization_.mean(axis=1) - 0.5)
    assert_allclose(maps["test_time"], model.times_)
    found = group_significance(maps, alternative="greater", statistic="clusters")
    assert found.significant.dims == ("train_time", "test_time")
    error = maps.values.std(axis=0, ddof=1) / np.sqrt(5)
    assert_allclose(model.explanation_["generalization_standard_error"], error)


def test_held_out_trials_are_needed():
    with pytest.raises(ValueError, match="generalize=True needs cv"):
        TimeResolvedCoefficients(generalize=True).fit(X, Y)
    with pytest.raises(AttributeError, match="fit with generalize=True"):
        TimeResolvedCoefficients(LogisticRegression(), cv=2).fit(X, Y).generalization_maps()
    model = TimeResolvedCoefficients(LDA, cv=2, generalize=True).fit(X, Y).set_params(generalize=False).fit(X, Y)
    assert not hasattr(model, "generalization_") and "generalization" not in model.explanation_
