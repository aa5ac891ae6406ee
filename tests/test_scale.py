"""Nonsense is not silent: other units than in fit, maps of zeros, bands without sfreq or without a bin."""

import warnings

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from skorch import NeuralNetClassifier
from torch import nn

from eegexplain import FLEXAttributor, PerturbationCorrelator
from eegexplain import _scale as s
from eegexplain._validation import check_bands
from tests.estimators import CASES, FEW_TRIALS, fast_classifier, fast_regressor, ready, trials

pytestmark = FEW_TRIALS


def said(function, *args):
    """All warnings of a call, as one text."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        function(*args)
    return " ".join(str(warning.message) for warning in seen)


@pytest.mark.filterwarnings("ignore:The whole map is 0")  # of trials in a far other unit
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_every_door_warns_of_another_unit(case, factor):
    X, y = trials(case.regression)
    estimator = ready(case)
    doors = [estimator.predict]
    if hasattr(estimator, "explain"):
        doors += [estimator.explain, estimator.transform, lambda X: estimator.explain_population(X, y)]
    for door in doors:
        assert "same unit" in said(door, X * factor)
        door(X * 3)  # within what recordings differ: a warning would be an error here


@pytest.mark.filterwarnings("ignore:The whole map is 0")  # of trials in a far other unit
@pytest.mark.parametrize("make", [fast_classifier, fast_regressor])
def test_a_frozen_facade_knows_the_unit_it_was_trained_in(make):
    X, y = trials(make is fast_regressor)
    net = FrozenEstimator(make().fit(20 * X, y))
    PerturbationCorrelator(net).fit(20 * X, y)
    assert "1.0e-06 times that of the trials that SyncNet" in said(PerturbationCorrelator(net).fit, 20e-6 * X, y)


@pytest.mark.filterwarnings("ignore:The whole map is 0")  # of trials in a far other unit
def test_a_frozen_net_with_a_scale_of_its_own_is_asked():
    X, y = trials()
    facade = fast_classifier().fit(20 * X, y)
    code = (y == "right").astype(int)
    assert "same unit" in said(FLEXAttributor(FrozenEstimator(facade.net_), n_steps=2).fit, 20e-6 * X, code)


class Saturated(nn.Module):
    """Constant below a threshold, as a network in microvolts is for volts."""

    def __init__(self):
        super().__init__()
        self.readout = nn.Linear(3, 2)

    def forward(self, x):
        return self.readout(nn.functional.relu(x.abs().mean(-1) - 0.01))


def test_a_map_of_zeros_is_announced():
    X, y = trials()
    code = (y == "right").astype(int)
    net = NeuralNetClassifier(Saturated, criterion=nn.CrossEntropyLoss, max_epochs=1, train_split=None, verbose=0)
    net = FrozenEstimator(net.fit(X.astype(np.float32), code))
    analysis = FLEXAttributor(net, n_steps=2).fit(X, code)
    with pytest.warns(UserWarning, match="whole map is 0"):
        FLEXAttributor(net, n_steps=2).fit(1e-6 * X, code)
    told = said(analysis.explain_population, 1e-6 * X)
    assert "whole map is 0" in told and "same unit" in told


def test_levels_do_not_hang_on_artifacts_units_or_silent_trials():
    X = np.random.default_rng(0).standard_normal((600, 2, 50))
    low, high = s.level_range(X)
    assert 0.5 < low < 1 < high < 1.5
    for factor in (1e-200, 1e200):
        np.testing.assert_allclose(s.level_range(factor * X), (factor * low, factor * high))
    assert s.level_range(0 * X) is None
    X[0] *= 1e5
    seen = s.level_range(X)
    s.warn_of_scale(X[1:], seen, "net")  # one artifact in fit does not make clean trials suspect
    s.warn_of_scale(0 * X, seen, "net")
    with pytest.warns(UserWarning, match="fitted on"):
        s.warn_of_scale(X[1:] / 1000, seen, "net")


@pytest.mark.parametrize("bands", ["eeg", {"alpha": (8, 13)}])
def test_bands_without_sfreq_ask_for_it(bands):
    X, y = trials()
    with pytest.raises(ValueError, match="give sfreq"):
        PerturbationCorrelator(fast_classifier(sfreq=None), bands=bands).fit(X, y)
    with pytest.raises(ValueError, match="give sfreq"):
        FLEXAttributor(fast_classifier(sfreq=None), basis="bands", bands=bands).fit(X, y)


def test_a_band_lost_because_trials_are_short_is_told():
    with pytest.warns(UserWarning, match=r"delta \(1-4 Hz\) left out: trials of 20 samples at 100 Hz resolve 5 Hz"):
        assert "delta" not in check_bands("eeg", 100.0, 20)
    assert list(check_bands("eeg", 50.0, 100)) == ["delta", "theta", "alpha", "beta"]  # above Nyquist says nothing
