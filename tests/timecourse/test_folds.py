"""Which trials one model serves, and which are left out."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, PredefinedSplit, StratifiedGroupKFold

from eegexplain.timecourse import TimeResolvedCoefficients
from eegexplain.timecourse._folds import divide

Y = np.arange(48) % 2
SUBJECT, RUN = np.arange(48) // 12, np.arange(48) // 4 % 3


@pytest.mark.parametrize("cv", [GroupKFold(4), LeaveOneGroupOut(), StratifiedGroupKFold(2)])
def test_a_splitter_of_groups_leaves_out_groups_and_one_model_serves_all(cv):
    (part,) = divide(cv, Y, SUBJECT, None, classifier=True)
    assert_array_equal(part.trials, np.arange(48))
    for train, test in part.splits:
        assert not set(SUBJECT[train]) & set(SUBJECT[test])


@pytest.mark.parametrize("cv", [LeaveOneGroupOut(), 3])
def test_runs_are_left_out_within_each_subject(cv):
    parts = divide(cv, Y, SUBJECT, RUN, classifier=True)
    assert [part.name for part in parts] == [0, 1, 2, 3]
    for part in parts:
        assert set(SUBJECT[part.trials]) == {part.name}
        assert len(part.splits) == 3
        for train, test in part.splits:
            left_out = set(RUN[part.trials[test]])
            assert len(left_out) == 1 and not left_out & set(RUN[part.trials[train]])


def test_runs_without_subjects_are_left_out_of_one_model():
    (part,) = divide(LeaveOneGroupOut(), Y, None, RUN, classifier=True)
    assert len(part.splits) == 3 and all(len(set(RUN[test])) == 1 for _, test in part.splits)


@pytest.mark.parametrize("listed", [False, True])
def test_predefined_folds_are_of_all_trials(listed):
    cv = PredefinedSplit(np.arange(48) % 3)
    splits = list(cv.split())
    parts = divide(splits if listed else cv, Y, SUBJECT, None, classifier=True)
    for part in parts:
        for (train, test), (whole_train, whole_test) in zip(part.splits, splits, strict=True):
            assert_array_equal(part.trials[train], np.intersect1d(whole_train, part.trials))
            assert_array_equal(part.trials[test], np.intersect1d(whole_test, part.trials))
    (alone,) = divide(cv, Y, None, None, classifier=True)
    assert_array_equal(alone.splits[1][1], splits[1][1])


def test_predefined_folds_without_trials_of_a_group_are_refused():
    with pytest.raises(ValueError, match="group 0 without training"):
        divide([(np.arange(12, 48), np.arange(12))], Y, SUBJECT, None, classifier=True)


def test_other_folds_are_those_of_each_group_alone():
    for part in divide(KFold(3), Y, SUBJECT, None, classifier=True):
        for own, (train, test) in zip(part.splits, KFold(3).split(np.zeros(12)), strict=True):
            assert_array_equal(own[0], train)
            assert_array_equal(own[1], test)
    whole = divide(None, Y, SUBJECT, None, classifier=True)
    assert all(len(part.splits[0][0]) == len(part.splits[0][1]) == 12 for part in whole)


def test_models_of_left_out_groups_and_runs():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((48, 3, 2))
    model = TimeResolvedCoefficients(cv=GroupKFold(4)).fit(X, Y, groups=SUBJECT)
    assert model.coef_.shape == (1, 4, 2, 3) and np.isfinite(model.standard_errors_).all()
    model = TimeResolvedCoefficients(cv=LeaveOneGroupOut()).fit(X, Y, groups=SUBJECT, runs=RUN)
    alone = TimeResolvedCoefficients(cv=LeaveOneGroupOut()).fit(X[:12], Y[:12], groups=RUN[:12])
    assert model.coef_.shape == (4, 3, 2, 3)
    np.testing.assert_allclose(model.coef_[0], alone.coef_[0], atol=1e-10)
