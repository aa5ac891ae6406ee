"""EEG to explain: simulated with known truth, and loaders."""

from eegexplain._containers import TrialSet, read_trials
from eegexplain.datasets._sources import Dipole, Source
from eegexplain.datasets._truth import ideal_observer_accuracy, ideal_observer_information
from eegexplain.datasets.continuous import windows
from eegexplain.datasets.loaders import from_epochs, load_trials
from eegexplain.datasets.oscillatory import make_oscillatory_eeg
from eegexplain.datasets.synchrony import make_synchrony_eeg
from eegexplain.datasets.uci import fetch_uci_eeg, load_uci_eeg

__all__ = [
    "Dipole",
    "Source",
    "TrialSet",
    "fetch_uci_eeg",
    "from_epochs",
    "ideal_observer_accuracy",
    "ideal_observer_information",
    "load_trials",
    "load_uci_eeg",
    "make_oscillatory_eeg",
    "make_synchrony_eeg",
    "read_trials",
    "windows",
]
