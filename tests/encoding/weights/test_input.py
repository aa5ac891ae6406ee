"""Samples with gaps are left out where they are asked to be."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from eegexplain.encoding import DelayedModel, LinearModelWithBaselineHRF, SPMHRFModel, WeightFitter

RNG = np.random.default_rng(0)
X, RUNS = RNG.normal(size=(120, 2)), np.repeat([0, 1], 60)
MODEL = DelayedModel(tmin=-1.0, tmax=2.0)
Y = MODEL.predict(X, weights=RNG.normal(size=(8, 3)), groups=RUNS) + 0.1 * RNG.normal(size=(120, 3))


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("model", [MODEL, None])
def test_a_masked_fit_is_one_without_these_samples(model, alpha):
    x, y = X.copy(), Y.copy()
    x[[20, 59], [0, 1]] = np.nan
    y[[70, 90], [0, 2]] = np.nan
    fit = WeightFitter(model, alpha, missing="mask").fit(x, y, RUNS)
    blind = {20, 59} if model is None else {19, 20, 21, 22, 58, 59}  # who sees a gap at a lag from -1 to 2, in its run
    valid = np.ones(120, dtype=bool) if model is None else model.valid_samples(120, RUNS)
    kept = np.setdiff1d(np.flatnonzero(valid), [*blind, 70, 90])
    design = X if model is None else model.design(X, RUNS)
    expected = WeightFitter(None, alpha).fit(design[kept], Y[kept])
    assert_allclose(fit.weights_, expected.weights_, atol=1e-10)
    assert_allclose(fit.r2_, expected.r2_)
    found = fit.predict(x, RUNS)
    assert_array_equal(np.isnan(found).any(axis=1), np.isin(np.arange(120), list(blind)))
    assert_allclose(fit.score(x, y, groups=RUNS), expected.score(design[kept], Y[kept]))


def test_gaps_are_refused_unless_they_are_masked():
    x, y = X.copy(), Y.copy()
    x[3, 0] = np.nan
    for arguments in ((x, Y), (X, np.where(Y > 0, Y, np.nan))):
        with pytest.raises(ValueError, match="NaN"):
            WeightFitter(MODEL).fit(*arguments, RUNS)
    fit = WeightFitter(MODEL).fit(X, Y, RUNS)
    with pytest.raises(ValueError, match="NaN"):
        fit.predict(x, RUNS)
    x[3, 0] = np.inf
    with pytest.raises(ValueError, match="inf"):
        WeightFitter(MODEL, missing="mask").fit(x, Y, RUNS)
    with pytest.raises(ValueError, match="No sample is left"):
        WeightFitter(MODEL, missing="mask").fit(X, np.full_like(y, np.nan), RUNS)
    with pytest.raises(ValueError, match="missing"):
        WeightFitter(MODEL, missing="drop").fit(X, Y, RUNS)


def test_a_response_without_end_sees_every_earlier_gap():
    x, y = X.copy(), Y.copy()
    y[5] = np.nan
    model = LinearModelWithBaselineHRF(hrf_model=SPMHRFModel(2.0))
    assert np.isfinite(WeightFitter(model, missing="mask").fit(X, y, RUNS).weights_).all()
    x[5] = np.nan
    with pytest.raises(ValueError, match="carries a stimulus on to all later samples"):
        WeightFitter(model, missing="mask").fit(x, Y, RUNS)
