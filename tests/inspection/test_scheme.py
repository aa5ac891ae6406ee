"""What is drawn for a cross-validation done again on other labels, and what its checkpoint is told."""

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneGroupOut

from eegexplain import PerturbationCorrelator
from eegexplain.inspection import cross_validate_models
from eegexplain.inspection._retraining import exchange
from eegexplain.inspection._scheme import STACK, Scheme, described_models, labelings
from tests.inspection.differences import Difference

EXPLAINER = PerturbationCorrelator(Difference(), method="sampling", random_state=0)


class Grouped(Difference):
    """Notes what it is given beside trials."""

    def fit(self, X, y, groups=None, weight=None):
        self.given_ = groups, weight
        return super().fit(X, y)


@pytest.fixture(scope="module")
def models():
    """Two folds of two networks; three classes would not do, two names that are no codes do."""
    X, y = np.random.default_rng(0).standard_normal((24, 3, 2)), np.array(["left", "right"])[np.arange(24) % 2]
    groups = np.arange(24) // 12
    given = {"groups": groups, "cv": LeaveOneGroupOut(), "n_seeds": 2, "params": {"weight": np.arange(24.0)}}
    return cross_validate_models(Grouped(), X, y, **given, random_state=0)


def drawn(models, count, seed=0):
    return list(labelings(models, exchange(models, 0.05), count, [EXPLAINER], np.random.RandomState(seed)))


def test_labelings_are_the_same_ones_in_stacks_and_more_of_them_go_on_from_the_first(models):
    stacks = drawn(models, 30)
    assert [len(stack) for stack in stacks] == [1, STACK, STACK, STACK, 30 - 1 - 3 * STACK]
    several = [one for stack in stacks for one in stack]
    assert len({tuple(one.y) for one in several}) > 25 and len({one.seed for one in several}) == 30
    starts = [str(one.starts) for one in several]
    assert len(set(starts)) == 30 and len(several[0].starts) == 1
    assert [len(fold) for fold in several[0].starts[0]] == [2, 2]  # networks of each fold
    for one in several:
        assert sorted(one.y) == sorted(models.y)  # names, each as often
    again = [one for stack in drawn(models, 17) for one in stack]
    for one, other in zip(again, several, strict=False):
        np.testing.assert_array_equal(one.y, other.y)
        assert (one.seed, one.starts) == (other.seed, other.starts)


def test_networks_are_trained_again_as_they_were(models):
    targets = [models.y, models.y[::-1]]
    found = Scheme.of(models).train(targets, [1, 2])
    for target, folds in zip(targets, found, strict=True):
        for fold in folds:
            expected = Difference().fit(models.X[fold.train], target[fold.train])
            for net in fold.nets:
                np.testing.assert_allclose(net.weights_, expected.weights_)
                groups, weight = net.given_
                np.testing.assert_array_equal(groups, models.groups[fold.train])
                np.testing.assert_array_equal(weight, fold.train)


def test_a_checkpoint_is_told_all_that_labels_and_networks_depend_on(models):
    told = described_models(models)
    assert list(told) == ["estimator", "params", "X", "y", "groups", "n_seeds", "folds"]
    assert told["X"] is models.X and told["y"] is models.y and told["groups"] is models.groups
    assert told["n_seeds"] == 2 and told["estimator"] is models.estimator and told["params"] is models.params
    for (train, test), fold in zip(told["folds"], models.folds, strict=True):
        np.testing.assert_array_equal(train, fold.train)
        np.testing.assert_array_equal(test, fold.test)


def test_labels_that_leave_a_training_part_without_a_class_are_not_drawn():
    X, y = np.random.default_rng(0).standard_normal((20, 3, 2)), np.r_[np.zeros(16, int), np.ones(4, int)]
    splits = [(np.arange(4, 20), np.arange(4)), (np.r_[0:4, 14:20], np.arange(4, 14))]
    rare = cross_validate_models(Difference(), X, y, cv=splits, random_state=0)
    for stack in drawn(rare, 40):
        for one in stack:
            assert all(len(np.unique(one.y[fold.train])) == 2 for fold in rare.folds)
