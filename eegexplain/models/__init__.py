"""Networks as estimators: SyncNet, whose filters are damped oscillations; EEGNet; bases for any module; ensembles."""

from eegexplain._many import fit_many
from eegexplain.models._alignment import align_groups
from eegexplain.models._patterns import filter_patterns
from eegexplain.models.eegnet import EEGNet, EEGNetClassifier, EEGNetRegressor
from eegexplain.models.ensemble import EnsembleClassifier, EnsembleRegressor
from eegexplain.models.network import NetworkClassifier, NetworkRegressor
from eegexplain.models.syncnet import SyncNet, SyncNetClassifier, SyncNetRegressor

__all__ = [
    "EEGNet",
    "EEGNetClassifier",
    "EEGNetRegressor",
    "EnsembleClassifier",
    "EnsembleRegressor",
    "NetworkClassifier",
    "NetworkRegressor",
    "SyncNet",
    "SyncNetClassifier",
    "SyncNetRegressor",
    "align_groups",
    "filter_patterns",
    "fit_many",
]
