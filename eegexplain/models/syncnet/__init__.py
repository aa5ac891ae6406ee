"""SyncNet: filters that are damped oscillations with a frequency and a phase per channel."""

from eegexplain.models.syncnet.estimators import SyncNetClassifier, SyncNetRegressor
from eegexplain.models.syncnet.module import SyncNet

__all__ = ["SyncNet", "SyncNetClassifier", "SyncNetRegressor"]
