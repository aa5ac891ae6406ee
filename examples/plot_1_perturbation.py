"""
Which channels and frequencies does the network use?
====================================================

Disturb the amplitude of one channel and frequency a little and see whether the network's output moves: perturbation
correlation, in closed form from gradients, with its error, on trials that the network has never seen.
"""

# %%
# A network and trials it has never seen
# --------------------------------------

import numpy as np
from sklearn.frozen import FrozenEstimator

from eegexplain import PerturbationCorrelator, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.plotting import SpectralMapDisplay, TopomapDisplay

eeg = make_oscillatory_eeg(n_trials=300, random_state=1)
train = np.arange(len(eeg.y)) < 200
net = SyncNetClassifier(sfreq=eeg.sfreq, random_state=0).fit(eeg.X[train], eeg.y[train])
held_out = eeg.X[~train], eeg.y[~train]
print(f"held-out accuracy {net.score(*held_out):.2f}")

# %%
# What co-varies with the output
# ------------------------------
# ``noise="data"`` disturbs the trials with noise of their own cross-spectrum: what moves together in the data moves
# together in the perturbation. This is the analogue of a Haufe pattern, right under volume conduction. Hatched cells
# are within two standard errors of zero.

correlator = PerturbationCorrelator(FrozenEstimator(net), noise="data", ch_names=eeg.ch_names).fit(*held_out)
SpectralMapDisplay.from_estimator(correlator, output="1", order="front", label="correlation, class 1")

# %%
# By band, on the scalp.

by_band = PerturbationCorrelator(FrozenEstimator(net), noise="data", bands="eeg", ch_names=eeg.ch_names).fit(*held_out)
TopomapDisplay.from_estimator(by_band, options={"label": "correlation"})

# %%
# How the network uses each channel alone
# ---------------------------------------
# Independent noise answers another question: spatial filters subtract channels to cancel background activity, so their
# sign need not be the sign of the class effect.

alone = PerturbationCorrelator(FrozenEstimator(net), bands="eeg", ch_names=eeg.ch_names).fit(*held_out)
TopomapDisplay.from_estimator(alone, options={"label": "correlation"})

# %%
# Against the planted truth
# -------------------------

informative = eeg.truth.role == "informative"
agree = np.sign(correlator.correlations_[:, informative]) == np.sign(eeg.truth.effect[:, informative])
print(f"{agree.mean():.0%} of the signs on the {informative.sum()} informative cells")

# %%
# The numbers, labelled
# ---------------------

strongest = by_band.explanation_["value"].sel(output="1").to_series().abs().nlargest(3)
print(strongest)
