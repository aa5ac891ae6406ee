"""Whose states trials are given."""

import numpy as np
import pytest

from eegexplain.intervention._donors import draw_donors, draw_others

X = np.random.default_rng(0).standard_normal((24, 2, 8))
CODES = np.random.default_rng(1).permutation(np.arange(24) % 3)


def drawn(codes=CODES, groups=None, n_draws=4, X=X):
    return draw_donors(X, codes, groups, n_draws, np.random.RandomState(0))


def test_donors_are_of_the_class_and_of_others():
    found, own = drawn(), np.arange(24)[:, None]
    assert (CODES[found.same] == CODES[:, None]).all() and (CODES[found.other] != CODES[:, None]).all()
    assert (found.same != own).all()
    assert all(len(set(row)) == 4 for row in found.same)
    assert (np.bincount(found.same.ravel()) == 4).all()  # each as often as any
    for code in range(3):
        times = np.bincount(found.other[CODES == code].ravel(), minlength=24)[CODES != code]
        assert times.max() - times.min() <= 1 and times.sum() == 8 * 4


def test_more_draws_than_trials_take_all_of_them_alike():
    found = drawn(n_draws=2 * 7 * 16)
    for trial in range(24):
        assert (np.bincount(found.same[trial], minlength=24)[CODES == CODES[trial]] == 32).sum() == 7
        assert (np.bincount(found.other[trial], minlength=24)[CODES != CODES[trial]] == 14).all()


def test_only_what_trials_hold_counts():
    order = np.random.default_rng(2).permutation(24)
    groups = np.arange(24) % 4
    for one, other in ((None, None), (groups, np.array(list("dbca"))[groups][order])):
        found = drawn(groups=one)
        again = draw_donors(X[order], CODES[order], other, 4, np.random.RandomState(0))
        np.testing.assert_array_equal(order[again.same], found.same[order])
        np.testing.assert_array_equal(order[again.other], found.other[order])


@pytest.mark.parametrize("n_trials", [2, 3, 10])
def test_others_are_never_oneself(n_trials):
    found = draw_others(n_trials, np.random.RandomState(0))
    assert sorted(found) == list(range(n_trials)) and (found != np.arange(n_trials)).all()


def test_alone_one_gets_oneself():
    assert draw_others(1, np.random.RandomState(0)).tolist() == [0]
    codes = np.array([0, 1, 1, 1])
    found = drawn(codes, X=X[:4])
    assert (found.same[0] == 0).all() and (codes[found.other[1:]] == 0).all()


def test_both_kinds_come_from_the_same_groups():
    """Inside a group that has both; else from other groups that have; else from anywhere."""
    groups = np.repeat([0, 1, 2], 8)
    codes = np.concatenate([np.arange(8) % 2, np.zeros(8, int), np.ones(7, int), [0]])
    found = drawn(codes, groups)
    both = np.concatenate([found.same, found.other], axis=1)
    assert (groups[both[:8]] == 0).all()  # it has both
    assert (groups[both[8:16]] != 1).all()  # its own has one class
    assert (groups[both[16:23]] == 2).all()
    assert (groups[both[23]] != 2).all()  # the only one of its class there
    alone = drawn(np.repeat([0, 1], 12), np.repeat([0, 1], 12))
    assert (alone.same[:12] < 12).all() and (alone.other[:12] >= 12).all()
    assert (alone.same != np.arange(24)[:, None]).all()
