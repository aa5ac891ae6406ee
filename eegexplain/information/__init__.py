"""How much of the information about the label a decoder takes from a channel, a band, a moment: in bits."""

from eegexplain._total import TotalInformation, total_information
from eegexplain.information.mapper import InformationMapper
from eegexplain.information.source_space import SourceSpace
from eegexplain.information.synchrony import SynchronyMapper

__all__ = ["InformationMapper", "SourceSpace", "SynchronyMapper", "TotalInformation", "total_information"]
