"""Explanations of EEG decoding networks as scikit-learn estimators.

What did my network learn, and can I trust the answer? Every analysis is a ``fit``/``transform`` object around a
scikit-learn, skorch or braindecode model. Public names are imported on first use (PEP 562), so that importing the
package costs next to nothing.
"""

import importlib

__version__ = "0.1.0.dev0"

_LAZY = {
    # name: module that defines it
    "ActivationPatcher": "eegexplain.intervention",
    "DelayedModel": "eegexplain.encoding",
    "EEGNet": "eegexplain.models",
    "EEGNetClassifier": "eegexplain.models",
    "EEGNetRegressor": "eegexplain.models",
    "EncodingModel": "eegexplain.encoding",
    "EnvelopeCorrelator": "eegexplain.reverse_correlation",
    "FLEXAttributor": "eegexplain.attribution",
    "GaussianTuningModel": "eegexplain.encoding",
    "GradCAMAttributor": "eegexplain.reverse_correlation",
    "HRFEncodingModel": "eegexplain.encoding",
    "HRFModel": "eegexplain.encoding",
    "InformationMapper": "eegexplain.information",
    "SynchronyMapper": "eegexplain.information",
    "LinearModelWithBaseline": "eegexplain.encoding",
    "LinearModelWithBaselineHRF": "eegexplain.encoding",
    "OcclusionAttributor": "eegexplain.attribution",
    "OrdinalLogisticRegression": "eegexplain.timecourse",
    "ParameterFitter": "eegexplain.encoding",
    "PerturbationCorrelator": "eegexplain.perturbation",
    "ReceptiveField": "eegexplain.reverse_correlation",
    "ReverseCorrelator": "eegexplain.reverse_correlation",
    "SPMHRFModel": "eegexplain.encoding",
    "SinusoidFitter": "eegexplain.sinusoid",
    "SpectralMapDisplay": "eegexplain.plotting",
    "StimulusDecoder": "eegexplain.encoding",
    "SyncNet": "eegexplain.models",
    "SyncNetClassifier": "eegexplain.models",
    "SyncNetRegressor": "eegexplain.models",
    "TemplateDisplay": "eegexplain.plotting",
    "TimeResolvedCoefficients": "eegexplain.timecourse",
    "TopomapDisplay": "eegexplain.plotting",
    "TrainedModule": "eegexplain._trained",
    "WeightFitter": "eegexplain.encoding",
    "as_estimator": "eegexplain._trained",
    "ax_scalp": "eegexplain.plotting",
    "fit_many": "eegexplain.models",
    "intervene": "eegexplain.intervention",
    "receptive_field": "eegexplain.reverse_correlation",
    "score_significance": "eegexplain.encoding",
    "spm_hrf": "eegexplain.encoding",
    "to_bids_sidecar": "eegexplain._answers",
    "to_dataframe": "eegexplain._answers",
    "to_mne": "eegexplain._answers",
    "unit_responses": "eegexplain.encoding",
}
_SUBPACKAGES = (
    "attribution",
    "bases",
    "datasets",
    "encoding",
    "information",
    "inspection",
    "intervention",
    "models",
    "perturbation",
    "plotting",
    "report",
    "reverse_correlation",
    "sinusoid",
    "timecourse",
)

__all__ = ["__version__", *sorted(_LAZY), *_SUBPACKAGES]


def __getattr__(name):
    """Import a public name on first use."""
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
    elif name in _SUBPACKAGES:
        value = importlib.import_module(f"eegexplain.{name}")
    else:
        raise AttributeError(f"module 'eegexplain' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
