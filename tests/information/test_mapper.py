"""InformationMapper: definitions re-derived trial by trial, planted truths, what must be zero."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator

from eegexplain.information import InformationMapper

SFREQ, N_CHANNELS, N_TIMES = 64.0, 4, 64


class PowerReader(ClassifierMixin, BaseEstimator):
    """Log power of 10 Hz in channel 1 plus that of 20 Hz in channel 2, and nothing else."""

    def __init__(self, strength=2.0):
        self.strength = strength

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        power = np.abs(np.fft.rfft(X)) ** 2 / X.shape[-1]
        return self.strength * (np.log(power[:, 1, 10] + 1e-3) + np.log(power[:, 2, 20] + 1e-3))

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


def trials(n_trials=120, seed=0, strength=1.5):
    """Noise, and in class 1 more of 10 Hz in channel 1."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n_trials, N_CHANNELS, N_TIMES)), np.arange(n_trials) % 2
    phase = rng.uniform(0, 2 * np.pi, n_trials)
    X[:, 1] += strength * y[:, None] * np.sin(2 * np.pi * 10 * np.arange(N_TIMES) / SFREQ + phase[:, None])
    return X, y


def mapper(estimator=None, **settings):
    X, y = trials()
    inner = FrozenEstimator((estimator or PowerReader()).fit(X, y))
    return InformationMapper(inner, **{"sfreq": SFREQ, "random_state": 0, **settings})


def test_bands_that_are_used_and_informative_have_information():
    X, y = trials()
    found = mapper().fit(X, y)
    named = dict(zip(found.explanation_["band"].values, found.information_, strict=True))
    assert named["alpha"] > 0.2 and found.p_values_[list(named).index("alpha")] < 0.01
    assert named["beta"] < 0.02  # noise that the decoder reads: it may only lose
    assert found.total_ <= 1.0


def test_cells_that_are_not_used_have_exactly_nothing():
    X, y = trials()
    found = mapper().fit(X, y)
    unused = ~np.isin(found.explanation_["band"].values, ["alpha", "beta"])
    assert unused.any()
    np.testing.assert_array_equal(found.information_[unused], 0.0)
    np.testing.assert_array_equal(found.p_values_[unused], 1.0)


@pytest.mark.parametrize("n_bands", [2, 3])
def test_shapley_values_add_up_to_the_total(n_bands):
    X, y = trials()
    bands = dict(list({"low": (2.0, 7.0), "alpha": (8.0, 12.0), "beta": (15.0, 25.0)}.items())[:n_bands])
    found = mapper(bands=bands, decomposition="shapley").fit(X, y)
    assert list(found.explanation_["band"].values) == [*bands, "outside"]
    assert found.information_.sum() == pytest.approx(found.total_, abs=1e-9)
