"""Interpretable networks: SyncNet, whose filters are damped oscillations with a frequency and a phase per channel."""

from eegexplain.models.estimators import SyncNetClassifier, SyncNetRegressor
from eegexplain.models.syncnet import SyncNet

__all__ = ["SyncNet", "SyncNetClassifier", "SyncNetRegressor"]
