"""Runs in scikit-learn's cross-validation: who does not pass them is told."""

import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score

from eegexplain.encoding import (
    DelayedModel,
    GaussianTuningModel,
    ParameterFitter,
    SPMHRFModel,
    WeightFitter,
)

RNG = np.random.default_rng(0)
X, RUNS = RNG.standard_normal((120, 1)), np.repeat(np.arange(4), 30)
Y = DelayedModel(tmax=2.0).predict(X, weights=np.ones((3, 1)), groups=RUNS)


@pytest.mark.parametrize("call", [cross_val_predict, cross_val_score])
def test_lags_do_not_cross_runs_in_silence(call):
    with pytest.warns(UserWarning, match="DelayedModel looks beyond single samples.*without their runs"):
        call(WeightFitter(DelayedModel(tmax=2.0)), X, Y, groups=RUNS, cv=GroupKFold(2))


def test_nor_in_a_search_nor_haemodynamic_responses():
    search = GridSearchCV(WeightFitter(DelayedModel()), {"model__tmax": [1.0, 2.0]}, cv=GroupKFold(2))
    with pytest.warns(UserWarning, match="without their runs"):
        search.fit(X, Y, groups=RUNS)
    fitter = ParameterFitter(GaussianTuningModel(hrf_model=SPMHRFModel(2.0)), max_n_iterations=1)
    with pytest.warns(UserWarning, match="GaussianTuningModel looks beyond"):
        cross_val_predict(fitter, X, Y, cv=2)


def test_no_warning_without_memory_or_cross_validation():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cross_val_predict(WeightFitter(), X, Y, groups=RUNS, cv=GroupKFold(2))
        cross_val_predict(WeightFitter(DelayedModel(tmin=0, tmax=0)), X, Y, cv=2)  # a single lag of zero
        WeightFitter(DelayedModel(tmax=2.0)).fit(X, Y).predict(X)
    assert [str(one.message) for one in caught] == []
