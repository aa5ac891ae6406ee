"""
From MNE epochs to an explanation
=================================

Epochs cut with MNE go in, a labelled map comes out. The epochs here are simulated, so that the example runs anywhere;
with your own, begin at ``from_epochs``.
"""

# %%
# Epochs
# ------

import mne
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from eegexplain import PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import from_epochs, make_oscillatory_eeg
from eegexplain.plotting import TopomapDisplay

eeg = make_oscillatory_eeg(n_trials=240, reference="average", random_state=2)
info = mne.create_info(eeg.ch_names, eeg.sfreq, "eeg")
events = np.column_stack([np.arange(len(eeg.y)) * 300, np.zeros_like(eeg.y), eeg.y + 1])
epochs = mne.EpochsArray(1e-6 * eeg.X, info, events, event_id={"eyes": 1, "hand": 2}, verbose=False)
print(epochs)

# %%
# Trials
# ------
# In microvolts, good EEG channels only; the classes are the names of the events.

trials = from_epochs(epochs)
X_train, X_test, y_train, y_test = train_test_split(trials.X, trials.y, test_size=80, stratify=trials.y, random_state=0)

# %%
# Network and explanation
# -----------------------
# These channels have an average reference, so one of their dimensions is empty: what the network would do there is
# arbitrary, and the explanation leaves it out (``rank_`` is one less than the number of channels).

net = SyncNetClassifier(sfreq=trials.sfreq, random_state=0).fit(X_train, y_train)
print(f"held-out accuracy {net.score(X_test, y_test):.2f}")
correlator = PerturbationCorrelator(FrozenEstimator(net), noise="data", bands="eeg", ch_names=trials.ch_names)
correlator.fit(X_test, y_test)
print(f"{correlator.rank_} of {len(trials.ch_names)} dimensions")

# %%
# On the scalp
# ------------
# Positions come from the epochs' own montage where they have one; otherwise from the names.

TopomapDisplay.from_estimator(correlator, options={"label": "correlation"})
