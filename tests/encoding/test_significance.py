"""Chance of prediction scores, against rearrangements made one by one, and its rate of false alarms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter
from sklearn.metrics import r2_score
from sklearn.utils import check_random_state

from eegexplain.encoding import score_significance

LENGTHS = (40, 55, 31)
RUNS = np.repeat([0, 1, 2], LENGTHS)


def noise(shape, seed):
    """Slow signals: each sample is like the one before."""
    return lfilter([1.0], [1.0, -0.9], np.random.default_rng(seed).standard_normal(shape), axis=0)


def score_of(scoring, y, p):
    if scoring == "r2":
        return r2_score(y, p, multioutput="raw_values")
    return np.array([np.corrcoef(y[:, v], p[:, v])[0, 1] for v in range(y.shape[1])])


@pytest.mark.parametrize("scoring", ["pearson", "r2"])
def test_shifts_equal_rolling_each_run(scoring):
    y, p = noise((126, 3), 0) + 5, noise((126, 3), 1) * 0.2 + 4
    found = score_significance(y, p, RUNS, scoring=scoring, n_permutations=25, random_state=0)
    assert_allclose(found.scores, score_of(scoring, y, p))
    rng, pieces = check_random_state(0), np.split(p, np.cumsum(LENGTHS)[:-1])
    shifts = [rng.randint(n, size=25) for n in LENGTHS]
    null = []
    for draw in range(25):
        rolled = [np.roll(piece, shifts[run][draw], axis=0) for run, piece in enumerate(pieces)]
        null.append(score_of(scoring, y, np.concatenate(rolled)))
    assert_allclose(found.null_max, np.max(null, axis=1), atol=1e-12)
    assert_array_equal(found.p_values, (1 + (np.array(null) >= found.scores).sum(0)) / 26)
    assert_array_equal(found.p_familywise, (1 + (np.max(null, axis=1)[:, None] >= found.scores).sum(0)) / 26)


@pytest.mark.parametrize("scoring", ["pearson", "r2"])
def test_exchanges_equal_predictions_of_other_runs(scoring):
    y, p = noise((120, 2), 2).reshape(6, 20, 2), noise((120, 2), 3).reshape(6, 20, 2)
    found = score_significance(y, p, null="runs", scoring=scoring, n_permutations=15, random_state=1)
    orders = np.argsort(check_random_state(1).random_sample((15, 6)), axis=1)
    null = [score_of(scoring, y.reshape(-1, 2), p[order].reshape(-1, 2)) for order in orders]
    assert_allclose(found.null_max, np.max(null, axis=1), atol=1e-12)
    assert_array_equal(found.p_values, (1 + (np.array(null) >= found.scores).sum(0)) / 16)


@pytest.mark.parametrize("null", ["shift", "runs"])
def test_slow_noise_is_found_as_often_as_agreed_and_a_signal_by_its_channel(null):
    """Eight channels that nothing predicts: a familywise false alarm in 1 of 20 data sets, not in most of them."""
    alarms = planted = 0
    for seed in range(150):
        y, p = noise((600, 8), 2 * seed), noise((600, 8), 2 * seed + 1)
        labels = np.repeat([0, 1], 300) if null == "shift" else np.repeat(np.arange(10), 60)
        found = score_significance(y, p, labels, null=null, n_permutations=59, random_state=seed)
        alarms += found.p_familywise.min() <= 0.05
        if seed < 20:
            y[:, 3] += 1.5 * p[:, 3]
            found = score_significance(y, p, labels, null=null, n_permutations=59, random_state=seed)
            planted += (found.p_familywise <= 0.05)[3]
    assert 1 <= alarms <= 16  # of 150 at .05, 99.9 % lie within 1 and 17
    assert planted == 20


def test_forms_gaps_and_constants():
    y, p = noise((126, 3), 4), noise((126, 3), 5)
    settings = {"n_permutations": 9, "random_state": 0}
    table = score_significance(y, p, RUNS, **settings)
    cuts = np.cumsum(LENGTHS)[:-1]
    listed = score_significance(np.split(y, cuts), np.split(p, cuts), **settings)
    assert_allclose(listed.null_max, table.null_max)
    wide, kept = np.insert(y, 60, np.nan, axis=0), np.insert(p, 60, 1.0, axis=0)
    assert_allclose(score_significance(wide, kept, np.insert(RUNS, 60, 1), **settings).scores, table.scores)
    y[:, 1] = 0.1
    found = score_significance(y, p, RUNS, **settings)
    assert_array_equal(np.isnan([found.scores, found.p_values, found.p_familywise]), [[False, True, False]] * 3)
    assert_allclose(found.null_max, score_significance(y[:, [0, 2]], p[:, [0, 2]], RUNS, **settings).null_max)
    single = score_significance(y[:, 0], p[:, 0], RUNS, **settings)
    assert_allclose(single.scores, found.scores[:1])


@pytest.mark.parametrize(("options", "said"), [
    ({"null": "runs"}, "exchanges runs of one length, but there are 3 of 31 to 55"),
    ({"scoring": "mse"}, "scoring"), ({"null": "phase"}, "null"), ({"n_permutations": 0}, "n_permutations"),
])  # fmt: skip
def test_what_cannot_be_tested(options, said):
    y = noise((126, 2), 0)
    with pytest.raises(ValueError, match=said):
        score_significance(y, y, RUNS, **options)


def test_shapes_and_few_arrangements():
    y = noise((126, 2), 0)
    with pytest.raises(ValueError, match=r"y_true has shape \(126, 2\), but y_pred has \(126, 1\)"):
        score_significance(y, y[:, :1])
    with pytest.raises(ValueError, match="No sample"):
        score_significance(y, np.full_like(y, np.nan))
    with pytest.raises(ValueError, match="y_pred holds 2 runs of 63 samples; y_true must hold"):
        score_significance(y, y.reshape(2, 63, 2))
    with pytest.warns(UserWarning, match="only 6 rearrangements"):
        score_significance(y.reshape(3, 42, 2), y.reshape(3, 42, 2), null="runs", n_permutations=9)
