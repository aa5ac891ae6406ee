"""The one list of estimators that the shared batteries run over: each new estimator adds a `Case`."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression, Ridge

from eegexplain import bases
from eegexplain.attribution import FLEXAttributor, OcclusionAttributor
from eegexplain.information import InformationMapper, SynchronyMapper
from eegexplain.intervention import ActivationPatcher
from eegexplain.models import (
    EEGNetClassifier,
    EEGNetRegressor,
    EnsembleClassifier,
    EnsembleRegressor,
    SyncNetClassifier,
    SyncNetRegressor,
)
from eegexplain.perturbation import PerturbationCorrelator
from eegexplain.reverse_correlation import EnvelopeCorrelator, GradCAMAttributor, ReverseCorrelator
from eegexplain.sinusoid import SinusoidFitter
from eegexplain.timecourse import OrdinalLogisticRegression, TimeResolvedCoefficients

# small trials of no network's own make information maps say so
FEW_TRIALS = [
    pytest.mark.filterwarnings("ignore:.*are too few to tell information", "ignore:Trial and cell do not add up"),
    pytest.mark.filterwarnings("ignore:These trials have trained the network"),
    pytest.mark.filterwarnings("ignore:One channel .* has no phase relations", "ignore:.* all frequencies are one"),
    pytest.mark.filterwarnings("ignore:.* left out. trials of"),
    pytest.mark.filterwarnings("ignore:Layer .* has no axis along time"),
]
N_TRIALS, N_CHANNELS, N_TIMES, SFREQ = 12, 3, 32, 64.0
FAST = {
    "readout": "max",
    "training": "gradient",
    "num_filters": 2,
    "filter_width": 8,
    "pool_size": 8,
    "max_epochs": 2,
    "batch_size": 8,
    "validation_fraction": 0.0,
    "sfreq": SFREQ,
    "random_state": 0,
}
FAST_EEGNET = {
    "F1": 2,
    "kernel_length": 8,
    "max_epochs": 2,
    "batch_size": 8,
    "validation_fraction": 0.0,
    "sfreq": SFREQ,
    "random_state": 0,
}


def fast_classifier(**params):
    """A classifier that trains in milliseconds (and decodes nothing)."""
    return SyncNetClassifier(**{**FAST, **params})


def fast_regressor(**params):
    """A regressor that trains in milliseconds."""
    return SyncNetRegressor(**{**FAST, **params})


def closed_classifier(**params):
    """A classifier that trains without gradients."""
    return fast_classifier(**{"readout": "log_power", "training": "closed", **params})


def closed_regressor(**params):
    """A regressor that trains without gradients."""
    return fast_regressor(**{"readout": "log_power", "training": "closed", **params})


def fast_eegnet(**params):
    """An EEGNet that trains in milliseconds."""
    return EEGNetClassifier(**{**FAST_EEGNET, **params})


def fast_eegnet_regressor(**params):
    """An EEGNet for numbers that trains in milliseconds."""
    return EEGNetRegressor(**{**FAST_EEGNET, **params})


@dataclass(frozen=True)
class Case:
    """One estimator and how to run it through the batteries."""

    name: str
    make: object  # () -> estimator, fast, deterministic
    n_checks: int  # checks that scikit-learn's battery must collect; fewer means that it was switched off
    regression: bool = False
    map_attributes: tuple = ()  # fitted arrays with a channel axis, as (name, axis), permuted along with the channels
    searched: str = "lr"  # a parameter of the inner estimator (or of this one) for a grid search
    skip: dict = field(default_factory=dict)  # name of a contract test -> why it does not apply


def fast_gradient(**params):
    """Perturbation correlation in closed form."""
    return PerturbationCorrelator(fast_classifier(), random_state=0, **params)


def fast_sampling(**params):
    """Perturbation correlation of an estimator without gradients."""
    return PerturbationCorrelator(AmplitudeClassifier(), n_iterations=10, random_state=0, **params)


def over_time_ridge(**params):
    """Ridge regressions over time."""
    return TimeResolvedCoefficients(Ridge(), **params)


def over_time_ordinal(**params):
    """Ordinal logistic regressions over time."""
    return TimeResolvedCoefficients(OrdinalLogisticRegression(), **params)


def fast_occlusion(**params):
    """Frequencies of other trials in the place of each, for an estimator without gradients."""
    settings = {"basis": "fourier", "baseline": "trials", "n_baselines": 2, "random_state": 0}
    return OcclusionAttributor(AmplitudeClassifier(), **settings, **params)


class AmplitudeClassifier(ClassifierMixin, BaseEstimator):
    """A classifier of samples and amplitudes that is not a network."""

    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y):
        self.inner_ = LogisticRegression(C=self.C).fit(self._features(X), y)
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, X):
        return self.inner_.predict(self._features(X))

    def predict_proba(self, X):
        return self.inner_.predict_proba(self._features(X))

    def _features(self, X):
        return np.concatenate([X, np.abs(np.fft.rfft(X))], axis=-1).reshape(len(X), -1)


def fast_envelopes(**params):
    """Envelope correlation of the pooled outputs."""
    return EnvelopeCorrelator(fast_classifier(), layer="pool_out", random_state=0, **params)


def fast_patcher(**params):
    """Activation patching of filters, few draws."""
    settings = {"estimator": closed_classifier(), "n_draws": 3, "random_state": 0}
    return ActivationPatcher(**{**settings, **params})


def fast_information(**params):
    """Information in channels."""
    settings = {"cells": bases.Fourier(), "n_permutations": 19, "random_state": 0}
    return InformationMapper(**{"estimator": closed_classifier(), **settings, "space": "channels", **params})


def fast_information_on_numbers(**params):
    """Information in bands, about numbers."""
    return fast_information(**{"estimator": closed_regressor(), "space": None, **params})


def fast_synchrony(**params):
    """Phase relations, few permutations."""
    settings = {"estimator": closed_classifier(), "n_permutations": 19, "random_state": 0}
    return SynchronyMapper(**{**settings, **params})


def fast_synchrony_of_numbers(**params):
    """Phase relations that a regressor reads."""
    return fast_synchrony(**{"estimator": closed_regressor(), **params})


def small_ensemble(**params):
    """A mean of a network and of what is none."""
    return EnsembleClassifier([closed_classifier(), AmplitudeClassifier()], **{"random_state": 0, **params})


def small_ensemble_of_numbers(**params):
    """A mean of predictions."""
    return EnsembleRegressor([closed_regressor()], **{"random_state": 0, **params})


SEARCHED_AS_LIST = {"test_grid_search_through_a_pipeline": "it has lists, no numbers: tests/models/test_ensemble.py"}

CASES = [
    Case("SyncNetClassifier", fast_classifier, 55),
    Case("SyncNetRegressor", fast_regressor, 53, regression=True),
    Case("SyncNetClassifier-closed", closed_classifier, 55),
    Case("SyncNetRegressor-closed", closed_regressor, 53, regression=True),
    Case("EEGNetClassifier", fast_eegnet, 55),
    Case("EEGNetRegressor", fast_eegnet_regressor, 53, regression=True),
    Case("EnsembleClassifier", small_ensemble, 55, skip=SEARCHED_AS_LIST),
    Case("EnsembleRegressor", small_ensemble_of_numbers, 53, regression=True, skip=SEARCHED_AS_LIST),
    Case("PerturbationCorrelator", fast_gradient, 61, map_attributes=(("correlations_", 1),)),
    Case("PerturbationCorrelator-sampling", fast_sampling, 61, searched="C"),
    Case("FLEXAttributor", lambda: FLEXAttributor(fast_classifier(), n_steps=3, random_state=0), 61,
         map_attributes=(("attributions_", 1),)),
    Case("FLEXAttributor-regression", lambda: FLEXAttributor(fast_regressor(), n_steps=3, random_state=0), 59,
         regression=True, map_attributes=(("attributions_", 1),)),
    Case("OcclusionAttributor", fast_occlusion, 61, searched="C"),
    Case(
        "ReverseCorrelator", lambda: ReverseCorrelator(fast_classifier()), 61, map_attributes=(("templates_", 1),)
    ),
    Case("GradCAMAttributor", lambda: GradCAMAttributor(fast_classifier(), layer="pool_out"), 61),
    Case("EnvelopeCorrelator", fast_envelopes, 61, map_attributes=(("correlations_", 1),)),
    Case(
        "SinusoidFitter", lambda: SinusoidFitter(fast_classifier()), 61, map_attributes=(("err_lin_", 1),)
    ),
    Case("ActivationPatcher", fast_patcher, 61),
    Case("InformationMapper", fast_information, 61),  # partners depend on what trials hold, channel by channel
    Case("InformationMapper-numbers", fast_information_on_numbers, 58, regression=True),
    Case("SynchronyMapper", fast_synchrony, 61),  # angles are drawn channel by channel
    Case("SynchronyMapper-numbers", fast_synchrony_of_numbers, 58, regression=True),
    Case("TimeResolvedCoefficients", lambda: TimeResolvedCoefficients(LogisticRegression()), 61, searched="C"),
    Case("TimeResolvedCoefficients-ridge", over_time_ridge, 58, regression=True, searched="alpha"),
    Case("TimeResolvedCoefficients-ordinal", over_time_ordinal, 61, searched="C"),
]


def trials(regression=False, *, n_trials=N_TRIALS, seed=0):
    """Small trials `X, y` with a class (or linear) effect on the first channel."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_trials, N_CHANNELS, N_TIMES))
    y = np.arange(n_trials) % 2
    X[:, 0] += y[:, None] * np.sin(np.arange(N_TIMES) * 2 * np.pi * 10 / SFREQ)
    return X, (y + rng.standard_normal(n_trials) / 10 if regression else np.array(["left", "right"])[y])


READY = {}


def ready(case):
    """The estimator of a case fitted on its trials, once per process: for tests that ask it and change nothing."""
    if case.name not in READY:
        READY[case.name] = case.make().fit(*trials(case.regression))
    return READY[case.name]
