"""FLEX: integrated gradients read in any linear basis, from one path integral."""

from eegexplain.attribution.classic import FrequencyDomainModel, attribute

__all__ = ["FrequencyDomainModel", "attribute"]
