"""Alignment of groups: from its definition, a planted mixing undone, refused where it would take the signal."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from eegexplain import FLEXAttributor, PerturbationCorrelator
from eegexplain.models import align_groups, fit_many
from eegexplain.models._alignment import GroupAlignment
from tests.estimators import closed_classifier, closed_regressor, fast_classifier

SFREQ = 64.0
NAMES = np.array(["anna", "bert", "cleo", "dora"])


def subjects(n_each=20, n_groups=4, n_channels=3, seed=0):
    """A 10 Hz rhythm, stronger in class 1, and noise, mixed into the channels by each subject in its own way."""
    rng = np.random.default_rng(seed)
    groups, y = np.repeat(np.arange(n_groups), n_each), np.tile([0, 1], n_each * n_groups // 2)
    sources = rng.standard_normal((len(y), n_channels, 128))
    phase = rng.uniform(0, 2 * np.pi, (len(y), 1))
    strength = np.where(y == 1, 1.2, 0.5) * np.exp(0.2 * rng.standard_normal(len(y)))
    sources[:, 0] += strength[:, None] * np.cos(2 * np.pi * 10 * np.arange(128) / SFREQ + phase)
    mixing = np.eye(n_channels) + 0.3 * rng.standard_normal((n_groups, n_channels, n_channels))
    mixing *= np.exp(rng.standard_normal((n_groups, 1, 1)))
    return mixing[groups] @ sources, y, groups


def covariance(X):
    """Mean over trials, each less its mean."""
    return np.mean([np.cov(trial, bias=True) for trial in X], axis=0)


def root(matrix, exponent):
    """Power of a symmetric matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(values**exponent) @ vectors.T


