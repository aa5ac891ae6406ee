"""Encoding models: predict responses from a stimulus, fit weights or parameters, decode the stimulus back."""

from eegexplain.encoding._parameters import Parameter
from eegexplain.encoding.convolved import HRFEncodingModel
from eegexplain.encoding.decoder import StimulusDecoder
from eegexplain.encoding.hrf import HRFModel, SPMHRFModel, spm_hrf
from eegexplain.encoding.linear import DelayedModel, LinearModelWithBaseline, LinearModelWithBaselineHRF
from eegexplain.encoding.models import EncodingModel
from eegexplain.encoding.parameter_fitter import ParameterFitter
from eegexplain.encoding.tuning import GaussianTuningModel
from eegexplain.encoding.units import unit_responses
from eegexplain.encoding.weight_fitter import WeightFitter

__all__ = [
    "DelayedModel",
    "EncodingModel",
    "GaussianTuningModel",
    "HRFEncodingModel",
    "HRFModel",
    "LinearModelWithBaseline",
    "LinearModelWithBaselineHRF",
    "Parameter",
    "ParameterFitter",
    "SPMHRFModel",
    "StimulusDecoder",
    "WeightFitter",
    "spm_hrf",
    "unit_responses",
]
