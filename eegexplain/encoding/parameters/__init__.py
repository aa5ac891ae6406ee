"""Parameters of any encoding model, by variable projection within their bounds."""

from eegexplain.encoding.parameters.fitter import ParameterFitter

__all__ = ["ParameterFitter"]
