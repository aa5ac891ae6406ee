"""Weights of linear encoding models, by ridge regression."""

from eegexplain.encoding.weights.fitter import WeightFitter

__all__ = ["WeightFitter"]
