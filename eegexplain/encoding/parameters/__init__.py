"""Parameters of any encoding model, by variable projection or a torch optimiser."""

from eegexplain.encoding.parameters.fitter import ParameterFitter

__all__ = ["ParameterFitter"]
