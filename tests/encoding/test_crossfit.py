"""Residuals of samples that were left out, by a loop."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.model_selection import KFold, ShuffleSplit

from eegexplain.encoding import WeightFitter
from eegexplain.encoding._crossfit import cross_fit

rng = np.random.default_rng(0)
X = rng.standard_normal((24, 2))
Y = X @ rng.standard_normal((2, 3)) + rng.standard_normal((24, 3))
KEPT = np.array([True, False, True])
ASKED = {"kept": KEPT, "grid": X[:5]}


def test_residuals_are_those_of_models_without_the_sample():
    found = cross_fit(WeightFitter(), X, Y, None, cv=KFold(4), **ASKED)
    for fold, (train, test) in zip(found.folds, KFold(4).split(X), strict=True):
        design = np.column_stack([X, np.ones(24)])
        weights = np.linalg.lstsq(design[train], Y[train], rcond=None)[0]
        lever = np.einsum("sp,pq,sq->s", design[test], np.linalg.inv(design[train].T @ design[train]), design[test])
        naive = (Y[test] - design[test] @ weights) / np.sqrt(1 + lever)[:, None]
        assert_allclose(found.residual[found.labels == fold.label], naive[:, KEPT], rtol=1e-8)
        assert_allclose(fold.expected, (design[:5] @ weights)[:, KEPT])


def test_runs_are_left_out_as_wholes():
    runs = np.repeat([3, 1, 7], 8)
    labels = cross_fit(WeightFitter(), X, Y, runs, cv=3, **ASKED).labels
    assert all(len(np.unique(labels[runs == run])) == 1 for run in (1, 3, 7)) and len(np.unique(labels)) == 3


def test_folds_do_not_depend_on_the_order_of_samples():
    order = rng.permutation(24)
    one = cross_fit(WeightFitter(), X, Y, None, cv=5, **ASKED)
    other = cross_fit(WeightFitter(), X[order], Y[order], None, cv=5, **ASKED)
    assert_allclose(other.residual, one.residual[order])


def test_folds_that_are_no_partition_are_refused():
    with pytest.raises(ValueError, match="every sample once"):
        cross_fit(WeightFitter(), X, Y, None, cv=ShuffleSplit(3, random_state=0), **ASKED)
    with pytest.raises(ValueError, match="cv must be a number of folds"):
        cross_fit(WeightFitter(), X, Y, None, cv=1, **ASKED)
