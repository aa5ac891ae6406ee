"""Interpretable networks: SyncNet, whose filters are damped oscillations with a frequency and a phase per channel."""

from eegexplain.models.syncnet import SyncNet, SyncNetClassifier, SyncNetRegressor

__all__ = ["SyncNet", "SyncNetClassifier", "SyncNetRegressor"]
