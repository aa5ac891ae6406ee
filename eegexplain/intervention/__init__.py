"""Causal interventions: what a network answers, and loses, while units of its layers are replaced."""

from eegexplain.intervention.replacement import intervene

__all__ = ["intervene"]
