"""
What do the filters look for?
=============================

Four questions to the learned filters, on simulated EEG whose rhythms are known (10 Hz at the back of the head, 22 Hz
near C3): which rhythm and which electrodes has each filter learned, what waveform goes with its output in the data,
which trials hold it most, and does its output follow the power of a band more than an untrained filter's would?
"""

# %%
# A trained network and held-out trials
# -------------------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator

from eegexplain import (
    EnvelopeCorrelator,
    ReverseCorrelator,
    SinusoidFitter,
    SyncNetClassifier,
    TemplateDisplay,
    receptive_field,
)
from eegexplain.datasets import make_oscillatory_eeg

eeg = make_oscillatory_eeg(n_trials=300, random_state=1)
train = np.arange(len(eeg.y)) < 200
net = SyncNetClassifier(num_filters=6, sfreq=eeg.sfreq, random_state=0).fit(eeg.X[train], eeg.y[train])
held_out = eeg.X[~train], eeg.y[~train]
print(f"held-out accuracy {net.score(*held_out):.2f}")

# %%
# The filters themselves
# ----------------------
# A SyncNet's filters are damped oscillations, so a table describes them: frequency, width, and per channel amplitude
# and phase. From the phases follow the lags between electrodes. A filter is no topography, though: it also weighs
# electrodes that cancel what it is not after. Its pattern is what the electrodes do when its output changes.

table = net.filter_table_
filtered, seen = (table.filter(regex=f"^{name}").to_numpy() for name in ("amplitude_", "pattern_amplitude_"))
strongest, pattern = (
    [", ".join(eeg.ch_names[c] for c in row.argsort()[::-1][:3]) for row in values] for values in (filtered, seen)
)
print(table[["peak_frequency", "bandwidth", "cycles"]].round(1).assign(strongest=strongest, pattern=pattern))

# %%
# The same as a picture, for the four slowest: waveforms at the three strongest electrodes with a fitted sinusoid, and a
# map of amplitudes. An arrow is the phase relative to the strongest electrode: to the right in phase, to the left in
# opposite phase. The map beside it is the pattern: of the two, this one is to be read as a topography.

names = {"sfreq": eeg.sfreq, "ch_names": eeg.ch_names}
filters = SinusoidFitter(FrozenEstimator(net), **names).fit(*held_out)
TemplateDisplay.from_estimator(filters, label="filter")

# %%
# What goes with their outputs
# ----------------------------
# A filter also subtracts what it does not look for, so that its weights need not look like what it responds to. Reverse
# correlation shows the waveform in the data that goes with its output. It needs to know which samples a unit sees:
# this is traced on the network, for any layer.

module = net.net_.module_
print(receptive_field(module, "conv_out", eeg.X.shape[1:]))
print(receptive_field(module, "pool_out", eeg.X.shape[1:]))

correlator = ReverseCorrelator(FrozenEstimator(net), **names)
waveforms = SinusoidFitter(correlator, **names).fit(*held_out)
display = TemplateDisplay.from_estimator(waveforms)

# %%
# The trials and times that drive the second filter most.

display.plot_windows(1)

# %%
# Whitened, reverse correlation gives the filter back, because its output is linear in the trial.

whitened = ReverseCorrelator(FrozenEstimator(net), whiten=True, **names).fit(*held_out)
for k, (template, found) in enumerate(zip(net.templates_, whitened.templates_, strict=True)):
    seen = waveforms.estimator_.templates_[k]
    plain, white = (np.corrcoef(template.ravel(), other.ravel())[0, 1] for other in (seen, found))
    print(f"filter {k}: correlation with the weights {plain:.2f}, whitened {white:.2f}")

# %%
# Which band power do they follow?
# --------------------------------
# Behind the pooling, outputs follow power. The untrained network beside it says how much of that is there for free.

envelopes = EnvelopeCorrelator(FrozenEstimator(net), layer="pool_out", random_state=0, **names).fit(*held_out)
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
maps = envelopes.correlations_, envelopes.baseline_correlations_
for ax, values, title in zip(axes, maps, ("trained", "untrained"), strict=True):
    strongest_channel = np.abs(values).max(axis=1)  # (n_filters, n_bands)
    image = ax.imshow(strongest_channel, vmin=0, vmax=1, cmap="Reds", aspect="auto")
    ax.set_xticks(range(len(envelopes.bands_)), envelopes.bands_)
    ax.set(title=title, yticks=range(6))
axes[0].set_ylabel("filter")
figure.colorbar(image, ax=axes, label="largest |correlation| over channels")
plt.show()
