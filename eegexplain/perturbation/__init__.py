"""Perturbation correlation: which channels and frequencies move a network's outputs, its layers, its classes."""

from eegexplain.perturbation.classic import (
    amp_perturbation_additive,
    amp_perturbation_multiplicative,
    compute_amplitude_prediction_correlations,
    correlate_feature_maps,
    mean_diff_feature_maps,
    phase_perturbation,
    spectral_perturbation_correlation,
)
from eegexplain.perturbation.correlator import PerturbationCorrelator
from eegexplain.perturbation.kinds import KINDS, Perturbation

__all__ = [
    "KINDS",
    "Perturbation",
    "PerturbationCorrelator",
    "amp_perturbation_additive",
    "amp_perturbation_multiplicative",
    "compute_amplitude_prediction_correlations",
    "correlate_feature_maps",
    "mean_diff_feature_maps",
    "phase_perturbation",
    "spectral_perturbation_correlation",
]
