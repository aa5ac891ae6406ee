"""Causal interventions: what a network answers, and loses, while units of its layers are replaced."""

from eegexplain.intervention.patcher import ActivationPatcher
from eegexplain.intervention.replacement import intervene

__all__ = ["ActivationPatcher", "intervene"]
