"""
Simulate EEG with a known answer and train a network on it
==========================================================

An explanation can only be trusted where it finds what is known to be there. Here two rhythms are planted in simulated
EEG: 10 Hz under Oz is stronger in class 0, 22 Hz under C3 in class 1. A SyncNet learns to tell the classes apart, and
its filters can be read like a table.
"""

# %%
# Simulated EEG
# -------------
# Dipoles in a head of three spheres, 300 background dipoles with 1/f activity. ``truth.effect`` is the log ratio of the
# classes' expected power, known from the model and not measured in the sample.

import numpy as np

from eegexplain import SyncNetClassifier
from eegexplain.datasets import ideal_observer_accuracy, make_oscillatory_eeg
from eegexplain.plotting import SpectralMapDisplay, TopomapDisplay

eeg = make_oscillatory_eeg(n_trials=300, random_state=0)
shown = eeg.frequencies <= 45
planted = SpectralMapDisplay(
    eeg.truth.effect[1:, :, shown], eeg.ch_names, frequencies=eeg.frequencies[shown], label="log power ratio, class 1"
)
planted.plot(order="front")

# %%
# The patterns of the two sources on the scalp, in microvolts.

TopomapDisplay.from_values(eeg.truth.patterns, eeg.ch_names, bands=eeg.truth.names, label="µV").plot_grid()

# %%
# Training
# --------
# No classifier can do better on average than the ideal observer, who knows the distributions.

train = np.arange(len(eeg.y)) < 200
net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0).fit(eeg.X[train], eeg.y[train])
print(f"held-out accuracy {net.score(eeg.X[~train], eeg.y[~train]):.2f}")
print(f"ideal observer    {ideal_observer_accuracy(eeg, random_state=0):.2f}")

# %%
# What the filters look for
# -------------------------
# Each filter is a damped oscillation with an amplitude and a phase per channel. Where its rhythm is strong on the scalp
# is told by its pattern: the filter itself also weighs channels that cancel what it is not after.

strongest = np.abs(net.patterns_).argmax(axis=1)
net.filter_table_.assign(strongest=np.array(eeg.ch_names)[strongest])[
    ["peak_frequency", "bandwidth", "cycles", "strongest"]
].round(1)
