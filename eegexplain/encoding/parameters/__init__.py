"""Parameters of any encoding model, by variable projection or a torch optimiser."""

from eegexplain.encoding.parameters.fitter import ParameterFitter
from eegexplain.encoding.parameters.noise_models import NOISE_MODELS, NoiseModel

__all__ = ["NOISE_MODELS", "NoiseModel", "ParameterFitter"]
