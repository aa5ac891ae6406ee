"""Encoding models: predict responses from a stimulus, fit weights or parameters, decode the stimulus back."""

from eegexplain.encoding.calibration import DecodingCalibration
from eegexplain.encoding.decoder import StimulusDecoder
from eegexplain.encoding.models import (
    DelayedModel,
    EncodingModel,
    GaussianTuningModel,
    HRFEncodingModel,
    HRFModel,
    LinearModelWithBaseline,
    LinearModelWithBaselineHRF,
    Parameter,
    SPMHRFModel,
    spm_hrf,
)
from eegexplain.encoding.parameters import ParameterFitter
from eegexplain.encoding.residuals import ResidualFitter
from eegexplain.encoding.significance import score_significance
from eegexplain.encoding.units import unit_responses
from eegexplain.encoding.weights import WeightFitter

__all__ = [
    "DecodingCalibration",
    "DelayedModel",
    "EncodingModel",
    "GaussianTuningModel",
    "HRFEncodingModel",
    "HRFModel",
    "LinearModelWithBaseline",
    "LinearModelWithBaselineHRF",
    "Parameter",
    "ParameterFitter",
    "ResidualFitter",
    "SPMHRFModel",
    "StimulusDecoder",
    "WeightFitter",
    "score_significance",
    "spm_hrf",
    "unit_responses",
]
