"""EEGNet: temporal filters, spatial filters for each, then their combinations over time."""

from eegexplain.models.eegnet.estimators import EEGNetClassifier, EEGNetRegressor
from eegexplain.models.eegnet.module import EEGNet

__all__ = ["EEGNet", "EEGNetClassifier", "EEGNetRegressor"]
