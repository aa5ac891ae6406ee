"""
Channels, bands and moments that a decoder uses
===============================================

A SyncNet learns to tell two kinds of simulated trials apart: a 10 Hz rhythm over the back of the head and a 22 Hz
rhythm over the left motor cortex, each stronger in one class. FLEX averages the network's gradients once per trial, on
the path from a silent trial to the recorded one, and reads them as frequencies, bands, or moments.
"""

# %%
# Train, then explain trials that the network has not seen.
from eegexplain import FLEXAttributor, SyncNetClassifier
from eegexplain.datasets import make_oscillatory_eeg

eeg = make_oscillatory_eeg(n_trials=240, random_state=0)
train, test = slice(0, 160), slice(160, None)
names = eeg.y.astype(str).astype(object)
names[:] = ["beta over C3" if label else "alpha over Oz" for label in eeg.y]

net = SyncNetClassifier(random_state=0)
flex = FLEXAttributor(net, sfreq=eeg.sfreq, ch_names=eeg.ch_names).fit(eeg.X[train], names[train])
accuracy = flex.score(eeg.X[test], names[test])
held_out = flex.explain_population(eeg.X[test], names[test])
print(held_out)

# %%
# Channels by frequencies, for one of the two outputs (the other is its mirror image). Red: this channel's activity at
# this frequency speaks for the class. Hatched: less than two standard errors from zero.
from eegexplain.plotting import SpectralMapDisplay

SpectralMapDisplay.from_explanation(held_out, output="beta over C3").plot(order="front")

# %%
# The same on the scalp, per band. Another basis costs a projection, not another integral.
from eegexplain.bases import STFT
from eegexplain.plotting import TopomapDisplay

several = flex.explain(eeg.X[test], target="all", basis=["bands", STFT(window=0.5, hop=0.0625)])
mean = several["bands"].drop_vars(["convergence_delta", "n_steps"]).mean("trial", keep_attrs=True)
TopomapDisplay.from_explanation(mean.sel(band=["theta", "alpha", "beta", "gamma"])).plot_grid()

# %%
# And over time, at the channel above the beta source.
from eegexplain.plotting import TimeFrequencyDisplay

TimeFrequencyDisplay.from_explanation(several["stft"], channel="C3", output="beta over C3").plot()

# %%
# Does the network follow this map? Delete frequencies in its order and watch the probability of the true class, beside
# random order: the wider the gap, the more faithful the map.
import numpy as np

from eegexplain.inspection import deletion_curve
from eegexplain.plotting import FaithfulnessDisplay

own = np.searchsorted(flex.classes_, names[test])
maps = flex.explain(eeg.X[test], names[test], target="true")["value"].values


def own_probability(X):
    """Probability of each trial's own class."""
    return flex.predict_proba(X)[np.arange(len(X)), own]


curve = deletion_curve(own_probability, eeg.X[test], maps, "fourier", filling="surrogate", random_state=0)
FaithfulnessDisplay(curve, "probability of the true class").plot()
