"""Banks of baselines: shapes, which trials, and surrogates that keep power and synchrony but no timing."""

import numpy as np
import pytest

from eegexplain.attribution._baselines import make_bank, phase_factors


def trials(n_times=21):
    return np.random.default_rng(0).normal(size=(7, 3, n_times))


def test_one_baseline_for_all_trials():
    X, rng = trials(), np.random.RandomState(0)
    given = np.arange(63.0).reshape(3, 21)
    for baseline, expected in [("zeros", np.zeros((3, 21))), ("mean", X.mean(0)), (given, given)]:
        bank = make_bank(baseline, X, (3, 21), 5, rng)
        assert len(bank) == 1 and bank.values.shape == (1, 3, 21)
        drawn = bank.draw(0, X[2:6], slice(2, 6))
        np.testing.assert_allclose(drawn, np.broadcast_to(expected, (4, 3, 21)), atol=1e-15)


def test_one_baseline_per_trial_and_trials_as_baselines():
    X, rng = trials(), np.random.RandomState(0)
    bank = make_bank(2 * X, X, (3, 21), 5, rng)
    assert len(bank) == 1
    np.testing.assert_array_equal(bank.draw(0, X[2:6], slice(2, 6)), 2 * X[2:6])
    bank = make_bank("trials", X, (3, 21), 5, rng)
    which = [int(np.flatnonzero((X == value).all((1, 2)))[0]) for value in bank.values]
    assert len(bank) == len(set(which)) == 5
    np.testing.assert_array_equal(bank.draw(1, X[:2], slice(0, 2)), X[[which[1]] * 2])
    assert len(make_bank("trials", X, (3, 21), 50, rng)) == 7
    one, other = (make_bank("trials", some, (3, 21), 3, np.random.RandomState(1)) for some in (X, X[::-1]))
    np.testing.assert_array_equal(one.values, other.values)  # wherever trials stand


@pytest.mark.parametrize("n_times", [20, 21])
def test_surrogates_keep_power_and_synchrony_and_mean(n_times):
    X = trials(n_times)
    bank = make_bank("surrogate", X, (3, n_times), 4, np.random.RandomState(0))
    assert len(bank) == 4
    before = np.fft.rfft(X)
    for number in range(4):
        drawn = bank.draw(number, X, slice(0, 7))
        after = np.fft.rfft(drawn)
        assert drawn.shape == X.shape and np.abs(drawn - X).max() > 0.5
        np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-10)
        np.testing.assert_allclose(after[:, 0] * after[:, 1].conj(), before[:, 0] * before[:, 1].conj(), atol=1e-10)
        np.testing.assert_allclose(drawn.mean(-1), X.mean(-1), atol=1e-12)


def test_phases_of_surrogates_are_uniform_and_of_their_own_in_every_bin_and_draw():
    for n_times in (8, 9):
        factors = phase_factors(6000, n_times, np.random.RandomState(0))
        assert factors.shape == (6000, 5)
        np.testing.assert_allclose(np.abs(factors), 1)
        np.testing.assert_array_equal(factors[:, 0], 1)
        free = factors[:, 1:4] if n_times == 8 else factors[:, 1:]
        for power in (1, 2, 3):  # circular moments; their error is 1 / sqrt(6000) = 0.013
            assert np.abs((free**power).mean(0)).max() < 0.055
        assert np.abs((free[:, 0] * free[:, 1].conj()).mean()) < 0.055
    signs = phase_factors(400, 8, np.random.RandomState(0))[:, -1]
    assert set(signs.tolist()) == {1.0, -1.0} and abs(signs.real.mean()) < 0.2


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_single_bad_value_in_a_given_baseline_is_refused(value):
    given = np.zeros((3, 21))
    given[1, 4] = value
    with pytest.raises(ValueError, match="NaN|infin"):
        make_bank(given, trials(), (3, 21), 1, np.random.RandomState(0))
