"""What filters look for: receptive fields, most activating windows, reverse correlation, envelope maps, Grad-CAM."""

from eegexplain.reverse_correlation._correlate import reverse_correlation
from eegexplain.reverse_correlation._windows import cut_windows, template_match
from eegexplain.reverse_correlation.classic import (
    activation_reverse_correlation,
    calc_Hin,
    calc_Hout,
    calc_receptive_field_for_units_2d,
    calc_receptive_field_size,
    get_input_windows_from_units_2d,
    get_max_act_index,
    most_activating_input_windows,
)
from eegexplain.reverse_correlation.correlator import ReverseCorrelator
from eegexplain.reverse_correlation.envelope import EnvelopeCorrelator
from eegexplain.reverse_correlation.grad_cam import GradCAMAttributor
from eegexplain.reverse_correlation.receptive_field import ReceptiveField, receptive_field

__all__ = [
    "EnvelopeCorrelator",
    "GradCAMAttributor",
    "ReceptiveField",
    "ReverseCorrelator",
    "activation_reverse_correlation",
    "calc_Hin",
    "calc_Hout",
    "calc_receptive_field_for_units_2d",
    "calc_receptive_field_size",
    "cut_windows",
    "get_input_windows_from_units_2d",
    "get_max_act_index",
    "most_activating_input_windows",
    "receptive_field",
    "reverse_correlation",
    "template_match",
]
