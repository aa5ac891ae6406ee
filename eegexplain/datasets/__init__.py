"""EEG to explain: simulated with known truth, and loaders."""

from eegexplain.datasets._sources import Dipole, Source
from eegexplain.datasets._truth import ideal_observer_accuracy
from eegexplain.datasets.oscillatory import make_oscillatory_eeg
from eegexplain.datasets.synchrony import make_synchrony_eeg

__all__ = ["Dipole", "Source", "ideal_observer_accuracy", "make_oscillatory_eeg", "make_synchrony_eeg"]
