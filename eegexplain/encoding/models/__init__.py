"""Encoding models: what a stimulus does to a response, given parameters or weights."""

from eegexplain.encoding.models.base import EncodingModel
from eegexplain.encoding.models.convolved import HRFEncodingModel
from eegexplain.encoding.models.double_gamma import spm_hrf
from eegexplain.encoding.models.hrf import HRFModel, SPMHRFModel
from eegexplain.encoding.models.linear import DelayedModel, LinearModelWithBaseline, LinearModelWithBaselineHRF
from eegexplain.encoding.models.parameter import Parameter
from eegexplain.encoding.models.tuning import GaussianTuningModel

__all__ = [
    "DelayedModel",
    "EncodingModel",
    "GaussianTuningModel",
    "HRFEncodingModel",
    "HRFModel",
    "LinearModelWithBaseline",
    "LinearModelWithBaselineHRF",
    "Parameter",
    "SPMHRFModel",
    "spm_hrf",
]
