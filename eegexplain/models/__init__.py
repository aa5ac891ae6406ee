"""Networks as estimators: SyncNet, whose filters are damped oscillations; EEGNet; the bases for any torch module."""

from eegexplain._many import fit_many
from eegexplain.models._alignment import align_groups
from eegexplain.models._patterns import filter_patterns
from eegexplain.models.eegnet import EEGNet, EEGNetClassifier, EEGNetRegressor
from eegexplain.models.network import NetworkClassifier, NetworkRegressor
from eegexplain.models.syncnet import SyncNet, SyncNetClassifier, SyncNetRegressor

__all__ = [
    "EEGNet",
    "EEGNetClassifier",
    "EEGNetRegressor",
    "NetworkClassifier",
    "NetworkRegressor",
    "SyncNet",
    "SyncNetClassifier",
    "SyncNetRegressor",
    "align_groups",
    "filter_patterns",
    "fit_many",
]
