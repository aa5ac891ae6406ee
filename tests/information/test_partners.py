"""Partners: of other groups, alike often, connected; effects: those of least squares, and those planted."""

import numpy as np
import pytest

from eegexplain.information._partners import draw_partners, fit_effects


@pytest.mark.parametrize("groups", [np.arange(41), np.arange(40) // 4, np.repeat([0, 1, 2, 3], [13, 13, 9, 4])])
def test_partners_are_of_other_groups_and_each_trial_is_one_alike_often(groups):
    partners = draw_partners(groups, 4, np.random.RandomState(0))
    assert (groups[partners] != groups[:, None]).all()
    np.testing.assert_array_equal(np.bincount(partners.ravel(), minlength=len(groups)), 4)


def test_partners_say_nothing_about_the_order():
    """Every trial of another group is a partner alike often, over draws."""
    groups, count = np.repeat(np.arange(4), 5), np.zeros((20, 20))
    for seed in range(600):
        for n, row in enumerate(draw_partners(groups, 3, np.random.RandomState(seed))):
            count[n, row] += 1
    others = groups[:, None] != groups
    assert (count[~others] == 0).all()
    np.testing.assert_allclose(count[others], 1800 / 15, atol=50)
    assert abs(count[others].std() - np.sqrt(1800 / 15)) < 3  # as if drawn one by one


def test_groups_that_only_meet_each_other_are_refused():
    with pytest.raises(ValueError, match="2 groups cannot all be compared"):
        draw_partners(np.arange(40) % 2, 4, np.random.RandomState(0))
    with pytest.raises(ValueError, match="one group"):
        draw_partners(np.zeros(10, int), 4, np.random.RandomState(0))
    large = np.repeat([0, 1, 2, 3], [30, 4, 3, 3])
    partners = draw_partners(large, 4, np.random.RandomState(0))
    assert (large[partners] != large[:, None]).all()


def test_effects_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    partners = draw_partners(np.arange(30), 3, np.random.RandomState(1))
    outputs = rng.standard_normal((30, 3, 2)) * [1, 1e4]
    design = np.zeros((90, 60))
    design[np.arange(90), np.repeat(np.arange(30), 3)] = 1
    design[np.arange(90), 30 + partners.ravel()] = 1
    found = fit_effects(outputs, partners)
    expected = np.linalg.lstsq(design, outputs.reshape(90, 2), rcond=None)[0]
    shift = expected[30:].mean(axis=0)
    np.testing.assert_allclose(found.rows / [1, 1e4], (expected[:30] + shift) / [1, 1e4], atol=1e-9)
    np.testing.assert_allclose(found.columns / [1, 1e4], (expected[30:] - shift) / [1, 1e4], atol=1e-9)
    rest = outputs.reshape(90, 2) - design @ expected
    assert abs(found.interaction - (rest**2).sum() / np.square(outputs - outputs.mean(axis=(0, 1))).sum()) < 1e-9


def test_planted_effects_are_recovered_and_noise_is_left():
    rng = np.random.default_rng(0)
    rows, columns = rng.standard_normal((50, 1)), rng.standard_normal((50, 1))
    partners = draw_partners(np.arange(50) // 5, 4, np.random.RandomState(0))
    found = fit_effects(rows[:, None] + columns[partners], partners)
    np.testing.assert_allclose(found.rows, rows + columns.mean(), atol=1e-10)
    np.testing.assert_allclose(found.columns, columns - columns.mean(), atol=1e-10)
    assert found.interaction < 1e-20
    nothing = fit_effects(np.ones((50, 4, 1)), partners)
    assert (nothing.rows == 1).all() and (nothing.columns == 0).all() and nothing.interaction == 0


def test_trials_that_were_no_partner_have_no_effect_of_their_own():
    partners = np.array([[1, 2], [2, 0], [0, 1], [0, 1]])
    found = fit_effects(np.random.default_rng(0).standard_normal((4, 2, 1)), partners)
    assert np.isnan(found.columns[3]).all() and np.isfinite(found.rows).all() and np.isfinite(found.columns[:3]).all()
