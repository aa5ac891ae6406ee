"""Errors of cross-validated maps, and which cells are beyond zero: against loops, and how often noise is marked."""

import numpy as np
from scipy import stats

from eegexplain.inspection._errors import beyond_zero, familywise_limit, fold_error, total_error

RNG = np.random.default_rng(0)


def test_total_error_is_the_larger_of_both():
    networks = RNG.normal(size=(4, 3, 2))
    means = [[np.mean([networks[f, s, c] for s in range(3)]) for f in range(4)] for c in range(2)]
    ratio = (10 / 30 + 10 / 30 + 12 / 28 + 8 / 32) / 4
    over_folds = [np.sqrt(sum((m - np.mean(row)) ** 2 for m in row) / 3) * np.sqrt(1 / 4 + ratio) for row in means]
    sizes = ([10, 10, 12, 8], [30, 30, 28, 32])
    np.testing.assert_allclose(total_error(networks, [0.0, 9.0], *sizes), [over_folds[0], 9.0])
    np.testing.assert_allclose(total_error(networks, [np.nan, np.nan], *sizes), over_folds)
    np.testing.assert_array_equal(total_error(networks[:1], [0.5, np.nan], [1], [2]), [0.5, np.nan])


def test_holm_against_a_loop():
    n_more = 0
    for _ in range(60):
        value, error = RNG.normal(size=(4, 6)) * 12, RNG.uniform(0.2, 2, (4, 6))
        p = (2 * stats.t.sf(np.abs(value) / error, 4)).ravel()
        expected = np.zeros(24, dtype=bool)
        for step, cell in enumerate(np.argsort(p)):
            if p[cell] > 0.05 / (24 - step):
                break
            expected[cell] = True
        found = beyond_zero(value, error, 4, smallest=0)
        np.testing.assert_array_equal(found.ravel(), expected)
        bonferroni = np.abs(value) > familywise_limit(24, 4) * error
        assert found[bonferroni].all()
        n_more += found.sum() - bonferroni.sum()
    assert n_more > 0


def test_small_cells_are_not_marked_and_zeros_nan_and_exact_cells_are_defined():
    error = np.full(5, 1e-9)
    found = beyond_zero([1.0, -0.06, 0.04, 0, np.nan], error, 9)
    np.testing.assert_array_equal(found, [True, True, False, False, False])
    np.testing.assert_array_equal(beyond_zero([1.0, 1.0, 0.0], [0.0, np.nan, 0.0], 9), [True, False, False])
    assert not beyond_zero(np.zeros(3), np.zeros(3), 9).any() and not beyond_zero([np.nan], [1.0], 9).any()


def test_noise_is_marked_in_one_map_of_twenty():
    """Ten folds, 60 cells that depend on one another; twice the plain error, as before, marks every map."""
    holm, before = [], []
    for _ in range(400):
        folds = RNG.normal(size=(10, 60)) + RNG.normal(size=(10, 1))
        error = fold_error(folds, np.zeros(10), np.ones(10))  # independent folds: nothing to correct
        holm.append(beyond_zero(folds.mean(axis=0), error, 9).any())
        before.append((np.abs(folds.mean(axis=0)) > 2 * error).any())
    assert np.mean(holm) < 0.08 and np.mean(before) > 0.5


def test_overlapping_training_parts_are_paid_for():
    """Networks of five folds share trials: their maps correlate by n_test / n_total, as Nadeau and Bengio assume."""
    shared, own = RNG.normal(size=(3000, 1)) * np.sqrt(0.2), RNG.normal(size=(3000, 5)) * np.sqrt(0.8)
    folds = (shared + own).T
    error = fold_error(folds, np.ones(5), np.full(5, 4.0))
    inside = np.abs(folds.mean(axis=0)) < stats.t.isf(0.025, 4) * error
    plain = np.abs(folds.mean(axis=0)) < stats.t.isf(0.025, 4) * fold_error(folds, np.zeros(5), np.ones(5))
    assert abs(inside.mean() - 0.95) < 0.02 and plain.mean() < 0.91
