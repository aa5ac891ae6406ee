"""Errors of cross-validated maps, and which cells are beyond zero: against loops, and how often noise is marked."""

import numpy as np
import pytest
from scipy import stats

from eegexplain.inspection._errors import beyond_zero, familywise_limit, fold_errors

RNG = np.random.default_rng(0)


def test_errors_of_folds_against_loops():
    networks, given = RNG.normal(size=(4, 3, 2)), RNG.uniform(0.1, 0.3, size=(4, 2))
    means = [[np.mean([networks[f, s, c] for s in range(3)]) for f in range(4)] for c in range(2)]
    spread = np.array([np.sqrt(sum((m - np.mean(row)) ** 2 for m in row) / 3) for row in means])
    of_seeds = [np.mean([np.var(networks[f, :, c], ddof=1) for f in range(4)]) / 3 for c in range(2)]
    known = sum(of_seeds[c] + np.mean(given[:, c] ** 2) for c in range(2))
    share = max(0, 1 - known / sum(spread**2))
    found = fold_errors(networks, given, 0.3)
    np.testing.assert_allclose(found.nadeau_bengio, spread * np.sqrt(1 / 4 + 0.3))
    left_out = [[np.mean(row) * 4 - 3 * m for m in row] for row in means]  # pseudo-values of a map that is their mean
    np.testing.assert_allclose(found.jackknife, [np.std(row, ddof=1) / 2 for row in left_out])
    assert found.data_share == share
    mixed = spread * np.sqrt((share * 9 + 1 - share) / 4)
    np.testing.assert_allclose(found.total, np.maximum(mixed, found.nadeau_bengio))
    large = fold_errors(networks, given + 9, 0.3)
    np.testing.assert_allclose(large.total, np.sqrt(np.sum((given + 9) ** 2, axis=0)) / 4)
    one = fold_errors(networks[:, :1], np.full((4, 2), np.nan), 0.3)
    assert np.isnan(one.data_share) and (one.total == one.nadeau_bengio).all()
    known = fold_errors(networks[:, :1], np.full((4, 2), np.nan), 0.3, seeded=False)
    assert known.data_share == 1 and (known.total == known.jackknife).all()
    assert np.isnan(fold_errors(networks, given, 0.3, once=False).data_share)
    assert np.isnan(fold_errors(networks[:1], given[:1], 0.3).total).all()


@pytest.mark.parametrize(("of_data", "of_seeds", "of_trials"), [(1, 0, 0), (1, 1, 1), (0.2, 1, 1), (0, 1, 0.3)])
def test_intervals_cover_whatever_moves_the_maps(of_data, of_seeds, of_trials):
    """Maps follow training trials, seed and the trials explained: the spread of folds hides most of the first."""
    n_folds, n_seeds, n_cells, n_sets, inside = 5, 2, 40, 300, []
    for _ in range(n_sets):
        parts = of_data * RNG.normal(size=(n_folds, n_cells))
        trained = np.array([np.delete(parts, fold, axis=0).mean(axis=0) for fold in range(n_folds)])
        explained = of_trials * RNG.normal(size=(n_folds, n_cells))
        seeds = of_seeds * RNG.normal(size=(n_folds, n_seeds, n_cells))
        networks = (trained + explained)[:, None] + seeds
        found = fold_errors(networks, np.full((n_folds, n_cells), of_trials), 0.25)
        inside.append(np.abs(networks.mean(axis=(0, 1))) < stats.t.isf(0.025, 4) * found.total)
    assert 0.93 < np.mean(inside) < 0.998


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
        error = fold_errors(folds[:, None], np.full(folds.shape, np.nan), 0.0).total  # of independent folds
        holm.append(beyond_zero(folds.mean(axis=0), error, 9).any())
        before.append((np.abs(folds.mean(axis=0)) > 2 * error).any())
    assert np.mean(holm) < 0.08 and np.mean(before) > 0.5


def test_overlapping_training_parts_are_paid_for():
    """Networks of five folds share trials: their maps correlate by n_test / n_total, as Nadeau and Bengio assume."""
    shared, own = RNG.normal(size=(3000, 1)) * np.sqrt(0.2), RNG.normal(size=(3000, 5)) * np.sqrt(0.8)
    folds = (shared + own).T
    error, plain = (fold_errors(folds[:, None], np.full(folds.shape, np.nan), ratio).total for ratio in (0.25, 0.0))
    inside = np.abs(folds.mean(axis=0)) < stats.t.isf(0.025, 4) * error
    plain = np.abs(folds.mean(axis=0)) < stats.t.isf(0.025, 4) * plain
    assert abs(inside.mean() - 0.95) < 0.02 and plain.mean() < 0.91
