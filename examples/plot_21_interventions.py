"""
Which filters carry the class?
==============================

Take a filter's output from other trials and see what the network loses: of trials of the same class (the control) and
of the other class. Simulated EEG with two rhythms whose power tells the classes apart, 10 Hz and 22 Hz.
"""

# %%
# A trained network and held-out trials
# -------------------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator

from eegexplain import ActivationPatcher, SyncNetClassifier, intervene
from eegexplain.datasets import make_oscillatory_eeg
from eegexplain.plotting import PatchingDisplay

eeg = make_oscillatory_eeg(n_trials=400, random_state=1)
train = np.arange(len(eeg.y)) < 250
net = SyncNetClassifier(num_filters=8, sfreq=eeg.sfreq, random_state=0).fit(eeg.X[train], eeg.y[train])
X, y = eeg.X[~train], eeg.y[~train]
print(f"held-out accuracy {net.score(X, y):.2f}")

# %%
# One filter at a time
# --------------------
# How much evidence for its own class a trial loses when a filter does what it does on trials of the other class instead
# of the same one, and how much the log loss grows. Four filters, near 10 and near 22 Hz, carry the class.

patcher = ActivationPatcher(FrozenEstimator(net), n_draws=20, random_state=0).fit(X, y)
print(f"there is to lose {patcher.contrast_.round(2)}, filters lose {patcher.effects_.sum(axis=1).round(2)} in all")
peaks = net.filter_table_["peak_frequency"].to_numpy()
names = [f"filter {k}, {peak:.0f} Hz" for k, peak in enumerate(peaks)]
shown = patcher.explanation_.assign_coords(unit=names, output=["rest", "move"])
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for ax, loss in zip(axes, (False, True), strict=True):
    PatchingDisplay.from_explanation(shown, loss=loss).plot(ax=ax)

# %%
# The strongest filters together
# ------------------------------
# Filters that do the same stand in for each other, so that effects of single filters need not add up. How well does the
# network decode while the strongest ones do what they would do on some other trial? With four of them it is at chance.

order = np.argsort(-patcher.effects_.mean(axis=0))
accuracy = []
for n_taken in range(len(order) + 1):
    replace = {"conv_out": {"units": order[:n_taken], "with": "resample"}} if n_taken else {}
    drawn = [intervene(net, X, replace, random_state=seed) for seed in range(10)]
    accuracy.append([np.mean(net.classes_[outputs.argmax(axis=1)] == y) for outputs in drawn])
accuracy = np.array(accuracy)
figure, ax = plt.subplots(figsize=(4.5, 3), layout="constrained")
ax.errorbar(range(len(accuracy)), accuracy.mean(axis=1), accuracy.std(axis=1), fmt="o-", color="#0072B2", capsize=2)
ax.axhline(0.5, color="0.6", linestyle=":")
ax.set(xlabel="filters taken from other trials, strongest first", ylabel="accuracy")
ax.spines[["top", "right"]].set_visible(False)
plt.show()
