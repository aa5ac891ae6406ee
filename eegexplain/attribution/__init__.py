"""What outputs are made of: path integrals of gradients in any linear basis, and occlusion for any model."""

from eegexplain.attribution._labelled import class_contrast
from eegexplain.attribution.classic import FrequencyDomainModel, attribute
from eegexplain.attribution.flex import FLEXAttributor
from eegexplain.attribution.occlusion import OcclusionAttributor

__all__ = ["FLEXAttributor", "FrequencyDomainModel", "OcclusionAttributor", "attribute", "class_contrast"]
