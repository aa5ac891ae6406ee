"""Sums by folds, from rows and from lags, against explicit matrices."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit

from eegexplain.encoding import DelayedModel
from eegexplain.encoding.weights._sums import Lags, Rows, about, fold_sums, own_means

RNG = np.random.default_rng(0)
RUNS = np.repeat([0, 1, 2], [23, 31, 26])
SLICES = [slice(0, 23), slice(23, 54), slice(54, 80)]
SIGNALS, DATA = RNG.normal(size=(80, 3)) + [1.0, -2.0, 0.5], RNG.normal(size=(80, 4))
OFFSET = DATA.mean(0)
PARTS = ("n", "x", "y", "gram", "products", "total")


def explicit(x, y):
    return len(x), x.sum(0), y.sum(0), x.T @ x, x.T @ y, (y**2).sum(0)


def assert_sums(sums, x, y):
    for name, expected in zip(PARTS, explicit(x, y), strict=True):
        assert_allclose(getattr(sums, name), expected, rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("window", [(0, 5), (-4, 0), (-3, 2), (2, 6), (-7, -3), (0, 0), (3, 3)])
@pytest.mark.parametrize("edges", ["mask", "zero"])
@pytest.mark.parametrize("left_out", [(), (0, 30, 31, 50), (5, 6, 25, 60, 79)])
def test_lags_give_the_sums_of_their_design(window, edges, left_out):
    """All samples and any part of them, whatever the lags, edges and gaps."""
    model = DelayedModel(tmin=window[0], tmax=window[1], edges=edges)
    valid = model.valid_samples(80, RUNS)
    valid[list(left_out)] = False
    samples = np.flatnonzero(valid)
    lags = Lags(SIGNALS, DATA, OFFSET, model.get_lags(), SLICES, samples)
    rows = Rows(model.design(SIGNALS, RUNS)[samples], DATA[samples], OFFSET)
    for some in (np.arange(len(samples)), np.arange(3, 20), np.sort(RNG.permutation(len(samples))[:17])):
        for source in (lags, rows):
            sums = source.sums(some, slice(1, 3))
            assert_sums(sums, rows.design[some], (DATA[samples[some]] - OFFSET)[:, 1:3])
        assert lags.sums(some, slice(0, 4), gram=False).gram is None


@pytest.mark.parametrize("splitter", [KFold(3), GroupKFold(3), ShuffleSplit(2, test_size=0.5, random_state=0),
                                      ShuffleSplit(3, test_size=20, train_size=20, random_state=0)])  # fmt: skip
def test_sums_of_folds(splitter):
    """Partitions by subtraction, all else sample by sample; two halves may overlap."""
    rows = Rows(SIGNALS, DATA, OFFSET)
    groups = RUNS if isinstance(splitter, GroupKFold) else None
    splits = list(splitter.split(SIGNALS, groups=groups))
    folds, whole = fold_sums(rows, splits, 80, slice(0, 4))
    assert_sums(whole, SIGNALS, DATA - OFFSET)
    for fold, (train, test) in zip(folds, splits, strict=True):
        assert_sums(fold.train, SIGNALS[train], DATA[train] - OFFSET)
        assert_sums(fold.test, SIGNALS[test], DATA[test] - OFFSET)
        means = own_means(fold.train)
        assert_sums(about(fold.test, *means), SIGNALS[test] - SIGNALS[train].mean(0), DATA[test] - DATA[train].mean(0))
