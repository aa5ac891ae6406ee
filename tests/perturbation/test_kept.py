"""The score that perturbed trials keep, summed over blocks."""

import numpy as np

from eegexplain.perturbation._kept import KeptHits, KeptVariance


def test_score_kept_by_regressors_is_that_of_all_outputs():
    outputs, changes = np.random.default_rng(0).normal(size=(2, 50, 3)) * [[[1.0]], [[0.3]]]
    first, second = (KeptVariance.of(outputs[part], changes[part]) for part in (slice(0, 20), slice(20, 50)))
    expected = 1 - np.square(changes).mean(axis=0).sum() / outputs.var(axis=0).sum()
    np.testing.assert_allclose((first + second).share(), expected)


def test_score_kept_by_classifiers_is_that_of_hits():
    outputs, changes = np.eye(3)[[0, 1, 2, 0]], np.zeros((4, 3))
    changes[0, 1] = changes[3, 2] = 2
    assert KeptHits.of(outputs, changes).share() == 0.5
    hits = KeptHits.of(outputs[:2], changes[:2], np.array([0, 0])) + KeptHits.of(outputs[2:], changes[2:], [2, 2])
    assert (hits.before, hits.after) == (2, 2)
