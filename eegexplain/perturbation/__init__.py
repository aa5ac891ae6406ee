"""Perturbation correlation: which channels and frequencies move a network's outputs, its layers, its classes."""

from eegexplain.perturbation.correlator import PerturbationCorrelator
from eegexplain.perturbation.kinds import KINDS, Perturbation

__all__ = ["KINDS", "Perturbation", "PerturbationCorrelator"]
