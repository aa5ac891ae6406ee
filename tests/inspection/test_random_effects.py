"""Spread between groups: a textbook's numbers, planted spreads, and how often new groups lie where they should."""

import numpy as np
from scipy import stats

from eegexplain.inspection._random_effects import random_effects

# Cases and others among the vaccinated, cases and others among the rest: thirteen trials of BCG (Colditz et al. 1994).
BCG = [
    (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761),
    (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232), (17, 1699, 65, 1600),
    (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825),
]  # fmt: skip


def test_spread_between_groups_is_that_of_the_textbook():
    """Log risk ratios: metafor has tau^2 = 0.3286 with method="HE"."""
    a, b, c, d = np.transpose(BCG).astype(float)
    ratio = np.log(a / (a + b)) - np.log(c / (c + d))
    variance = 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
    np.testing.assert_allclose(ratio[:2], [-0.8893, -1.5854], atol=1e-4)  # yi and vi of its dat.bcg
    np.testing.assert_allclose(variance[:2], [0.3256, 0.1946], atol=1e-4)
    found = random_effects(ratio[:, None], np.sqrt(variance)[:, None])
    np.testing.assert_allclose(found.between_sd**2, 0.3286, atol=1e-4)


def test_by_hand():
    found = random_effects([[1.0, 0.0], [3.0, 0.1], [5.0, 0.2]], [[1.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    np.testing.assert_allclose(found.value, [3.0, 0.1])
    np.testing.assert_allclose(found.standard_error, [2 / np.sqrt(3), 0.1 / np.sqrt(3)])
    np.testing.assert_allclose(found.between_sd, [np.sqrt(4 - 2), 0.0])
    np.testing.assert_allclose(found.prediction_error, [2 * np.sqrt(4 / 3), 0.1 * np.sqrt(4 / 3)])


def test_planted_spread_is_found_and_new_groups_lie_in_their_interval():
    rng, n_groups, n_cells = np.random.default_rng(0), 10, 4000
    true = rng.normal(0.5, 2.0, (n_groups + 1, n_cells))
    shown = true + rng.standard_normal(true.shape)
    errors = np.sqrt(rng.chisquare(4, true.shape) / 4)  # of five folds
    found = random_effects(shown[:-1], errors[:-1])
    assert abs(np.mean(found.between_sd**2) - 4) < 0.25
    reach = stats.t.ppf(0.975, n_groups - 1) * found.prediction_error
    assert abs(np.mean(np.abs(shown[-1] - found.value) <= reach) - 0.95) < 0.015
    assert np.mean(np.abs(true[-1] - found.value) <= reach) > 0.95
    assert np.isnan(random_effects(shown, np.full(shown.shape, np.nan)).between_sd).all()