def test_maps_are_whitening_and_recoloring_from_the_definition():
    X, _, groups = subjects()
    aligned = align_groups(X, NAMES[groups])
    own = [covariance(X[groups == g]) for g in range(4)]
    own = [0.98 * one + 0.02 * np.trace(one) / 3 * np.eye(3) for one in own]
    common = np.mean(own, axis=0)
    for g in range(4):
        expected = root(common, 0.5) @ root(own[g], -0.5) @ X[groups == g]
        np.testing.assert_allclose(aligned[groups == g], expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(covariance(aligned[groups == g]), common, atol=0.05 * np.trace(common))
    assert align_groups(X.astype(np.float32), groups).dtype == np.float32


def test_one_group_and_equal_groups_stay_as_they_are():
    X, _, groups = subjects()
    np.testing.assert_allclose(align_groups(X, np.zeros(80)), X, atol=1e-9)
    one = X[groups == 0]
    np.testing.assert_allclose(align_groups(np.concatenate([one, one]), np.repeat([0, 1], 20))[20:], one, atol=1e-9)


def test_units_of_groups_play_no_part_and_that_of_all_is_kept():
    X, _, groups = subjects()
    aligned = align_groups(X, groups)
    np.testing.assert_allclose(align_groups(1e-6 * X, groups), 1e-6 * aligned, rtol=1e-6)
    louder = GroupAlignment.of(X[groups < 3], groups[groups < 3]).extended(40 * X[groups == 3], groups[groups == 3])
    softer = GroupAlignment.of(X[groups < 3], groups[groups < 3]).extended(X[groups == 3], groups[groups == 3])
    np.testing.assert_allclose(louder.apply(40 * X, groups)[groups == 3], softer.apply(X, groups)[groups == 3])


def test_average_reference_and_flat_channels_stay_in_their_rank():
    X, _, groups = subjects(n_channels=4)
    X[:, 3] = 0
    X[:, :3] -= X[:, :3].mean(axis=1, keepdims=True)
    aligned = align_groups(X, groups)
    assert np.abs(aligned[:, 3]).max() < 1e-9 and np.abs(aligned[:, :3].mean(axis=1)).max() < 1e-9 * np.abs(X).max()
    assert np.linalg.matrix_rank(covariance(aligned)) == 2
    X[groups == 1, 0] = 0  # flat in one subject only: its noise is not blown up
    assert np.isfinite(align_groups(X, groups)).all()
    assert np.abs(align_groups(X, groups)).max() < 30 * np.abs(X).max()


def test_references_are_added_and_replaced():
    X, _, groups = subjects()
    later = groups > 0
    known = GroupAlignment.of(X[later], groups[later])
    more = known.extended(X[~later], groups[~later])  # sorts before the others
    np.testing.assert_array_equal(more.groups, np.arange(4))
    aligned = more.apply(X, groups)
    np.testing.assert_array_equal(aligned[later], known.apply(X[later], groups[later]))
    np.testing.assert_allclose(covariance(aligned[~later]), covariance(aligned[groups == 1]), rtol=0.1, atol=0.1)
    again = more.extended(2 * X[groups == 2], groups[groups == 2])
    assert again.groups.tolist() == more.groups.tolist()
    np.testing.assert_allclose(again.apply(2 * X, groups)[groups == 2], aligned[groups == 2])


def test_what_no_channel_of_training_had_stays_out():
    X, _, groups = subjects()
    flat = X * [[1.0], [1.0], [0.0]]
    new = GroupAlignment.of(flat[groups < 3], groups[groups < 3]).extended(X[groups == 3], groups[groups == 3])
    assert not new.apply(X, groups)[groups == 3, 2].any() and new.basis.shape == (3, 2)


def test_a_new_subject_is_decoded_after_its_reference():
    X, y, groups = subjects(n_groups=6, seed=1)
    names = np.array([f"subject{g}" for g in groups])
    train, test = groups < 4, groups >= 4
    net = closed_classifier(align="group", num_filters=6, sfreq=SFREQ).fit(X[train], y[train], groups=names[train])
    with pytest.raises(ValueError, match=r"groups \['subject4', 'subject5'\] have no reference: call set_reference"):
        net.predict(X[test], groups=names[test])
    net.set_reference(X[test], names[test])
    plain = closed_classifier(num_filters=6, sfreq=SFREQ).fit(X[train], y[train], groups=names[train])
    aligned_score = net.score(X[test], y[test], groups=names[test])
    assert aligned_score > plain.score(X[test], y[test]) + 0.05
    assert (net.predict(X[test], groups=names[test]) == y[test]).mean() == aligned_score
    few = net.predict_proba(X[test][3:5], groups=names[test][3:5])  # neutral to batches
    np.testing.assert_allclose(few, net.predict_proba(X[test], groups=names[test])[3:5], rtol=1e-6)
    volts = closed_classifier(align="group", num_filters=6, sfreq=SFREQ)
    volts.fit(1e-6 * X[train], y[train], groups=names[train]).set_reference(1e-6 * X[test], names[test])
    np.testing.assert_allclose(volts.predict_proba(1e-6 * X[test][3:5], groups=names[test][3:5]), few, rtol=1e-3)
    again = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(again.predict_proba(X[test][3:5], groups=names[test][3:5]), few)


@pytest.mark.parametrize("make", [fast_classifier, closed_classifier])
def test_the_network_behind_is_fitted_on_aligned_trials(make):
    X, y, groups = subjects()
    net = make(align="group", sfreq=SFREQ).fit(X, y, groups=groups)
    behind = make(sfreq=SFREQ).fit(align_groups(X, groups), y, groups=groups)
    expected = behind.predict_proba(align_groups(X, groups))
    np.testing.assert_allclose(net.predict_proba(X, groups=groups), expected, rtol=1e-5)
    np.testing.assert_allclose(net.without_alignment().predict_proba(net.align_trials(X, groups)), expected, rtol=1e-5)
    logits = net.decision_function(X, groups=groups)
    np.testing.assert_allclose(logits, behind.decision_function(align_groups(X, groups)), rtol=1e-4, atol=1e-6)
    assert net.set_params(align=None).fit(X, y).alignment_ is None and net.predict(X).shape == (80,)


def test_what_alignment_would_take_away_is_refused():
    X, _, groups = subjects()
    net = closed_classifier(align="group", sfreq=SFREQ)
    with pytest.raises(ValueError, match="each group has one label only"):
        net.fit(X, groups >= 2, groups=groups)
    with pytest.raises(ValueError, match="each group has one label only"):
        closed_regressor(align="group", sfreq=SFREQ).fit(X, [1.5, 2.5, 3.5, 7.0] @ np.eye(4)[groups].T, groups=groups)
    y = np.tile([0, 1], 40)
    with pytest.raises(ValueError, match="needs the group"):
        net.fit(X, y)
    with pytest.raises(ValueError, match="at least 10 trials of each group.*3 has 9"):
        net.fit(X[:69], y[:69], groups=groups[:69])
    silent = X.copy()
    silent[groups == 2] = 5.0
    with pytest.raises(ValueError, match=r"\[2\] have no power"):
        net.fit(silent, y, groups=groups)
    with pytest.raises(ValueError, match="'align' parameter"):
        closed_classifier(align="subject").fit(X, y, groups=groups)
    net.fit(X, y, groups=groups)
    with pytest.raises(ValueError, match="set_predict_request"):
        net.predict(X)
    with pytest.raises(ValueError, match="by text or by numbers"):
        net.set_reference(X, NAMES[groups])
    with pytest.raises(ValueError, match="at least 10 trials"):
        net.set_reference(X[:4], groups[:4])
    with pytest.raises(ValueError, match="without alignment"):
        fast_classifier().fit(X, y).set_reference(X, groups)


def test_explanations_are_of_aligned_trials_or_refused():
    X, y, groups = subjects()
    net = closed_classifier(align="group", sfreq=SFREQ).fit(X, y, groups=groups)
    for explainer in (FLEXAttributor(FrozenEstimator(net), n_steps=3), PerturbationCorrelator(FrozenEstimator(net))):
        with pytest.raises(ValueError, match="without_alignment"):
            explainer.fit(X, y)
    frozen = FrozenEstimator(net.without_alignment())
    assert np.isfinite(FLEXAttributor(frozen, n_steps=3).fit(net.align_trials(X, groups), y).attributions_).all()


def test_groups_are_routed():
    X, y, groups = subjects()
    with sklearn.config_context(enable_metadata_routing=True):
        net = closed_classifier(align="group", sfreq=SFREQ).set_fit_request(groups=True)
        net.set_predict_request(groups=True)
        pipeline = make_pipeline(FunctionTransformer(), net).fit(X, y, groups=groups)
        np.testing.assert_array_equal(pipeline.predict(X, groups=groups), pipeline[-1].predict(X, groups=groups))


def test_many_networks_are_aligned_as_alone():
    X, y, groups = subjects()
    net = closed_classifier(align="group", sfreq=SFREQ)
    for found, target in zip(fit_many(net, X, None, targets=[y, 1 - y], groups=NAMES[groups]), (y, 1 - y), strict=True):
        alone = closed_classifier(align="group", sfreq=SFREQ).fit(X, target, groups=NAMES[groups])
        expected = alone.predict_proba(X, groups=NAMES[groups])
        np.testing.assert_allclose(found.predict_proba(X, groups=NAMES[groups]), expected, atol=1e-8)


def test_several_networks_are_aligned_once():
    X, y, groups = subjects()
    net = fast_classifier(align="group", n_networks=2).fit(X, y, groups=groups)
    behind = fast_classifier(n_networks=2).fit(align_groups(X, groups), y, groups=groups)
    expected = behind.predict_proba(align_groups(X, groups))
    np.testing.assert_allclose(net.predict_proba(X, groups=groups), expected, rtol=1e-5)
