"""FLEX: integrated gradients read in any linear basis, from one path integral."""

from eegexplain.attribution._labelled import class_contrast
from eegexplain.attribution.classic import FrequencyDomainModel, attribute
from eegexplain.attribution.flex import FLEXAttributor

__all__ = ["FLEXAttributor", "FrequencyDomainModel", "attribute", "class_contrast"]
